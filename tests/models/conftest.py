"""A small exported model of each kind of input, and a small training, for many tests; full precision on a GPU."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapreduce.output import manifest
from mapreduce.tokens.specification import preset
from models.counts import linear
from models.serving.export import export
from models.serving.exports import arrays
from models.serving.linear_model import LinearModel
from models.serving.pixel_model import PixelModel
from models.serving.text_model import TextModel
from models.training.runs import Fitted
from models.training.stages import Stages
from tests.models.small_training import trained
from tests.models.test_train_images import pictures, write

# A GPU multiplies with ten bits of mantissa unless told otherwise; the tests hold answers to more.
tf.config.experimental.enable_tensor_float_32_execution(False)

LABELS = ["up", "döwn", "left right"]
WORDS = [b"rise", b"fall", b"west", b"east rise"]
SPECIFICATION = preset("keras", ngrams=2)


@contextmanager
def memory_for(more: int) -> Iterator[None]:
    """This process gets so many bytes more than it has, where the system says how many those are."""
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def core(kind: str, tokens: int, labels: int) -> keras.Model:
    """A linear model on ids or on a bag: token i speaks for label i modulo the number of labels."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedding = keras.layers.Embedding(tokens + 2, labels, name="embedding")
    if kind == "ids":
        model = keras.Model(ids, keras.ops.sum(embedding(ids), axis=1))
    else:
        counts = keras.Input((None,), dtype="int32", name="counts")
        logits = keras.ops.sum(embedding(ids) * keras.ops.cast(counts, "float32")[..., None], axis=1)
        model = keras.Model({"ids": ids, "counts": counts}, logits)
    weights = np.zeros((tokens + 2, labels), np.float32)
    weights[np.arange(2, tokens + 2), np.arange(tokens) % labels] = 1 + np.arange(tokens) / 8
    embedding.set_weights([weights])
    return model


def export_texts(model: keras.Model, *, directory: Path, manifest: dict[str, Any], **joined: Any) -> None:
    """Exports a model of integers, joined to a tokenizer and tokens."""
    export(TextModel(model, **joined), directory=directory, manifest=manifest)


def export_images(model: keras.Model, *, directory: Path, manifest: dict[str, Any], **joined: Any) -> None:
    """Exports a model of pixels."""
    export(PixelModel(model, **joined), directory=directory, manifest=manifest)


def exported(kind: str, folder: Path) -> Path:
    """Exports the model of three labels into `folder`: `rise` means up, `fall` döwn, `west` left right."""
    export_texts(
        core(kind, len(WORDS), len(LABELS)),
        kind=kind,
        specification=SPECIFICATION,
        tokens=WORDS,
        labels=LABELS,
        scale=2.0,
        directory=folder,
        manifest=manifest.build("model", results={"accuracy": 0.5}),
    )
    return folder


@pytest.fixture(scope="session", params=["ids", "bag"])
def model_directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model, of each kind of input."""
    return exported(request.param, tmp_path_factory.mktemp("model") / request.param)


@pytest.fixture(scope="session")
def one_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model of bags, where one will do: for what starts processes."""
    return exported("bag", tmp_path_factory.mktemp("model") / "bag")


@pytest.fixture(scope="session")
def arrays_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model for texts of one word, as arrays: what starts a process needs no TensorFlow in it."""
    model = linear.empty(len(WORDS), len(LABELS), scale=np.ones(len(WORDS), np.float32))
    model.rows[:] = core("bag", len(WORDS), len(LABELS)).get_weights()[0]
    texts = LinearModel(linear.Sum([model]), specification=SPECIFICATION, tokens=WORDS, labels=LABELS, scale=2.0)
    folder = tmp_path_factory.mktemp("model") / "arrays"
    export(texts, directory=folder, manifest=manifest.build("model"), kinds=(arrays.NAME,))
    return folder


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The train and validation splits of small images, encoded."""
    folder = tmp_path_factory.mktemp("shards")
    stages = Stages([write(folder / "train.tsv", *pictures(150, 0))], folder / "work", runner="inline")
    return stages.encode_images("train"), stages.encode_images("validation")


@pytest.fixture(scope="session")
def whole(shards: tuple[Path, Path]) -> Fitted:
    """The small training, which nothing has interrupted."""
    return trained(shards)
