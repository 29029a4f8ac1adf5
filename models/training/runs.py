"""A training as data: what a fit takes, the model that it gives, what is exported of it, and what Ctrl-C leaves.

Imports no TensorFlow; `models.training.fit` does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Generic, TypeVar

from mapreduce.errors import UserError
from models.counts.feature_counts import Array
from models.training.candidates import Candidate
from models.training.settings import DEFAULT, Settings

History = list[dict[str, float]]
Records = TypeVar("Records")


@dataclass(frozen=True, kw_only=True)
class Run(Generic[Records]):
    """What a fit takes.

    Attributes:
        candidate: what is built, and how it is trained.
        records: what it is trained on: the folder of an output of jobs/encode.py, or bags and their labels.
        labels: names in the order of the logits.
        size: of the vocabulary, or the shape of the images or rows.
        scale: float [features], what the weights of features are multiplied with; None where nothing weighs.
        settings: how training runs.
        validation: those that every epoch is measured on; None measures nothing.
        best: keeps the epoch with the best measure; else the last one.
        checkpoint: a file that every epoch writes; where the settings say so, training begins with what it holds.
        key: says what the checkpoint is of.
        stop: set by another thread, it ends the fit as Ctrl-C does; None where there is none.
        title: for progress and logs; the candidate's name without it.
    """

    candidate: Candidate
    records: Records
    labels: Sequence[str]
    size: int | tuple[int, ...]
    scale: Array | None = None
    settings: Settings = DEFAULT
    validation: Records | None = None
    best: bool = False
    checkpoint: Path | None = None
    key: str = ""
    stop: Event | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """What it is called in progress and logs."""
        return self.title or self.candidate.name

    @property
    def logs(self) -> Path | None:
        """The folder of TensorBoard's logs, where they are asked for."""
        folder = self.settings.tensorboard
        return None if folder is None else folder / self.name.replace(" ", "-").replace(",", "")


@dataclass
class Fitted:
    """A trained model.

    Attributes:
        model: a keras.Model, or a `models.counts.linear.Sum`.
        epoch: whose weights it has, from 1.
        history: what each epoch has measured: "loss", and "validation" where it was asked for.
    """

    model: Any
    epoch: int
    history: History


class Unfit(UserError):
    """A candidate cannot be fitted to these records, and another one may be."""


def unfit(candidate: Candidate, loss: float, epoch: int) -> Unfit:
    """The error of a loss that is no number any more."""
    return Unfit(
        f"candidate {candidate.name}: the loss is {loss} after epoch {epoch}: the learning rate, "
        f"{candidate.rate:g}, is too high, as it is where most texts are alike; give a lower --learning-rate"
    )


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during training, after an epoch at least: `fitted` is what there was to keep."""

    def __init__(self, fitted: Fitted) -> None:
        super().__init__()
        self.fitted = fitted


@dataclass
class Made:
    """A model that can be exported.

    Attributes:
        export: writes it; takes `directory`, `manifest` and more `files`.
        results: for the manifest.
        histories: of every fit, by name.
        files: further files of the model's folder, by name.
        decided: flags that repeat what was decided, in place of those that were given; None takes one away.
        interrupted: why it is not what it would have become; "" where it is.
    """

    export: Callable[..., None]
    results: dict[str, Any]
    histories: dict[str, History] = field(default_factory=dict)
    interrupted: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    decided: dict[str, Any] = field(default_factory=dict)
