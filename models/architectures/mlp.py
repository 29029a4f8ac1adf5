"""MLP: one hidden layer of rectified units between the pixels and the labels.

Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating errors", with ReLU for the
sigmoid. It does not know which pixels are neighbours.
"""

from __future__ import annotations

import keras

INPUT = "pixels"


def mlp(shape: tuple[int, int, int], labels: int, *, hidden: int = 128, dropout: float = 0.0) -> keras.Model:
    """Builds the model; 101,770 parameters for 28 x 28 pixels and 10 labels.

    Input shape:
        uint8 [batch, height, width, channels].

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        shape: of an image, (height, width, channels).
        labels: number of labels.
        hidden: units of the hidden layer.
        dropout: share of the hidden units that is dropped in training.

    Example:
        >>> mlp((28, 28, 1), 10).count_params()
        101770
    """
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = keras.layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name="mlp")
