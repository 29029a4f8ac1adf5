"""Columns: the numbers of a row through layers of rectified units to logits, or to one number.

The multilayer perceptron of Gorishniy, Rubachev, Khrulkov and Babenko (2021), "Revisiting deep learning models for
tabular data"; without a hidden layer it is a linear model. It does not know which numbers are of one column.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

INPUT = "table"


def columns(shape: tuple[int], labels: int, *, hidden: Sequence[int] = (), dropout: float = 0.0) -> keras.Model:
    """Builds the model; without a hidden layer 210 parameters for 20 numbers and 10 labels.

    Input shape:
        float32 [batch, numbers].

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        shape: of a row, (numbers,).
        labels: number of labels; 1 where a number is learnt.
        hidden: units of each hidden layer.
        dropout: share of the hidden units that is dropped in training.

    Example:
        >>> columns((20,), 10).count_params()
        210
    """
    numbers = keras.Input(shape, dtype="float32", name="numbers")
    x = numbers
    for number, units in enumerate(hidden, 1):
        x = keras.layers.Dense(units, activation="relu", name=f"hidden_{number}")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{number}")(x)
    logits = keras.layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(numbers, logits, name="columns")
