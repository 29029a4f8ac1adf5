"""Where one validation split cannot tell candidates apart: further ones are drawn, and the means of the scores decide.

A split of n records tells accuracies apart to a standard error, sqrt(p (1 - p) / n), and no more. What a split is
stands in `models.training.pool`; candidates are fitted and measured by `models.training.in_memory`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from models.training.in_memory import InMemory
from models.training.scores import Scores

DRAWS, TRIED = 2, 6
"""Further splits, at most; and how many draws are looked at for them."""


def close(scores: Mapping[str, Scores], records: int) -> list[str]:
    """The candidates within a standard error of the best one's accuracy; none where there is but one, or no error.

    Args:
        scores: by name.
        records: in the validation split.
    """
    best = max(one.accuracy for one in scores.values())
    least = best - math.sqrt(best * (1 - best) / records)
    found = [name for name, one in scores.items() if one.accuracy >= least]
    return found if len(found) > 1 and best < 1 else []


def draws(trials: InMemory, every: Mapping[str, int]) -> Iterator[InMemory]:
    """Further splits of the same records in which every label of two records or more is on both sides.

    Args:
        every: documents of each label.
    """
    drawn = 0
    for number in range(1, TRIED + 1):
        if drawn == DRAWS:
            return
        other = trials.redraw(number)
        train = other.documents()
        if all(0 < train[label] < n for label, n in every.items() if n > 1):
            drawn += 1
            yield other


def mean(scores: Sequence[Scores]) -> Scores:
    """The mean of every score."""
    return Scores(*(sum(one) / len(scores) for one in zip(*((s.accuracy, s.macro_f1, s.log_loss) for s in scores))))
