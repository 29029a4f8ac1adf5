"""LSTM: a text is read word by word, and what is remembered at its end, or the most that it was on the way, decides.

Hochreiter and Schmidhuber (1997), "Long short-term memory", with the forget gate of Gers, Schmidhuber and Cummins
(2000); bidirectional after Schuster and Paliwal (1997); the maximum over the words after Conneau et al. (2017),
"Supervised learning of universal sentence representations". Words after `longest` are not read.
"""

from __future__ import annotations

import keras
from keras import ops

INPUT = "ids"


def lstm(
    features: int,
    labels: int,
    *,
    dimensions: int = 128,
    units: int = 64,
    hidden: int = 64,
    bidirectional: bool = False,
    pooling: str = "last",
    dropout: float = 0.5,
    spread: float = 0.05,
    longest: int = 400,
) -> keras.Model:
    """Builds the model; (features + 2) * 128 + 53,568 + 65 * labels parameters.

    Padding is masked: the state stands still there, so neither padding nor batch-mates change a document's logits.

    Input shape:
        int32 [batch, length], 0 = padding, which only follows words.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        features: size of the vocabulary; ids are 0 (padding), 1 (OOV) and 2 to features + 1.
        labels: number of labels.
        dimensions: of a word vector.
        units: numbers in the state.
        hidden: units of the dense layer after it.
        bidirectional: whether a second LSTM reads from the end.
        pooling: "last", the state after the last word, or "max", the largest value of each of its numbers over the
            words, which a long text's first words reach as easily as its last.
        dropout: share of words' numbers and of the state that is dropped in training.
        spread: word vectors start between -spread and spread.
        longest: words that are read.

    Raises:
        ValueError: `pooling` is neither.

    Example:
        >>> lstm(20, 2)(ops.array([[2, 3, 4, 0]])).shape
        TensorShape([1, 2])
    """
    if pooling not in ("last", "max"):
        raise ValueError(f"pooling must be 'last' or 'max'. Received: {pooling!r}")
    ids = keras.Input((None,), dtype="int32", name="ids")
    read = ids[:, :longest]
    start = keras.initializers.RandomUniform(-spread, spread)
    x = keras.layers.Embedding(features + 2, dimensions, start, mask_zero=True, name="embedding")(read)
    x = keras.layers.Dropout(dropout, name="dropout_1")(x)
    reader = keras.layers.LSTM(units, return_sequences=pooling == "max", name="lstm")
    x = keras.layers.Bidirectional(reader, name="both_ways")(x) if bidirectional else reader(x)
    if pooling == "max":
        # The state lies between -1 and 1.
        x = ops.max(ops.where(ops.expand_dims(ops.equal(read, 0), -1), -1.0, x), axis=1)
    x = keras.layers.Dropout(dropout, name="dropout_2")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    return keras.Model(ids, keras.layers.Dense(labels, dtype="float32", name="logits")(x), name="lstm")
