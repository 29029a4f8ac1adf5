"""TextCNN: convolutions over word vectors, the largest answer of each filter, a softmax layer's logits.

Kim (2014), "Convolutional Neural Networks for Sentence Classification", the variant whose word vectors start at random
values (CNN-rand). It reads word n-grams of a few words and does not know where in the text they stood. Words after
`longest` are not read.
"""

from __future__ import annotations

import keras
from keras import ops

from models.layers.max_convolution import MaxConvolution

INPUT = "ids"


def textcnn(
    features: int,
    labels: int,
    *,
    dimensions: int = 128,
    widths: tuple[int, ...] = (3, 4, 5),
    filters: int = 100,
    dropout: float = 0.5,
    longest: int = 400,
) -> keras.Model:
    """Builds the model; (features + 2) * 128 + 153,900 + 301 * labels parameters.

    A filter is applied at every word, with zeros after the last one, and positions that begin in padding are masked
    before the maximum: neither padding nor batch-mates change a document's logits.

    Input shape:
        int32 [batch, length], 0 = padding, which only follows words.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        features: size of the vocabulary; ids are 0 (padding), 1 (OOV) and 2 to features + 1.
        labels: number of labels.
        dimensions: of a word vector.
        widths: of the filters, in words.
        filters: number of filters of each width.
        dropout: share of the filters' answers that is dropped in training.
        longest: words that are read.

    Example:
        >>> textcnn(20, 2)(ops.array([[2, 3, 4, 0]])).shape
        TensorShape([1, 2])
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    read = ids[:, :longest]
    there = ops.expand_dims(ops.cast(ops.not_equal(read, 0), "float32"), -1)
    uniform = keras.initializers.RandomUniform(-0.25, 0.25)
    x = keras.layers.Embedding(features + 2, dimensions, embeddings_initializer=uniform, name="embedding")(read)
    x = x * there
    found = [MaxConvolution(filters, width, name=f"convolution_{width}")((x, there)) for width in widths]
    joined = keras.layers.Dropout(dropout, name="dropout")(ops.concatenate(found, axis=-1))
    return keras.Model(ids, keras.layers.Dense(labels, dtype="float32", name="logits")(joined), name="textcnn")
