"""What a model of a table has to be better than: the majority or the mean, and gradient-boosted trees of scikit-learn.

They see the same training rows, in the same encoding, and are asked the same test rows. Nothing here is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mapreduce.command import installed
from models import dataset
from models.counts.feature_counts import Array

CONSTANT = {True: "mean", False: "majority"}
BOOSTING = "HistGradientBoosting"


def answers(shards: Sequence[Path], labels: Sequence[str] | None, x: Array) -> Iterator[tuple[str, Array]]:
    """The name and the answers of each baseline: numbers float64 [rows], or places of labels int [rows].

    Args:
        shards: outputs of jobs/encodetable.py that the model has learnt from.
        labels: names in the order of the answers; None where a number is learnt.
        x: float32 [rows, numbers], of the rows that are asked.
    """
    found = [dataset.to_numpy(one, labels=labels) for one in shards]
    y = np.concatenate([y for _, y in found])
    constant = float(np.mean(y)) if labels is None else int(np.bincount(y[y >= 0]).argmax())
    yield CONSTANT[labels is None], np.full(len(x), constant)
    if installed("sklearn"):
        train = np.stack([row for rows, _ in found for row in rows])
        yield BOOSTING, _boosted(train, y, labels is None, x)


def _boosted(train: Array, y: Array, is_number: bool, x: Array) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    made: Any = (HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier)(random_state=0)
    known = slice(None) if is_number else y >= 0
    found: Array = made.fit(train[known], y[known]).predict(x)
    return found
