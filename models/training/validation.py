"""Measures a fitted model on encoded records: its logits, its accuracy, or how well it gives images back.

Used while training on the validation split and to choose by it; nothing is trained here. What was exported is measured
by `models.evaluate`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from models import dataset
from models.counts.feature_counts import Array
from models.training.scores import measure

BATCH = 128


class Measure:
    """Asks a model about an output of jobs/encode.py, as often as wanted.

    Args:
        kind: what the model reads, "ids", "bag", "pixels" or "table".
        labels: names in the order of the logits; None where the model gives a number.
        bucket: whether records of like length are asked together, which is faster and changes their order.
    """

    def __init__(
        self,
        model: keras.Model,
        directory: str | os.PathLike[str],
        *,
        kind: str,
        labels: Sequence[str] | None,
        bucket: bool = True,
    ) -> None:
        bucket = bucket and kind in ("ids", "bag")
        self._batches = dataset.read(directory, kind=kind, batch_size=BATCH, labels=labels, bucket=bucket)
        signature = [self._batches.element_spec[0]]
        answer = tf.function(lambda x: model(x, training=False), input_signature=signature)
        self._answer = answer.get_concrete_function()  # one trace; the function itself would count it as one too many

    def logits(self) -> tuple[Array, Array]:
        """The logits, float32 [records, labels], and the labels, int32 [records], -1 for one that is not known."""
        found, truth = [], []
        for x, y in self._batches:
            found.append(self._answer(x).numpy())
            truth.append(y.numpy())
        return np.concatenate(found), np.concatenate(truth)

    def deviation(self, mean: float, scale: float) -> float:
        """For a model that gives a number, in `scale` from the mean: the root of the mean squared error."""
        found, truth = self.logits()
        return float(np.sqrt(np.mean(np.square(mean + scale * found[:, 0].astype(np.float64) - truth))))

    def score(self, select: str) -> float:
        """The score of this name in `models.training.scores`; higher is better, so log loss is negative."""
        return measure(*self.logits()).rank(select)[0]

    def error(self) -> float:
        """For a model that gives images back: the mean squared difference of pixels, whose range is from 0 to 1."""
        squares, number = 0.0, 0
        for x, _ in self._batches:
            difference = tf.sigmoid(self._answer(x)) - tf.cast(x, tf.float32) / 255
            squares += float(tf.reduce_sum(tf.square(difference)))
            number += int(tf.size(x))
        return squares / number
