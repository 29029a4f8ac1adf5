"""Models that answer together: the SavedModel and the Keras file give the softmax of the sum of what the parts say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import models
from mapreduce.output import manifest
from mapreduce.tokens.specification import preset
from models.serving.export import export
from models.serving.sum_model import SumModel
from models.serving.text_model import TextModel
from tests.models.conftest import LABELS, SPECIFICATION, WORDS, core, export_texts
from tests.models.serving.test_loaded_linear import hostile


def test_the_logits_of_the_parts_are_added_up(tmp_path: Path) -> None:
    """Each part has a tokenizer, a vocabulary, a kind of input and a scale of its own."""
    others = [b"up", b"east", b"\xc3\xa9"]
    given = [
        {"kind": "bag", "specification": SPECIFICATION, "tokens": WORDS, "scale": 0.7},
        {"kind": "ids", "specification": preset("sentences"), "tokens": others, "scale": 1.9},
    ]
    alone, parts = [], []
    for number, one in enumerate(given):
        network = core(str(one["kind"]), len(one["tokens"]), len(LABELS))  # type: ignore[arg-type]
        folder = tmp_path / f"part{number}"
        export_texts(network, directory=folder, manifest=manifest.build("model"), labels=LABELS, **one)
        alone.append(models.load(folder))
        parts.append(TextModel(network, labels=LABELS, **one))  # type: ignore[arg-type]
    export(SumModel(parts, scale=1.3), directory=tmp_path / "sum", manifest=manifest.build("model"))

    texts = [b"rise up", b"fall east", "é west".encode(), b"east rise EAST", *hostile(200)]
    found = models.load(tmp_path / "sum")(texts)
    # The logarithms of a part's probabilities are its scaled logits but for a number that all labels share.
    together = np.exp(1.3 * sum(np.log(model(texts).astype(np.float64)) for model in alone))
    np.testing.assert_allclose(found, together / together.sum(axis=1, keepdims=True), atol=1e-5)
    assert len(np.unique(found.argmax(axis=1))) == 3
    np.testing.assert_allclose(models.load_keras(tmp_path / "sum")(np.array(texts[:100])), found[:100], atol=1e-5)
    own = manifest.read(tmp_path / "sum", "model")["model"]
    assert [(part["input"], part["scale"], part["tokens"]) for part in own["parts"]] == [
        ("bag", 0.7, 4),
        ("ids", 1.9, 3),
    ]


def test_a_text_has_the_answer_that_it_has_alone(tmp_path: Path) -> None:
    parts = [
        TextModel(core(kind, 4, 3), kind=kind, specification=SPECIFICATION, tokens=WORDS, labels=LABELS)
        for kind in ("bag", "ids")
    ]
    export(SumModel(parts), directory=tmp_path / "sum", manifest=manifest.build("model"))
    model, texts = models.load(tmp_path / "sum"), ["rise", "fall " * 500, "", "west east rise"]
    together = model(texts)
    np.testing.assert_array_equal(together, np.concatenate([model([text]) for text in texts]))
    assert model.predict(["west"]) == ["left right"]
