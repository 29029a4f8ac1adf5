"""How training runs, as data: what the flags of `models.train` say beside the records and the model.

Only the seed and the precision change what becomes of it. What the model is stands in `models.training.candidates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mapreduce.command import installed, missing
from mapreduce.errors import UserError


@dataclass(frozen=True)
class Settings:
    """How training runs.

    Attributes:
        seed: of weights, dropout and order.
        resume: whether a checkpoint of the same training is gone on with.
        mixed_precision: whether a GPU computes in float16.
        tensorboard: folder of TensorBoard's logs.
        curves: PNG file of the learning curves.
    """

    seed: int = 0
    resume: bool = False
    mixed_precision: bool = False
    tensorboard: Path | None = None
    curves: Path | None = None

    @property
    def measures(self) -> bool:
        """Whether every epoch is measured because somebody wants to see it."""
        return self.tensorboard is not None or self.curves is not None

    def check(self) -> None:
        """Raises UserError where a package is missing that the settings need."""
        for flag, value, package in (
            ("--tensorboard", self.tensorboard, "tensorboard"),
            ("--curves", self.curves, "matplotlib"),
        ):
            if value is not None and not installed(package):
                raise UserError(f"{flag}: {missing(package)}")


DEFAULT = Settings()
