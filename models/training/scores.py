"""Scores of a fitted model on the validation split, and which of two is the better.

NumPy alone; logits come from `models.training.validation`, and what was exported is measured by `models.evaluate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.counts.feature_counts import Array
from models.training.calibration import log_loss


@dataclass(frozen=True)
class Scores:
    """What a model comes to on documents that it was not trained on.

    Attributes:
        accuracy: the share of documents whose label has the highest logit.
        macro_f1: the mean F1 over all labels that are true or predicted somewhere.
        log_loss: the mean of -log(probability of the true label), of labels that the model knows.
    """

    accuracy: float
    macro_f1: float
    log_loss: float

    def rank(self, select: str) -> tuple[float, ...]:
        """Greater is better: by `select` ("accuracy", "macro-f1" or "log-loss"), then by the others in that order."""
        found = {"accuracy": self.accuracy, "macro-f1": self.macro_f1, "log-loss": -self.log_loss}
        return (found.pop(select), *found.values())

    def to_json(self) -> dict[str, float]:
        """The scores as JSON-ready data, to four digits."""
        return {
            "accuracy": round(self.accuracy, 4),
            "macro-f1": round(self.macro_f1, 4),
            "log-loss": round(self.log_loss, 4),
        }


def measure(logits: Array, y: Array, scale: float = 1.0) -> Scores:
    """The scores of softmax(scale * logits).

    Args:
        logits: float [documents, labels].
        y: int [documents], -1 for a label that is not among them, which counts as wrong.
    """
    answers = logits.argmax(axis=1)
    f1 = []
    for label in np.union1d(y, answers):
        right = np.sum((y == label) & (answers == label))
        f1.append(2 * right / (np.sum(y == label) + np.sum(answers == label)))
    known = np.flatnonzero(y >= 0)
    loss = log_loss(scale * logits[known], y[known]) if len(known) else math.log(logits.shape[1])
    return Scores(float(np.mean(answers == y)), float(np.mean(f1)), loss)


def of_numbers(answers: Array, truth: Array) -> dict[str, float]:
    """The root of the mean squared error, the mean absolute error, and R2, which is against the mean of the truth.

    Args:
        answers, truth: float64 [rows], one at least.
    """
    off = answers - truth
    squares, spread = float(np.sum(np.square(off))), float(np.sum(np.square(truth - truth.mean())))
    r2 = 1 - squares / spread if spread else math.nan
    return {"RMSE": math.sqrt(squares / len(off)), "MAE": float(np.mean(np.abs(off))), "R2": r2}
