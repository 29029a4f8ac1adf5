"""Choosing: which features a model of texts keeps, what they weigh, and what the validation split decides.

All candidates (`models.candidates`) are counted and fitted on the train split alone; the validation split only ranks
them. No test split is known here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mapreduce.errors import UserError
from models import weights
from models.candidates import FEATURES, TextCandidate
from models.weights import Array, FeatureCounts


def keep(counts: FeatureCounts, minimum_df: int = 1, most: int = FEATURES) -> FeatureCounts:
    """The features of the most documents, in the order of their ids.

    Descending document frequency, then term frequency, then ascending bytes: the number of parts that the counts came
    in does not matter.

    Raises:
        UserError: no feature is left.
    """
    df, tf = counts.document_frequency, counts.term_frequency
    by_bytes = np.array(sorted(range(len(df)), key=counts.features.__getitem__), np.int64)
    order = by_bytes[np.lexsort((-tf[by_bytes], -df[by_bytes]))]
    order = order[df[order] >= minimum_df][:most]
    if not len(order):
        raise UserError(
            f"no token is left in the vocabulary (of {len(df)} features none is in {minimum_df} documents); "
            "give more text, or check that the text column is the right one"
        )
    return counts.select(order)


def scale(candidate: TextCandidate, counts: FeatureCounts) -> Array | None:
    """What each feature's weight is multiplied with, float64 [features]; None for a model without weights."""
    if candidate.weights is None:
        return None
    share = np.array(candidate.shares)[weights.kinds(counts.features)]
    found: Array = weights.WEIGHTS[candidate.weights](counts) * share
    return found


def best(scores: Sequence[float]) -> int:
    """The index of the highest score, the first of several."""
    return int(np.argmax(scores))


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
    losses = []
    for one in scales:
        z = one * logits[known]
        z = z - z.max(axis=1, keepdims=True)
        losses.append(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(known)), y[known]]))
    return float(scales[int(np.argmin(losses))])
