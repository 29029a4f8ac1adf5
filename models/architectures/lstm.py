"""LSTM: a text is read word by word, and what is remembered at its end decides.

Hochreiter and Schmidhuber (1997), "Long short-term memory", with the forget gate of Gers, Schmidhuber and Cummins
(2000); bidirectional after Schuster and Paliwal (1997). Words after `longest` are not read.
"""

from __future__ import annotations

import keras

INPUT = "ids"


def lstm(
    features: int,
    labels: int,
    *,
    dimensions: int = 128,
    units: int = 64,
    hidden: int = 64,
    bidirectional: bool = False,
    dropout: float = 0.5,
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
        dropout: share of words' numbers and of the state that is dropped in training.
        longest: words that are read.

    Example:
        >>> lstm(20, 2)(keras.ops.array([[2, 3, 4, 0]])).shape
        TensorShape([1, 2])
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(features + 2, dimensions, mask_zero=True, name="embedding")(ids[:, :longest])
    x = keras.layers.Dropout(dropout, name="dropout_1")(x)
    reader = keras.layers.LSTM(units, name="lstm")
    x = keras.layers.Bidirectional(reader, name="both_ways")(x) if bidirectional else reader(x)
    x = keras.layers.Dropout(dropout, name="dropout_2")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    return keras.Model(ids, keras.layers.Dense(labels, dtype="float32", name="logits")(x), name="lstm")
