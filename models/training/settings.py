"""How training runs, as data: what the flags of `models.train` say beside the records and the model.

What a candidate is stands in `models.training.candidates`; `Settings.change` gives the candidates that the flags make
of those. What else decides which model becomes of it is in `Settings.decides`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from mapreduce.command import installed, missing
from mapreduce.errors import UserError
from mapreduce.paths import absolute
from mapreduce.tokens.specification import FEATURES, WIDTHS, Specification, override, preset
from models.training.candidates import EFFORTS, NORMAL, Candidate, TextCandidate

SELECT = ("accuracy", "macro-f1", "log-loss")
"""What candidates, and the epochs of models of images, are compared by on the validation split."""
CLASS_WEIGHTS = ("balanced",)
VALIDATION = 0.1
"""The share of the validation split."""


@dataclass(frozen=True)
class Settings:
    """How training runs.

    Attributes:
        seed: of weights, dropout and order.
        resume: whether a checkpoint of the same training is gone on with.
        mixed_precision: whether a GPU computes in float16.
        tensorboard: folder of TensorBoard's logs.
        curves: PNG file of the learning curves.
        force: whether a model of other inputs is replaced.
        no_saved_model: whether a linear model is written as arrays alone, without what needs TensorFlow.
        class_weight: "balanced" weighs the loss of a record by records / (labels * records of its label).
        effort: one of EFFORTS.
        select: one of SELECT.
        validation: share of the validation split, above 0 and below 1; or a path, whose records are that split.
        group_field: a field of the records; those that are alike in it are all in one split.
        tokenizer: a preset that takes the place of every candidate's, whose features stay.
        ngrams, character_ngrams, head, skips, head_pairs, prefixes, characters_across: take the place of every
            candidate's, as the flags of the jobs do.
        candidates: names of the candidates that are tried; all without.
        epochs, learning_rate, batch_size, features: take the place of every candidate's.
        target: the column of a table that is to be learnt from the others; None where records have a text or an image.
        task: "classes" or "number": what the target is; None is by its values.
        types, nulls: of columns of a table, as the job schema takes them.
        words: columns of a table, split by commas, that are texts whose words are read.
        test_share: share of the rows of a table that nothing is learnt from, where there is no file of them.
        budget: seconds for several models; half of them for trying these out. None sets no bound.
    """

    seed: int = 0
    resume: bool = False
    mixed_precision: bool = False
    tensorboard: Path | None = None
    curves: Path | None = None
    force: bool = False
    no_saved_model: bool = False
    class_weight: str | None = None
    effort: str = NORMAL
    select: str = SELECT[0]
    validation: float | str = VALIDATION
    group_field: str | None = None
    tokenizer: str | None = None
    ngrams: int | tuple[int, ...] | None = None
    character_ngrams: tuple[int, ...] | None = None
    head: int | None = None
    skips: bool | None = None
    head_pairs: int | None = None
    prefixes: int | None = None
    characters_across: tuple[int, ...] | None = None
    candidates: tuple[str, ...] = ()
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    features: int | None = None
    target: str | None = None
    task: str | None = None
    types: str | None = None
    nulls: str | None = None
    words: str | None = None
    test_share: float | None = None
    budget: float | None = None

    _TABLE: ClassVar = ("target", "task", "types", "nulls", "words", "test_share")

    @property
    def columns(self) -> dict[str, str]:
        """What is said of the columns of a table, as the job schema takes it."""
        return {f"--{name}": value for name in ("types", "nulls") if (value := getattr(self, name))}

    def change(self, found: Iterable[Candidate]) -> list[Candidate]:
        """The candidates as the settings change them.

        Raises:
            UserError: a flag is not for what the model reads or gives.
        """
        named = {"epochs": self.epochs, "rate": self.learning_rate, "batch_size": self.batch_size}
        given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        return [self._change(candidate, given) for candidate in found]

    def _change(self, candidate: Candidate, given: dict[str, Any]) -> Candidate:
        if candidate.loss == "pixels" and (self.class_weight or self.select != SELECT[0]):
            flag = "--class-weight" if self.class_weight else "--select"
            raise UserError(f"{flag}: {candidate.model} gives images and no labels; leave it out")
        if isinstance(candidate, TextCandidate):
            more: dict[str, Any] = {} if self.features is None else {"features": self.features}
            found = candidate.specification
            if self.tokenizer is not None:
                found = tokenized(found, self.tokenizer)
            own: dict[str, Any] = {name: getattr(self, name) for name in FEATURES}
            return replace(candidate, **given, **more, specification=override(found, **own))
        for name in ("tokenizer", "features", *FEATURES):
            if getattr(self, name) is not None:
                flag, reads = "--" + name.replace("_", "-"), "images" if self.target is None else "tables"
                raise UserError(f"{flag}: {candidate.model} reads {reads} and has no vocabulary; leave it out")
        return replace(candidate, **given)

    @property
    def decides(self) -> dict[str, Any]:
        """What changes which model is made, beside the seed and what candidates say; what is as usual is left out."""
        names = ["class_weight", "effort", "select", "validation", "group_field", "no_saved_model"]
        names += self._TABLE
        found = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(DEFAULT, name)}
        return {**found, **self._place()}

    def _place(self) -> dict[str, Any]:
        """The validation split's path as it is from any folder."""
        return {"validation": absolute(self.validation)} if isinstance(self.validation, str) else {}

    def flags(self) -> dict[str, Any]:
        """What repeats the training, as `train.toml` keeps it: flags without dashes; what has no value is left out."""
        own = ("resume", "tensorboard", "curves", "force")  # of one run, not of what becomes of it
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in own}
        found.update(self._place(), candidates=", ".join(self.candidates))
        for name in WIDTHS:
            if isinstance(widths := found[name], tuple):  # 3 alone means 1 to 3, and 3-3 does not
                found[name] = ",".join(map(str, widths)) if len(widths) > 1 else "{0}-{0}".format(*widths)
        return {name.replace("_", "-"): value for name, value in found.items() if value not in (None, "")}

    @property
    def measures(self) -> bool:
        """Whether every epoch is measured because somebody wants to see it."""
        return self.tensorboard is not None or self.curves is not None

    def check(self) -> None:
        """Raises UserError where a value is no good, or a package is missing that the settings need."""
        numbers = (self.budget, self.epochs, self.learning_rate, self.batch_size, self.features)
        if (
            self.select not in SELECT
            or self.effort not in EFFORTS
            or self.class_weight not in (None, *CLASS_WEIGHTS)
            or not (isinstance(self.validation, str) or 0 < self.validation < 1)
            or not all(value is None or 0 < value < math.inf for value in numbers)
        ):
            raise UserError(
                f"settings: select is one of {', '.join(SELECT)}, effort of {', '.join(EFFORTS)}, "
                f"class_weight None or {', '.join(CLASS_WEIGHTS)}, validation a path or a share above 0 and below 1, "
                f"and numbers are above 0. Received: {self}"
            )
        for name in self._TABLE:
            if self.target is None and getattr(self, name) is not None:
                raise UserError(f"--{name.replace('_', '-')}: of a table; name the column to learn with --target")
        if self.test_share and isinstance(self.validation, str):
            raise UserError("--validation: a file of its own goes with --test; or give a share of --train")
        if self.target is not None and self.group_field:
            raise UserError(
                "--group-field: not for tables yet, whose rows are split by all of their fields; leave it out"
            )
        if self.group_field and isinstance(self.validation, str):
            raise UserError(
                f"--group-field: --validation {self.validation} is the split already; leave one of them out"
            )
        for flag, value, package in (
            ("--tensorboard", self.tensorboard, "tensorboard"),
            ("--curves", self.curves, "matplotlib"),
        ):
            if value is not None and not installed(package):
                raise UserError(f"{flag}: {missing(package)}")


def tokenized(specification: Specification, name: str) -> Specification:
    """A preset with the features of another specification; n-grams of characters need words of several."""
    found = preset(name)
    own = {one: getattr(specification, one) for one in FEATURES}
    if found.split == "character":
        del own["character_ngrams"]
    return replace(found, **own)


DEFAULT = Settings()
