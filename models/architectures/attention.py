"""Attention pooling: every word is weighed by what it says itself, and the weighted mean decides.

Additive scores after Bahdanau, Cho and Bengio (2015), "Neural machine translation by jointly learning to align and
translate", with one trained question for all texts as in Yang et al. (2016), "Hierarchical attention networks for
document classification"; or dot products, scaled as in Vaswani et al. (2017). Words after `longest` are not read.
"""

from __future__ import annotations

import keras
from keras import ops

INPUT = "ids"


def attention(
    features: int,
    labels: int,
    *,
    dimensions: int = 128,
    score: str = "additive",
    units: int = 0,
    hidden: int = 64,
    dropout: float = 0.5,
    spread: float = 0.05,
    longest: int = 400,
) -> keras.Model:
    """Builds the model; (features + 2) * 128 + 8,320 + 129 * labels parameters.

    Padding weighs nothing: neither it nor batch-mates change a document's logits.

    Input shape:
        int32 [batch, length], 0 = padding, which only follows words.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        features: size of the vocabulary; ids are 0 (padding), 1 (OOV) and 2 to features + 1.
        labels: number of labels.
        dimensions: of a word vector.
        score: "additive", v . tanh(W x + b), or "dot", q . (W x) / sqrt(hidden).
        units: of LSTMs that read the words both ways first; 0 for none, then the order of words is not seen.
        hidden: numbers that a word is compared by.
        dropout: share of words' numbers and of the mean's that is dropped in training.
        spread: word vectors start between -spread and spread.
        longest: words that are read.

    Raises:
        ValueError: `score` is neither.

    Example:
        >>> attention(20, 2)(ops.array([[2, 3, 4, 0]])).shape
        TensorShape([1, 2])
    """
    if score not in ("additive", "dot"):
        raise ValueError(f"score must be 'additive' or 'dot'. Received: {score!r}")
    ids = keras.Input((None,), dtype="int32", name="ids")
    read = ops.pad(ids[:, :longest], ((0, 0), (0, 1)))  # Keras warns of a softmax over one place
    there = ops.not_equal(read, 0)
    start = keras.initializers.RandomUniform(-spread, spread)
    x = keras.layers.Embedding(features + 2, dimensions, start, mask_zero=True, name="embedding")(read)
    x = keras.layers.Dropout(dropout, name="dropout_1")(x)
    if units:
        x = keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True), name="both_ways")(x)
    additive = score == "additive"
    keys = keras.layers.Dense(hidden, activation="tanh" if additive else None, use_bias=additive, name="keys")(x)
    scores = keras.layers.Dense(1, use_bias=False, name="question")(keys)[:, :, 0]
    if not additive:
        scores = scores / hidden**0.5
    weights = keras.layers.Softmax(name="weights")(scores, mask=there)
    # A text without words weighs its padding, which is nothing.
    weights = weights * ops.cast(there, weights.dtype)
    mean = keras.layers.Dot(1, name="mean")([x, weights])
    mean = keras.layers.Dropout(dropout, name="dropout_2")(mean)
    return keras.Model(ids, keras.layers.Dense(labels, dtype="float32", name="logits")(mean), name="attention")
