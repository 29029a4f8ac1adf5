"""The linear model: a document is a bag of weighted features, its logits the sum of the features' rows.

What a feature weighs in a document comes from how often it occurs there and from a fixed scale
(`models.counts.feature_weights`); only the rows are trained, as in Wang and Manning (2012), "Baselines and bigrams:
simple, good sentiment and topic classification". It does not see the order of words, save what n-grams hold.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from models.layers.weighted_bag import WeightedBag

INPUT = "bag"


def linear(
    features: int,
    labels: int,
    *,
    scale: np.ndarray[Any, Any] | None = None,
    term_frequency: str = "sublinear",
    normalize: bool = True,
    hidden: int = 0,
) -> keras.Model:
    """Builds the model; (features + 2) * (labels + 1) + labels parameters, all but the scale trained, from zero on.

    Input shape:
        {"ids": int32 [batch, unique], "counts": int32 [batch, unique]}, 0 = padding.

    Output shape:
        Logits, float32 [batch, labels].

    Args:
        features: size of the vocabulary; ids are 0 (padding), 1 (OOV) and 2 to features + 1.
        labels: number of labels.
        scale: [features], what the weight of each feature is multiplied with; 1 without it. Padding and OOV weigh 0.
        term_frequency: how the count c of a feature counts: "binary" 1, "sublinear" 1 + ln(c), "sqrt" the root of c.
        normalize: divides a document's weights by their L2 norm.
        hidden: numbers of a vector that each feature has, the mean of which gives the logits; 0 for none. This is
            fastText's classifier (Joulin et al. 2017, "Bag of tricks for efficient text classification"); it takes
            none of the three arguments above.

    Example:
        >>> linear(3, 2)({"ids": ops.array([[2, 4]]), "counts": ops.array([[1, 2]])}).shape
        TensorShape([1, 2])
    """
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("ids", "counts")}
    if hidden:
        return keras.Model(inputs, _mean_of_vectors(inputs, features, labels, hidden), name="linear")
    layer = WeightedBag(
        features, labels, term_frequency=term_frequency, normalize=normalize, dtype="float32", name="bag"
    )
    model = keras.Model(inputs, layer(inputs), name="linear")
    if scale is not None:
        layer.scale.assign(np.concatenate([[0.0, 0.0], scale]).astype(np.float32))
    return model


def _mean_of_vectors(inputs: dict[str, Any], features: int, labels: int, hidden: int) -> keras.KerasTensor:
    uniform = keras.initializers.RandomUniform(-1 / hidden, 1 / hidden)
    vectors = keras.layers.Embedding(features + 2, hidden, embeddings_initializer=uniform, name="vectors")
    counts = ops.cast(inputs["counts"], "float32") * ops.cast(inputs["ids"] > 1, "float32")
    shares = counts / ops.maximum(ops.sum(counts, axis=1, keepdims=True), 1)
    mean = keras.layers.Dot(1, name="mean")([vectors(inputs["ids"]), shares])
    return keras.layers.Dense(labels, kernel_initializer="zeros", dtype="float32", name="logits")(mean)
