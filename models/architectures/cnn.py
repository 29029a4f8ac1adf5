"""CNN: three convolutions with pooling between them, then one dense layer.

The plain convolutional network of many introductions, after LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based
learning applied to document recognition", with ReLU and maxima. It uses neither dropout nor normalisation.
"""

from __future__ import annotations

import keras

INPUT = "pixels"


def cnn(
    shape: tuple[int, int, int], labels: int, *, filters: tuple[int, int, int] = (32, 64, 64), hidden: int = 64
) -> keras.Model:
    """Builds the model; 93,322 parameters for 28 x 28 pixels and 10 labels.

    Input shape:
        uint8 [batch, height, width, channels], height and width at least 18.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        shape: of an image, (height, width, channels).
        labels: number of labels.
        filters: number of filters of each convolution, all 3 x 3.
        hidden: units of the dense layer.

    Example:
        >>> cnn((28, 28, 1), 10).count_params()
        93322
    """
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Conv2D(filters[0], 3, activation="relu", name="convolution_1")(x)
    x = keras.layers.MaxPooling2D(2, name="pool_1")(x)
    x = keras.layers.Conv2D(filters[1], 3, activation="relu", name="convolution_2")(x)
    x = keras.layers.MaxPooling2D(2, name="pool_2")(x)
    x = keras.layers.Conv2D(filters[2], 3, activation="relu", name="convolution_3")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    logits = keras.layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name="cnn")
