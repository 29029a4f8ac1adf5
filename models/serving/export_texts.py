"""Export: a trained model of integers, its tokenizer and its vocabulary joined into one that takes raw strings.

The SavedModel is the artefact: it holds core TensorFlow operations only and needs no code of ours. The `.keras` file
beside it is for going on with the model in Keras and loads where this project can be imported. This module trains
and measures nothing; `models.load` reads what it writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mapreduce.errors import UserError
from mapreduce.output import atomic, vocabulary
from mapreduce.output import manifest as manifests
from mapreduce.tokens.specification import Specification
from models.layers.encoder import ASSET, Buckets, TextEncoder, encode, lookup_table, write_tokens

SAVED_MODEL = "saved_model"
KERAS = "model.keras"


def export(
    model: keras.Model,
    *,
    kind: str,
    specification: Specification,
    tokens: Sequence[bytes] | int,
    labels: Sequence[str],
    scale: float = 1.0,
    directory: str | os.PathLike[str],
    manifest: dict[str, Any],
) -> None:
    """Writes `directory` as a whole: saved_model/, model.keras, `_manifest.json`, `_SUCCESS`.

    The SavedModel's signature `serving_default` takes `texts`, strings [batch], and gives `probabilities`,
    float32 [batch, labels], softmax(scale * logits), and `labels`, strings [labels]. Nothing is left half-written;
    a model that is there already is replaced.

    Args:
        model: from integers to logits [batch, labels].
        kind: the model's input, "ids" or "bag".
        specification, tokens: what makes its ids of a string; token i has id i + 2. A number in place of tokens is that
            of the buckets which features are hashed to.
        labels: names in the order of the logits.
        scale: what the logits are multiplied with before the softmax.
        manifest: from `mapreduce.output.manifest.build("model", ...)`; labels, kind and fingerprints are added.

    Raises:
        UserError: a token cannot be written, or the numbers of labels and of logits differ.
    """
    check_outputs(model, labels)

    def save(folder: Path) -> None:
        asset = folder / ASSET
        if not isinstance(tokens, int):
            write_tokens(asset, tokens)
        lookup = tokens if isinstance(tokens, int) else str(asset)
        classifier = Classifier(model, kind, specification, lookup, labels, scale)
        tf.saved_model.save(
            classifier,
            str(folder / SAVED_MODEL),
            signatures={"serving_default": classifier.classify},
        )
        string_model(model, kind, specification, lookup, scale).save(folder / KERAS)
        asset.unlink(missing_ok=True)

    size = {"hash_buckets": tokens} if isinstance(tokens, int) else {"tokens": len(tokens)}
    found = {
        **manifest,
        "kind": "model",
        "specification": specification.to_json(),
        "specification_fingerprint": specification.fingerprint,
        "vocabulary_fingerprint": None if isinstance(tokens, int) else vocabulary.fingerprint(tokens),
        "model": {"input": kind, "labels": list(labels), "scale": scale, **size},
    }
    write_whole(Path(directory), save, found)


def check_outputs(model: keras.Model, labels: Sequence[str]) -> None:
    """Raises UserError where the numbers of labels and of logits differ."""
    outputs = model.output_shape[-1]
    if outputs != len(labels):
        raise UserError(f"export: the model has {outputs} outputs for {len(labels)} labels")


def write_whole(folder: Path, save: Callable[[Path], None], manifest: dict[str, Any]) -> None:
    """Lets `save` write into a new folder, adds manifest and `_SUCCESS`, and puts it in the place of an earlier one."""
    with atomic.whole_folder(folder) as filled:
        save(Path(filled))
        manifests.write(filled, manifest)


class Classifier(tf.Module):
    """What the SavedModel holds: `classify`, and `encode` and `tokens` to look inside."""

    def __init__(
        self,
        model: keras.Model,
        kind: str,
        specification: Specification,
        lookup: str | int,
        labels: Sequence[str],
        scale: float,
    ) -> None:
        super().__init__("classifier")
        # The variables only: the model's layers would add their own traces and metadata to the SavedModel.
        self.weights = [variable.value for variable in model.variables]
        if isinstance(lookup, int):
            self.table = Buckets(lookup)
        else:
            self.table = table = lookup_table(lookup)
            self.vocabulary_file = tf.saved_model.Asset(lookup)

            @tf.function(input_signature=[])  # type: ignore[untyped-decorator]
            def vocabulary_tokens() -> tf.Tensor:
                found, lines = table.export()
                return tf.gather(found, tf.argsort(lines))

            self.tokens = vocabulary_tokens
        signature = [tf.TensorSpec([None], tf.string, name="texts")]
        names = tf.constant([name.encode("utf-8", "surrogateescape") for name in labels])

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def encode_texts(texts: tf.Tensor) -> Any:
            return encode(specification, self.table, texts, kind)

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def classify(texts: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = model(encode(specification, self.table, texts, kind), training=False)
            return {"probabilities": tf.nn.softmax(scale * logits), "labels": names}

        self.encode, self.classify = encode_texts, classify


def string_model(
    model: keras.Model, kind: str, specification: Specification, lookup: str | int, scale: float
) -> keras.Model:
    """The same as a Keras model, from strings [batch] to probabilities [batch, labels]."""
    texts = keras.Input(shape=(), dtype="string", name="texts")
    x = TextEncoder(specification, kind, lookup, name="text_encoder")(texts)
    logits = keras.layers.Rescaling(scale, name="scale")(model(x))
    return keras.Model(texts, keras.layers.Softmax(name="probabilities")(logits), name="classifier")
