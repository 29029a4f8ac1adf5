"""Calibration: the temperature that makes a model's probabilities fit what the validation split shows.

Nothing is trained and no answer changes; no test split is known here.
"""

from __future__ import annotations

import numpy as np

from models.counts.feature_counts import Array


def calibrate(logits: Array, y: Array) -> float:
    """The scale under which softmax(scale * logits) has the least log loss: a temperature, and no answer changes.

    Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks". Of 61 scales from 0.1 to 100.

    Args:
        logits: float [documents, labels], of documents that were not trained on.
        y: int [documents], -1 for a label that is not among them.
    """
    known = np.flatnonzero(y >= 0)
    scales = np.geomspace(0.1, 100.0, 61)
    if not len(known):
        return 1.0
    losses = [log_loss(one * logits[known], y[known]) for one in scales]
    return float(scales[int(np.argmin(losses))])


def log_loss(logits: Array, y: Array) -> float:
    """The mean of -log(softmax(logits)) at y; logits float [documents, labels], y int [documents]."""
    z = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))


def error(probabilities: Array, right: Array, bins: int = 15) -> float:
    """The expected calibration error: how far confidence and accuracy are apart, in the mean over documents.

    Of documents by the probability of their answer in bins of one width, as in Guo, Pleiss, Sun and Weinberger (2017).

    Args:
        probabilities: float [documents], of the answers.
        right: bool [documents], whether they are right.
    """
    place = np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)
    apart = np.bincount(place, probabilities, bins) - np.bincount(place, right, bins)
    return float(np.abs(apart).sum() / max(len(probabilities), 1))
