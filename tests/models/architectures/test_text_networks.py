"""Every network on texts: padding and batch-mates never change a document's logits; parameters are as documented."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.dataset import bag

WORDS, LABELS = 50, 4
SMALL = {
    "lstm": ("lstm", {"dimensions": 8, "units": 6, "hidden": 5}),
    "lstm, both ways": ("lstm", {"dimensions": 8, "units": 6, "hidden": 5, "bidirectional": True}),
    "lstm, maximum": ("lstm", {"dimensions": 8, "units": 6, "hidden": 5, "pooling": "max"}),
    "attention": ("attention", {"dimensions": 8, "hidden": 6}),
    "attention, dot": ("attention", {"dimensions": 8, "hidden": 6, "score": "dot"}),
    "attention, LSTM": ("attention", {"dimensions": 8, "hidden": 6, "units": 4}),
    "transformer": ("transformer", {"dimensions": 8, "heads": 2, "hidden": 12, "blocks": 2}),
    "textcnn": ("textcnn", {"dimensions": 8, "filters": 6}),
    "linear, hidden": ("linear", {"hidden": 6}),
}


def function(name: str) -> Any:
    return getattr(importlib.import_module(f"models.architectures.{name}"), name)


def build(name: str, *arguments: int, **more: Any) -> Any:
    return function(name)(*arguments, **more)


@pytest.fixture(scope="module", params=SMALL)
def network(request: pytest.FixtureRequest) -> Any:
    """A small network, every weight of it drawn at random: zeros (of biases, say) would hide a missing mask."""
    name, arguments = SMALL[request.param]
    model = build(name, WORDS, LABELS, **arguments)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def answer(network: Any, ids: Any) -> Any:
    ids = np.asarray(ids, np.int32)
    return np.array(network(bag(ids) if isinstance(network.input, dict) else ids))


@pytest.mark.parametrize("length", [0, 1, 2, 7, 30])
def test_padding_and_batch_mates_change_nothing(network: Any, length: int) -> None:
    generator = np.random.default_rng(length)
    ids = generator.integers(1, WORDS + 2, length)
    alone = np.zeros((1, max(length, 1)), np.int32)
    alone[0, :length] = ids
    among = generator.integers(1, WORDS + 2, (5, 60)).astype(np.int32)
    among[3] = 0
    among[3, :length] = ids
    found = answer(network, among)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[3], answer(network, alone)[0], atol=1e-5)


def test_every_word_counts(network: Any) -> None:
    ids = np.full((3, 9), 5, np.int32)
    ids[1, -1] = ids[2, 0] = 6
    found = answer(network, ids)
    assert np.abs(found[0] - found[1:]).max(axis=1).min() > 1e-4


@pytest.mark.parametrize("name", ["lstm", "lstm, maximum", "attention, LSTM", "transformer"])
def test_the_order_of_words_counts(name: str) -> None:
    keras.utils.set_random_seed(0)
    network = build(SMALL[name][0], WORDS, LABELS, **SMALL[name][1])
    forward, backward = answer(network, [[5, 6, 7, 8], [8, 7, 6, 5]])
    assert np.abs(forward - backward).max() > 1e-5


@pytest.mark.parametrize("name", ["textcnn", "lstm", "attention", "transformer"])
def test_words_after_the_longest_are_not_read(name: str) -> None:
    network = build(name, WORDS, LABELS, **SMALL[name][1], longest=5)
    long, short = answer(network, [[2, 3, 4, 5, 6, 7, 8]]), answer(network, [[2, 3, 4, 5, 6]])
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_a_saved_network_answers_the_same(network: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "m.keras")
    ids = [[5, 2, 0], [3, 4, 2]]
    np.testing.assert_allclose(
        answer(keras.models.load_model(tmp_path / "m.keras"), ids), answer(network, ids), atol=1e-6
    )


@pytest.mark.parametrize("name", ["textcnn", "lstm", "attention", "transformer"])
def test_parameters_are_as_documented(name: str) -> None:
    network = build(name, 100, 7)
    formula = r"\(features \+ 2\) \* (\d+) \+ ([\d,]+) \+ (\d+) \* labels parameters"
    found = re.search(formula, str(function(name).__doc__))
    assert found
    rows, fixed, per_label = (int(number.replace(",", "")) for number in found.groups())
    assert network.count_params() == 102 * rows + fixed + 7 * per_label


def test_attention_weighs_words_by_their_scores() -> None:
    from models.architectures.attention import attention

    network = attention(3, 2, dimensions=2, hidden=2, score="dot")
    vectors = np.array([[9, 9], [9, 9], [1, 0], [0, 1], [1, 1]], np.float32)
    question = np.array([2.0, 1.0])
    output = np.array([[1.0, 0.0], [0.0, 1.0]])
    network.set_weights([vectors, np.eye(2), question[:, None], output, np.zeros(2)])
    scores = np.exp(vectors[[2, 4]] @ question / 2**0.5)
    np.testing.assert_allclose(answer(network, [[2, 4, 0]])[0], scores / scores.sum() @ vectors[[2, 4]], rtol=1e-5)


def test_hidden_vectors_are_averaged() -> None:
    network = build("linear", 3, 2, hidden=2)
    vectors = np.array([[9, 9], [9, 9], [1, 0], [0, 1], [1, 1]], np.float32)
    network.set_weights([vectors, np.eye(2), np.zeros(2)])
    np.testing.assert_allclose(answer(network, [[2, 2, 4, 1, 0]])[0], [1, 1 / 3], rtol=1e-5)


def test_an_unknown_score_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: 'cosine'"):
        build("attention", 4, 3, score="cosine")


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: 'mean'"):
        build("lstm", 4, 3, pooling="mean")
