"""Transformer: blocks in which every word looks at all the others, then the mean over the words.

Vaswani et al. (2017), "Attention is all you need", its encoder, with the normalisation before each part as in Xiong et
al. (2020), "On layer normalization in the transformer architecture". Words after `longest` are not read.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

INPUT = "ids"


def transformer(
    features: int,
    labels: int,
    *,
    dimensions: int = 128,
    heads: int = 4,
    hidden: int = 256,
    blocks: int = 1,
    dropout: float = 0.3,
    longest: int = 400,
) -> keras.Model:
    """Builds the model; (features + 2) * 128 + 132,736 + 129 * labels parameters.

    Padding is masked in attention and left out of the mean: neither it nor batch-mates change a document's logits.

    Input shape:
        int32 [batch, length], 0 = padding, which only follows words.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        features: size of the vocabulary; ids are 0 (padding), 1 (OOV) and 2 to features + 1.
        labels: number of labels.
        dimensions: of a word vector, an even number.
        heads: of attention; each has dimensions / heads numbers.
        hidden: units between the two dense layers of a block.
        blocks: number of encoder blocks.
        dropout: share that is dropped in training from words, from weights and from what is added.
        longest: words that are read.

    Example:
        >>> transformer(20, 2)(ops.array([[2, 3, 4, 0]])).shape
        TensorShape([1, 2])
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    read = ops.pad(ids[:, :longest], ((0, 0), (0, 1)))  # Keras warns of a softmax over one place
    there = ops.not_equal(read, 0)
    little = keras.initializers.RandomUniform(-0.02, 0.02)  # a word not seen in training says where it is, no more
    x = keras.layers.Embedding(features + 2, dimensions, embeddings_initializer=little, name="embedding")(read)
    x = x * dimensions**0.5 + positions(there, dimensions, x.dtype)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    for number in range(1, blocks + 1):
        y = keras.layers.LayerNormalization(name=f"norm_{number}_1")(x)
        attend = keras.layers.MultiHeadAttention(heads, dimensions // heads, dropout=dropout, name=f"attend_{number}")
        y = attend(y, y, attention_mask=there[:, None, :])
        x = x + keras.layers.Dropout(dropout, name=f"dropout_{number}_1")(y)
        y = keras.layers.LayerNormalization(name=f"norm_{number}_2")(x)
        y = keras.layers.Dense(hidden, activation="relu", name=f"hidden_{number}")(y)
        y = keras.layers.Dense(dimensions, name=f"back_{number}")(y)
        x = x + keras.layers.Dropout(dropout, name=f"dropout_{number}_2")(y)
    x = keras.layers.LayerNormalization(name="norm")(x)
    words = ops.expand_dims(ops.cast(there, x.dtype), -1)
    mean = ops.sum(x * words, axis=1) / ops.maximum(ops.sum(words, axis=1), 1)
    mean = keras.layers.Dropout(dropout, name="dropout_mean")(mean)
    return keras.Model(ids, keras.layers.Dense(labels, dtype="float32", name="logits")(mean), name="transformer")


def positions(there: keras.KerasTensor, dimensions: int, dtype: str) -> keras.KerasTensor:
    """Sines and cosines of each word's place, [batch, length, dimensions]; wave lengths from 2 pi to 10,000 * 2 pi."""
    rates = 10_000.0 ** (-np.arange(0, dimensions, 2, dtype="float32") / dimensions)
    angles = ops.expand_dims(ops.cumsum(ops.cast(there, "float32"), axis=1) - 1, -1) * rates
    return ops.cast(ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1), dtype)
