"""Ids to bags: the distinct ids of each document and how often each one appears, inside a TensorFlow graph.

The bridge makes bags of what it reads, and the exported model of what it is asked, by the same function, so that
training and serving cannot differ. TensorFlow is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

BIAS = 0.3
"""What the bias of a linear model of bags is multiplied with: as every document has it, it alone would bound the
learning rate."""


def bag(ids: tf.Tensor | tf.RaggedTensor) -> dict[str, tf.Tensor]:
    """The distinct ids of each row, in the order of their first appearance, and how often each one appears.

    Args:
        ids: int32 [batch, length], 0 = padding, or a RaggedTensor without padding.

    Returns:
        {"ids": int32 [batch, unique], "counts": int32 [batch, unique]}, 0 = padding, unique at least 1.
    """
    import tensorflow as tf

    if isinstance(ids, tf.RaggedTensor):
        rows, values, height = owners(ids.row_splits[1:]), ids.values, ids.nrows()
    else:
        places = tf.where(ids != 0)
        rows, values, height = places[:, 0], tf.gather_nd(ids, places), tf.shape(ids, out_type=tf.int64)[0]
    span = tf.constant(1 << 32, tf.int64)
    keys, _, counts = tf.unique_with_counts(rows * span + tf.cast(values, tf.int64))
    owner = keys // span
    unique = tf.RaggedTensor.from_value_rowids(tf.cast(keys % span, tf.int32), owner, height, validate=False)
    return {"ids": pad(unique), "counts": pad(unique.with_values(counts))}


def pad(rows: tf.RaggedTensor) -> tf.Tensor:
    """Rows [batch, None] as a tensor padded with 0 to the longest, and to 1 where all of them are empty."""
    import tensorflow as tf

    longest = tf.maximum(tf.cast(1, rows.row_splits.dtype), rows.bounding_shape(axis=1))
    return rows.to_tensor(shape=tf.stack([rows.nrows(), longest]))


def owners(ends: tf.Tensor) -> tf.Tensor:
    """The row of each value, [values], where rows end before `ends` [rows], ascending; of the dtype of `ends`.

    tf.repeat and RaggedTensor.value_rowids say the same, but may make a table of all rows by the longest one.
    """
    import tensorflow as tf

    values = tf.range(tf.reduce_max(tf.concat([[0], ends], 0)), dtype=ends.dtype)
    return tf.searchsorted(ends, values, side="right", out_type=ends.dtype)
