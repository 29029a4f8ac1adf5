"""The layer of the linear model: the sum of weighted rows, one for each feature of a document.

It is written in TensorFlow, not in Keras: padding is left out before rows are looked up. Which weights there are is the
business of `models.counts.feature_weights`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from models.layers.bags import BIAS

TERM_FREQUENCIES = {"binary": tf.ones_like, "sublinear": lambda c: 1 + tf.math.log(c), "sqrt": tf.sqrt}
"""How the count of a feature in a document counts, by name."""


@keras.saving.register_keras_serializable(package="featuremill")
class WeightedBag(keras.layers.Layer):
    """The sum of the rows of a document's features, each times its weight in the document, plus a bias.

    Input shape:
        {"ids": int32 [batch, unique], "counts": int32 [batch, unique]}, 0 = padding.

    Output shape:
        float32 [batch, units].

    Args:
        features, units, term_frequency, normalize: as in `models.architectures.linear`, units being the labels.

    Raises:
        ValueError: `term_frequency` is none of TERM_FREQUENCIES.
    """

    def __init__(
        self, features: int, units: int, *, term_frequency: str = "sublinear", normalize: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if term_frequency not in TERM_FREQUENCIES:
            raise ValueError(f"term_frequency must be one of {tuple(TERM_FREQUENCIES)}. Received: {term_frequency!r}")
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
        value = TERM_FREQUENCIES[self.term_frequency](count) * tf.gather(self.scale.value, found)
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


def _ones_but_two(shape: tuple[int, ...], dtype: Any = None) -> Any:
    return ops.cast(ops.arange(shape[0]) > 1, dtype)
