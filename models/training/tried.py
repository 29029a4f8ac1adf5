"""Candidates that were tried: what was counted for one, what it came to, and what choosing among them gave.

Imports no TensorFlow. `models.training.in_memory` and `models.training.on_shards` try candidates out;
`models.training.train_texts` chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.counts.feature_counts import Array, FeatureCounts
from models.training import calibration
from models.training.candidates import TextCandidate
from models.training.runs import Fitted, History
from models.training.scores import Scores, measure
from models.training.stages import Stages


@dataclass(frozen=True)
class Counted:
    """What one candidate's features are on one split: their counts, kept and in the order of their ids."""

    candidate: TextCandidate
    counts: FeatureCounts

    def serves(self, other: TextCandidate) -> bool:
        """Whether another candidate's features are the same, as where it weighs them otherwise."""
        one = self.candidate
        same = (one.minimum_df, one.features) == (other.minimum_df, other.features)
        return same and one.specification == other.specification


@dataclass
class Tried:
    """A candidate on the train split: its scores on validation, and the scale that calibrates its logits.

    Attributes:
        fitted: the model, where this process has trained it.
        counted: what it was trained on; None where nothing was tried.
    """

    candidate: TextCandidate
    scores: Scores
    scale: float
    history: History
    fitted: Fitted | None = None
    counted: Counted | None = None


def of_logits(counted: Counted, fitted: Fitted, logits: Array, y: Array) -> Tried:
    """What a fitted candidate comes to by its logits, float32 [documents, labels], of labels y, int32 [documents]."""
    scale = calibration.calibrate(logits, y)
    return Tried(counted.candidate, measure(logits, y, scale), scale, fitted.history, fitted, counted)


def among_all(logits: Array, known: Array, labels: int) -> Array:
    """Logits, float32 [documents, known labels], with -1 for the other ones; `known` are places among all labels."""
    found = np.full((len(logits), labels), -1, np.float32)
    found[:, known] = logits
    return found


def once(stages: Stages, key: str, counted: Counted, work: Callable[[Path], Tried]) -> Tried:
    """What an earlier run has measured under this key; else what `work` gives, which is kept.

    Args:
        work: takes the file of a checkpoint, which is removed behind it.
    """
    if (kept := stages.score(key)) is not None:
        scores = Scores(kept["accuracy"], kept["macro_f1"], kept["log_loss"])
        return Tried(counted.candidate, scores, kept["scale"], kept["history"], counted=counted)
    file = stages.checkpoint("train", key)
    tried = work(file)
    stages.keep_score({"key": key, **asdict(tried.scores), "scale": tried.scale, "history": tried.history})
    file.unlink(missing_ok=True)
    return tried


class Trials(Protocol):
    """Where candidates are counted, fitted and measured."""

    def documents(self) -> dict[str, int]:
        """The documents of each label in the train split, by sorted name; a label without one may be missing."""

    def try_out(self, candidate: TextCandidate) -> Tried:
        """Fits a candidate on the train split and measures it on validation; from a file if an earlier run has.

        Raises:
            UserError: a label has no token.
            Unfit: a label has no token that is frequent enough, or the candidate cannot be fitted.
        """

    def tries(self, candidates: Sequence[TextCandidate]) -> AbstractContextManager[list[Callable[[], Tried]]]:
        """For each candidate what tries it out, to be called in this order; some may have begun by then.

        Where Ctrl-C falls into such a call it raises Interrupted, if an epoch is whole.
        """

    def measured(self, candidate: TextCandidate, fitted: Fitted) -> Tried:
        """The same of what was fitted when it was interrupted."""

    def answers(self, tried: Tried) -> tuple[Array, Array]:
        """Logits of the validation split, in the order of its hashes, and labels, by their numbers among all.

        float32 [documents, all labels], -1 where a label was not trained on; int32 [documents], -1 for such a one.
        """

    def count_all(self, candidate: TextCandidate) -> Counted:
        """Counts a candidate's features on all records."""

    def fit_all(self, counted: Counted) -> Fitted:
        """Fits the candidate of such counts to all records."""

    def unknown(self, tried: Tried) -> float | None:
        """The share of the validation split's words that are OOV; None where it cannot be told."""


@dataclass
class Choice:
    """What choosing has come to.

    Attributes:
        scores, histories: of all candidates, by name.
        found: for the manifest's results: the number of records by split, and what is odd about the texts.
        trials: where it was made, to fit what was chosen.
        parts: the candidates that add up to the best one, where these are several.
        interrupted: whether it was cut short.
    """

    best: Tried
    scores: dict[str, dict[str, float]]
    histories: dict[str, History]
    found: dict[str, Any]
    trials: Trials
    parts: tuple[TextCandidate, ...] = ()
    interrupted: bool = False
