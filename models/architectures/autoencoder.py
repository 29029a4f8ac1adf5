"""Autoencoder: an image to a short code and back; what it learns is to give back what it was given.

Hinton and Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks", with one layer to each
side; the convolutional form after Masci, Meier, Ciresan and Schmidhuber (2011), "Stacked convolutional auto-encoders".
It knows no labels.
"""

from __future__ import annotations

import math

import keras

INPUT = "pixels"
OUTPUT = "pixels"


def autoencoder(shape: tuple[int, int, int], *, code: int = 32, convolutional: bool = False) -> keras.Model:
    """Builds the model; for 28 x 28 pixels 50,992 parameters, convolutional 3,217.

    Input shape:
        uint8 [batch, height, width, channels]; for the convolutional form height and width are multiples of 4.

    Output shape:
        Logits of the pixels' brightness from 0 to 1, float32 [batch, height, width, channels].

    Args:
        shape: of an image, (height, width, channels).
        code: numbers in the code of the dense form; the convolutional one has 8 for every 4 x 4 pixels.
        convolutional: whether convolutions make the code, which knows places then.

    Example:
        >>> autoencoder((28, 28, 1)).count_params()
        50992
    """
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    if convolutional:
        x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="convolution_1")(x)
        x = keras.layers.MaxPooling2D(2, name="pool_1")(x)
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="convolution_2")(x)
        x = keras.layers.MaxPooling2D(2, name="code")(x)
        x = keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu", name="up_1")(x)
        x = keras.layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu", name="up_2")(x)
        logits = keras.layers.Conv2D(shape[-1], 3, padding="same", dtype="float32", name="logits")(x)
    else:
        x = keras.layers.Flatten(name="flat")(x)
        x = keras.layers.Dense(code, activation="relu", name="code")(x)
        x = keras.layers.Dense(math.prod(shape), dtype="float32", name="logits")(x)
        logits = keras.layers.Reshape(shape, dtype="float32", name="image")(x)
    return keras.Model(pixels, logits, name="autoencoder")
