"""Cross-validation: candidates are compared on every record, and the best three add up to one model.

Each record is answered by models that did not see it, nor count it. Records that are alike, or of one group, are in one
fold. A sum of linear models is a linear model over the features of all of them, where one tokenizer makes these.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mapreduce.errors import UserError
from mapreduce.local import machine
from models.counts.feature_counts import Array
from models.training import calibration
from models.training.candidates import TextCandidate
from models.training.in_memory import InMemory
from models.training.runs import Unfit
from models.training.scores import Scores, measure

PARTS = 3
"""Of the sum, at most. Chosen by cross-validation within training splits of six sets: more hardly gain."""


@dataclass(frozen=True)
class Crossed:
    """What cross-validation has come to.

    Attributes:
        parts: the candidates whose sum is best.
        sum: its scores; `scale` calibrates its logits.
        scores: of every candidate that could be fitted, by name.
    """

    parts: list[TextCandidate]
    sum: Scores
    scale: float
    scores: dict[str, Scores]


def cross(trials: InMemory, candidates: Sequence[TextCandidate], select: str, draw: int | None = None) -> Crossed:
    """Compares candidates, and sums of those whose features one specification makes.

    Args:
        draw: as `InMemory.folds` takes it.

    Raises:
        Unfit: none can be fitted.
        UserError: the answers to all records do not fit into memory.
    """
    _check_size(trials, len(candidates))
    truth: list[Array] = []
    logits: dict[str, list[Array]] = {one.name: [] for one in candidates}
    for split in trials.folds(draw):
        truth.append(split.truth)
        for candidate in candidates:
            if candidate.name not in logits:
                continue
            try:
                logits[candidate.name].append(split.logits(candidate))
            except Unfit as error:
                del logits[candidate.name]
                if not logits:
                    raise
                print(f"left out: {error}", file=sys.stderr)
    y = np.concatenate(truth)
    answers = {name: np.concatenate(found) for name, found in logits.items()}
    scores = {name: measure(found, y, calibration.calibrate(found, y)) for name, found in answers.items()}
    best: Crossed | None = None
    for members in trials.families:
        for parts in _sums([one for one in members if one.name in scores], answers, y, select):
            together = np.sum([answers[one.name] for one in parts], axis=0)
            scale = calibration.calibrate(together, y)
            found = measure(together, y, scale)
            if best is None or found.rank(select) > best.sum.rank(select):
                best = Crossed(parts, found, scale, scores)
    assert best is not None
    return best


def _check_size(trials: InMemory, candidates: int) -> None:
    records, labels = trials.size
    needed, have = 4 * records * labels * (candidates + 2), machine.memory()
    if needed > have / 2:
        raise UserError(
            f"--effort best: the answers of {candidates} candidates to {records} records, {labels} labels each, are "
            f"{needed >> 20} MiB, more than half of the memory, {have >> 20} MiB; leave it out, or name fewer "
            "--candidates"
        )


def _sums(
    members: list[TextCandidate], answers: Mapping[str, Array], y: Array, select: str
) -> Iterator[list[TextCandidate]]:
    """The best one, the best sum of it and another, and the best of these and a third."""
    parts: list[TextCandidate] = []
    together: Array = np.zeros((), np.float32)
    while members and len(parts) < PARTS:
        # The scale of a sum is that of its parts' mean, and one for all of them is enough to compare log losses by.
        ranks = [measure(together + answers[one.name], y, 3 / (len(parts) + 1)).rank(select) for one in members]
        added = members[ranks.index(max(ranks))]
        together = together + answers[added.name]
        parts, members = [*parts, added], [one for one in members if one is not added]
        yield parts
