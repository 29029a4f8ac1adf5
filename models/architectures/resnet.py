"""ResNet: blocks of two convolutions whose answer is added to what came in.

He, Zhang, Ren and Sun (2016), "Identity Mappings in Deep Residual Networks": normalisation and ReLU stand before the
convolutions. Small, for small images.
"""

from __future__ import annotations

import keras

INPUT = "pixels"


def resnet(
    shape: tuple[int, int, int],
    labels: int,
    *,
    filters: tuple[int, ...] = (32, 64),
    blocks: int = 2,
) -> keras.Model:
    """Builds the model; 171,562 parameters for 28 x 28 pixels and 10 labels.

    Input shape:
        uint8 [batch, height, width, channels].

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        shape: of an image, (height, width, channels).
        labels: number of labels.
        filters: number of filters in each stage; every stage halves height and width.
        blocks: number of blocks in a stage.

    Example:
        >>> resnet((28, 28, 1), 10).count_params()
        171562
    """
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Conv2D(filters[0], 3, padding="same", use_bias=False, name="first")(x)
    for stage, width in enumerate(filters, 1):
        for block in range(1, blocks + 1):
            x = residual(x, width, stride=2 if block == 1 else 1, name=f"stage_{stage}_block_{block}")
    x = activated(x, "last")
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    logits = keras.layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name="resnet")


def residual(x: keras.KerasTensor, width: int, *, stride: int, name: str) -> keras.KerasTensor:
    """One block; where it halves the image, the way around it is a convolution of 1 x 1."""
    y = activated(x, f"{name}_1")
    around = x
    if stride > 1:
        around = keras.layers.Conv2D(width, 1, strides=stride, use_bias=False, name=f"{name}_around")(y)
    y = keras.layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_convolution_1")(y)
    y = activated(y, f"{name}_2")
    y = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_convolution_2")(y)
    return keras.layers.Add(name=f"{name}_sum")([around, y])


def activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Normalisation over the batch, then ReLU."""
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.BatchNormalization(name=f"{name}_norm")(x))
