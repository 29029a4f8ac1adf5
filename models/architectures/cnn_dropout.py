"""CNN with dropout: two convolutions, one pooling, dropout before and after a dense layer.

Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout: a simple way to prevent neural networks
from overfitting", in the form that is trained with Adadelta (Zeiler 2012) at a rate of 1.0 in batches of 128.
"""

from __future__ import annotations

import keras

INPUT = "pixels"


def cnn_dropout(
    shape: tuple[int, int, int],
    labels: int,
    *,
    filters: tuple[int, int] = (32, 64),
    hidden: int = 128,
    dropout: tuple[float, float] = (0.25, 0.5),
) -> keras.Model:
    """Builds the model; 1,199,882 parameters for 28 x 28 pixels and 10 labels.

    Input shape:
        uint8 [batch, height, width, channels], height and width at least 6.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        shape: of an image, (height, width, channels).
        labels: number of labels.
        filters: number of filters of each convolution, all 3 x 3.
        hidden: units of the dense layer.
        dropout: share that is dropped in training before and after the dense layer.

    Example:
        >>> cnn_dropout((28, 28, 1), 10).count_params()
        1199882
    """
    pixels = keras.Input(shape, dtype="uint8", name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Conv2D(filters[0], 3, activation="relu", name="convolution_1")(x)
    x = keras.layers.Conv2D(filters[1], 3, activation="relu", name="convolution_2")(x)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Dropout(dropout[0], name="dropout_1")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(dropout[1], name="dropout_2")(x)
    logits = keras.layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(pixels, logits, name="cnn_dropout")
