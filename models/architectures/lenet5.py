"""LeNet-5: convolutions and averages in turn, then two dense layers, all with tanh.

LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition". Three things are
simpler here, as they are in most copies: the averages have no trained factor and bias, every map of C3 sees every map
of S2, and the last layer is linear in place of distances to drawn digits.
"""

from __future__ import annotations

import keras

INPUT = "pixels"


def lenet5(shape: tuple[int, int, int], labels: int) -> keras.Model:
    """Builds the model; 61,706 parameters for 28 x 28 pixels and 10 labels.

    The names of the layers are those of the paper. Zeros around the image make 28 x 28 pixels the paper's 32 x 32.

    Input shape:
        uint8 [batch, height, width, channels], height and width at least 28.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        shape: of an image, (height, width, channels).
        labels: number of labels.

    Example:
        >>> lenet5((28, 28, 1), 10).count_params()
        61706
    """
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.ZeroPadding2D(2, name="border")(x)
    x = keras.layers.Conv2D(6, 5, activation="tanh", name="C1")(x)
    x = keras.layers.AveragePooling2D(2, name="S2")(x)
    x = keras.layers.Conv2D(16, 5, activation="tanh", name="C3")(x)
    x = keras.layers.AveragePooling2D(2, name="S4")(x)
    x = keras.layers.Conv2D(120, 5, activation="tanh", name="C5")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(84, activation="tanh", name="F6")(x)
    logits = keras.layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name="lenet5")
