"""Candidates that were tried, as data: what was counted for one, what it came to, and what choosing among them gave.

Imports no TensorFlow. `models.training.in_memory` and `models.training.on_shards` try candidates out;
`models.training.train_texts` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from models.counts.feature_counts import FeatureCounts
from models.training.candidates import TextCandidate
from models.training.runs import Fitted, History
from models.training.scores import Scores


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

    def measured(self, candidate: TextCandidate, fitted: Fitted) -> Tried:
        """The same of what was fitted when it was interrupted."""

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
