"""MaxConvolution: its answers and gradients are those of Keras's convolution, ReLU and maximum over the words."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.layers import max_convolution
from models.layers.max_convolution import MaxConvolution

FILTERS, DIMENSIONS = 6, 5


def texts(lengths: list[int], seed: int = 0) -> tuple[tf.Variable, Any]:
    """Words at random for texts of such lengths, padded with zeros."""
    there = np.zeros((len(lengths), max(lengths), 1), np.float32)
    for row, length in enumerate(lengths):
        there[row, :length] = 1
    words = np.random.default_rng(seed).normal(size=(*there.shape[:2], DIMENSIONS)).astype(np.float32)
    return tf.Variable(words * there), there


def built(width: int, bias: float = 0.3) -> MaxConvolution:
    keras.utils.set_random_seed(width)
    layer = MaxConvolution(FILTERS, width)
    layer.build(((None, None, DIMENSIONS), (None, None, 1)))
    layer.bias.assign(np.full(FILTERS, bias))
    return layer


@pytest.fixture(autouse=True, params=[0, 1000], ids=["long", "short"])
def long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts count as long ones, whose places are looked up, or as short ones."""
    monkeypatch.setattr(max_convolution, "LONG", request.param)


def reference(layer: MaxConvolution, words: Any, there: Any) -> Any:
    padded = keras.ops.pad(words, ((0, 0), (0, layer.width - 1), (0, 0)))
    answers = tf.nn.conv1d(padded, layer.kernel.value, 1, "VALID") + layer.bias.value
    return tf.reduce_max(tf.where(there > 0, tf.nn.relu(answers), 0.0), axis=1)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("bias", [0.3, -0.8], ids=["all answer", "few answer"])
def test_answers_and_gradients_are_those_of_a_convolution_and_a_maximum(width: int, bias: float) -> None:
    layer = built(width, bias)
    words, there = texts([9, 0, 1, 4, 9])
    variables = [words, layer.kernel.value, layer.bias.value]
    found = []
    for answer in (
        lambda: reference(layer, words, there),
        lambda: layer((words, there), training=True),
        lambda: layer((words, there), training=False),
    ):
        with tf.GradientTape() as tape:
            value = answer()
            loss = tf.reduce_sum(value * tf.range(1.0, FILTERS + 1))
        found.append([value, *(tf.convert_to_tensor(one) for one in tape.gradient(loss, variables))])
    assert 0 < np.count_nonzero(found[0][0]) < FILTERS * 5
    for others in found[1:]:
        for one, other in zip(found[0], others):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_text_without_words_answers_nothing_in_training() -> None:
    words, there = texts([0, 3])
    found = built(3)((words, there), training=True)
    assert not np.any(found[0]) and np.all(found[1] >= 0)


def test_words_that_no_filter_takes_have_no_gradient() -> None:
    layer = built(1)
    words, there = texts([40])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer((words, there), training=True))
    moved = np.abs(tf.convert_to_tensor(tape.gradient(loss, words))[0]).max(axis=1) > 0
    assert 1 <= moved.sum() <= FILTERS


def test_a_batch_of_any_length_is_trained_on_in_one_graph() -> None:
    layer = built(3)

    @tf.function(input_signature=[tf.TensorSpec([None, None, DIMENSIONS]), tf.TensorSpec([None, None, 1])])
    def trained(words: Any, there: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(words)
            value = layer((words, there), training=True)
        return value, tape.gradient(value, words)

    for length in (1, 7, 30):
        words, there = texts([length, length // 2])
        value, gradient = trained(words, there)
        np.testing.assert_allclose(value, reference(layer, words, there), atol=1e-5)
        assert gradient.shape == words.shape and np.any(gradient)
