"""What training changes in its batches: images are moved, words are hidden. Labels stay.

Each change is a function of (seed, step), so that an epoch that is trained again, or gone on with, is the same one.
What is measured, exported or predicted is never changed.
"""

from __future__ import annotations

import tensorflow as tf

from mapreduce.output.vocabulary import OOV
from models.training.candidates import Candidate, TextCandidate


def augment(batches: tf.data.Dataset, candidate: Candidate, seed: int, step: int) -> tf.data.Dataset:
    """The batches (x, y) as the candidate wants them changed; `step` is the number of the first one."""
    unknown = candidate.unknown if isinstance(candidate, TextCandidate) else 0.0
    if not candidate.shift and not unknown:
        return batches

    def changed(number: tf.Tensor, record: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = record
        seeds = tf.random.experimental.stateless_fold_in(tf.constant([seed, 1], tf.int64), number)
        return (hidden(x, unknown, seeds) if unknown else shifted(x, candidate.shift, seeds)), y

    return batches.enumerate(step).map(changed, num_parallel_calls=1).prefetch(2)


def shifted(images: tf.Tensor, most: int, seeds: tf.Tensor) -> tf.Tensor:
    """Every image moved by up to `most` pixels down or up and to a side; zeros come in.

    Input shape:
        [batch, height, width, channels]; seeds int64 [2].

    Output shape:
        The same.
    """
    batch, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    offsets = tf.random.stateless_uniform([2, batch, 1], seeds, 0, 2 * most + 1, tf.int32)
    wide = tf.pad(images, [[0, 0], [most, most], [most, most], [0, 0]])
    rows = tf.gather(wide, offsets[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, offsets[1] + tf.range(width), axis=2, batch_dims=1)


def hidden(ids: tf.Tensor, share: float, seeds: tf.Tensor) -> tf.Tensor:
    """Ids of which about this share is OOV's, each word by its own chance; padding stays.

    A model learns not to lean on single words, and what to make of words that it does not know (word dropout, Iyyer et
    al. 2015, "Deep unordered composition rivals syntactic methods for text classification").

    Input shape:
        int32 [batch, length], 0 = padding; seeds int64 [2].

    Output shape:
        The same.
    """
    drawn = tf.random.stateless_uniform(tf.shape(ids), seeds)
    return tf.where((drawn < share) & (ids != 0), OOV, ids)
