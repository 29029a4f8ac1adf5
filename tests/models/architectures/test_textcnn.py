"""TextCNN: padding and batch-mates never change a document's logits; texts shorter than a filter have some."""

from __future__ import annotations

import numpy as np
import pytest

from models.architectures.textcnn import textcnn


@pytest.fixture(scope="module")
def model() -> object:
    import keras

    keras.utils.set_random_seed(0)
    built = textcnn(50, 4, dimensions=16, filters=8)
    # A bias makes masked positions answer: without it, zeros would hide a missing mask.
    for width in (3, 4, 5):
        built.get_layer(f"convolution_{width}").bias.assign(np.full(8, 0.7))
    return built


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 30])
def test_padding_and_batch_mates_change_nothing(model: object, length: int) -> None:
    generator = np.random.default_rng(length)
    ids = generator.integers(1, 52, length)
    alone = np.zeros((1, max(length, 1)), np.int32)
    alone[0, :length] = ids
    among = generator.integers(1, 52, (5, 60)).astype(np.int32)
    among[3] = 0
    among[3, :length] = ids
    np.testing.assert_allclose(model(among)[3], model(alone)[0], atol=1e-5)  # type: ignore[operator]


def test_words_at_the_end_count(model: object) -> None:
    ids = np.full((2, 9), 5, np.int32)
    ids[1, -1] = 6
    first, second = np.array(model(ids))  # type: ignore[operator]
    assert np.abs(first - second).max() > 1e-4


def test_an_empty_text_has_the_bias_of_the_labels(model: object) -> None:
    bias = model.get_layer("logits").bias.numpy()  # type: ignore[attr-defined]
    np.testing.assert_allclose(model(np.zeros((1, 4), np.int32))[0], bias, atol=1e-6)  # type: ignore[operator]
