"""The linear model: a document is a bag of weighted features, its logits the sum of the features' rows.

What a feature weighs in a document comes from how often it occurs there and from a fixed scale (`models.weights`);
only the rows are trained, as in Wang and Manning (2012), "Baselines and bigrams: simple, good sentiment and topic
classification". It does not see the order of words, save what n-grams hold.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

INPUT = "bag"

TERM_FREQUENCIES = ("binary", "sublinear", "sqrt")

BIAS = 0.3
"""What the bias is multiplied with: as every document has it, it alone would bound the learning rate."""


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


@keras.saving.register_keras_serializable(package="featuremill")
class WeightedBag(keras.layers.Layer):
    """The sum of the rows of a document's features, each times its weight in the document, plus a bias.

    Input shape:
        {"ids": int32 [batch, unique], "counts": int32 [batch, unique]}, 0 = padding.

    Output shape:
        float32 [batch, units].

    Args:
        features, units, term_frequency, normalize: as in `linear`, units being the labels.

    Raises:
        ValueError: `term_frequency` is none of TERM_FREQUENCIES.
    """

    def __init__(
        self, features: int, units: int, *, term_frequency: str = "sublinear", normalize: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if term_frequency not in TERM_FREQUENCIES:
            raise ValueError(f"term_frequency must be one of {TERM_FREQUENCIES}. Received: {term_frequency!r}")
        self.features, self.units = features, units
        self.term_frequency, self.normalize = term_frequency, normalize

    def build(self, input_shape: Any) -> None:
        rows = self.features + 2
        self.scale = self.add_weight(shape=(rows,), initializer=_ones_but_two, trainable=False, name="scale")
        self.rows = self.add_weight(shape=(rows, self.units), initializer="zeros", name="rows")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: dict[str, Any]) -> Any:
        ids = inputs["ids"]
        # Only features that are there are looked up: a batch is as wide as its longest document.
        places = tf.where(ids > 1)
        owner, found = places[:, 0], tf.gather_nd(ids, places)
        count = tf.cast(tf.gather_nd(inputs["counts"], places), self.compute_dtype)
        value = _TERM_FREQUENCY[self.term_frequency](count) * tf.gather(self.scale.value, found)
        documents = tf.shape(ids, out_type=tf.int64)[0]
        if self.normalize:
            squares = tf.math.unsorted_segment_sum(value * value, owner, documents)
            value *= tf.gather(tf.math.rsqrt(tf.maximum(squares, 1e-12)), owner)
        rows = tf.gather(self.rows.value, found)
        return tf.math.unsorted_segment_sum(rows * value[:, None], owner, documents) + BIAS * self.bias

    def compute_output_shape(self, input_shape: dict[str, Any]) -> tuple[int | None, int]:
        return (input_shape["ids"][0], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("features", "units", "term_frequency", "normalize")}
        return {**super().get_config(), **own}


_TERM_FREQUENCY = {"binary": tf.ones_like, "sublinear": lambda c: 1 + tf.math.log(c), "sqrt": tf.sqrt}


def _ones_but_two(shape: tuple[int, ...], dtype: Any = None) -> Any:
    return ops.cast(ops.arange(shape[0]) > 1, dtype)
