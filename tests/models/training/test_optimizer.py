"""LazyAdam is Adam where every row is in every batch, and leaves rows alone that are not."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from models.training.optimizer import LazyAdam

ROWS = 6


def trained(optimizer: Any, ids: np.ndarray[Any, Any], steps: int = 7) -> list[np.ndarray[Any, Any]]:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(ROWS, 4, name="e")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, name="d")(x))
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    y = np.arange(len(ids)) % 3
    for _ in range(steps):
        model.train_on_batch(ids, y)
    return [np.array(w) for w in model.get_weights()]


def test_it_is_adam_where_every_batch_holds_every_row_once() -> None:
    ids = np.array([[0, 1], [2, 3], [4, 5]])
    for lazy, stock in zip(trained(LazyAdam(0.02), ids), trained(keras.optimizers.Adam(0.02), ids)):
        np.testing.assert_allclose(lazy, stock, atol=1e-6)


def test_rows_outside_the_batches_stay_as_they_were() -> None:
    ids = np.array([[0, 1, 1, 2], [2, 0, 1, 1]])
    before, after = trained(LazyAdam(0.02), ids, 0)[0], trained(LazyAdam(0.02), ids)[0]
    np.testing.assert_array_equal(after[3:], before[3:])
    assert np.abs(after[:3] - before[:3]).min() > 1e-3


def test_a_row_that_occurs_twice_moves_by_the_sum_of_its_gradients() -> None:
    # The mean of [0, 0] is row 0 itself: both ways have the same gradient, once whole and once in halves.
    once, twice = (
        trained(LazyAdam(0.02), np.array([[0], [1], [2]])),
        trained(LazyAdam(0.02), np.array([[0, 0], [1, 1], [2, 2]])),
    )
    for a, b in zip(once, twice):
        np.testing.assert_allclose(a, b, atol=1e-6)
