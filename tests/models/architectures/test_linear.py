"""The linear model's logits by hand; neither padding nor batch-mates change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.architectures.linear import linear
from models.layers.weighted_bag import BIAS, TERM_FREQUENCIES

SCALE = np.array([1.0, 2.0, 0.5, 3.0])


def model(**arguments: Any) -> keras.Model:
    built = linear(4, 3, scale=SCALE, **arguments)
    generator = np.random.default_rng(0)
    layer = built.get_layer("bag")
    layer.rows.assign(generator.normal(size=(6, 3)))
    layer.bias.assign(generator.normal(size=3))
    return built


def bag(ids: list[list[int]], counts: list[list[int]]) -> dict[str, Any]:
    return {"ids": np.array(ids, np.int32), "counts": np.array(counts, np.int32)}


@pytest.mark.parametrize("term_frequency", TERM_FREQUENCIES)
@pytest.mark.parametrize("normalize", [True, False])
def test_logits_are_the_weighted_sum_of_rows(term_frequency: str, normalize: bool) -> None:
    built = model(term_frequency=term_frequency, normalize=normalize)
    layer = built.get_layer("bag")
    count = np.array([1.0, 4.0])
    value = {"binary": np.ones(2), "sublinear": 1 + np.log(count), "sqrt": np.sqrt(count)}[term_frequency]
    value = value * SCALE[[3, 0]]
    value = value / np.linalg.norm(value) if normalize else value
    expected = value @ layer.rows.numpy()[[5, 2]] + BIAS * layer.bias.numpy()
    np.testing.assert_allclose(built(bag([[5, 2]], [[1, 4]]))[0], expected, rtol=1e-5)


def test_padding_and_batch_mates_change_nothing() -> None:
    built = model()
    alone = np.array(built(bag([[5, 2]], [[1, 4]])))[0]
    among = np.array(built(bag([[3, 4, 5, 2], [5, 2, 0, 0], [0, 0, 0, 0]], [[9, 1, 2, 2], [1, 4, 0, 0], [0] * 4])))
    np.testing.assert_allclose(among[1], alone, atol=1e-5)


def test_unknown_features_weigh_nothing_and_an_empty_text_has_the_bias() -> None:
    built = model()
    with_oov = np.array(
        built(bag([[1, 5, 2], [5, 2, 0], [1, 0, 0], [0, 0, 0]], [[7, 1, 4], [1, 4, 0], [2, 0, 0], [0] * 3]))
    )
    np.testing.assert_allclose(with_oov[0], with_oov[1], atol=1e-6)
    np.testing.assert_allclose(with_oov[2:], np.tile(BIAS * built.get_layer("bag").bias.numpy(), (2, 1)), atol=1e-6)


def test_a_saved_model_answers_the_same(tmp_path: Path) -> None:
    built = model(term_frequency="sqrt")
    built.save(tmp_path / "m.keras")
    x = bag([[5, 2, 0], [3, 4, 2]], [[1, 4, 0], [1, 1, 2]])
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "m.keras")(x), built(x), atol=1e-6)


def test_an_unknown_term_frequency_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: 'log'"):
        linear(4, 3, term_frequency="log")
