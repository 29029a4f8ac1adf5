"""From the rows of a table to a model that can be exported: describe, encode, fit.

The figures of the training rows make the recipe, by which the rows of both splits are encoded. One candidate is fitted
on the train split; the validation split decides after which epoch it was best, and that is the model. The jobs run in
`models.training.stages`, the fit in `models.training.fit`; `models.train` is the command.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.input.records import SplitRule
from mapreduce.output import manifest
from mapreduce.paths import is_remote
from mapreduce.tables.encoding import FIELD, NUMBER, Recipe
from models import dataset, inputs
from models.quiet import import_tensorflow
from models.training import calibration, one_candidate, scores
from models.training.candidates import TableCandidate, table_candidate
from models.training.checks import one_label
from models.training.runs import Fitted, Made
from models.training.settings import DEFAULT, Settings
from models.training.stages import Stages


def make(stages: Stages, model: str, settings: Settings) -> Made:
    """Fits the model's candidate and takes its best epoch; Ctrl-C takes the best epoch so far.

    Raises:
        UserError: the column cannot be learnt, or there is nothing to learn it from.
    """
    assert settings.target is not None
    validates = _has_validation(stages, settings)
    split = "train" if validates or settings.test_share else "all"
    flags = {"--target": settings.target, "--task": settings.task, "--words": settings.words}
    train = stages.encode_table(split, {flag: value for flag, value in flags.items() if value}, settings.columns)
    validation = stages.encode_table_as(train, "validation") if validates else None
    found = manifest.read(train, "encode")
    recipe = Recipe.from_json(found[FIELD], str(train))
    is_number = recipe.target.task == NUMBER
    if is_number:
        _check_number(settings)
    labels = [] if is_number else dataset.labels(train)
    if not is_number and len(labels) < 2:
        raise one_label(labels, stages.paths[0])
    if validation is None:
        print("too few rows for a validation split: the last epoch is taken", file=sys.stderr)
    if settings.select == DEFAULT.select:
        settings = replace(settings, select="log-loss")  # of few rows many epochs are equal in their accuracy
    (candidate,) = settings.change([table_candidate(model, settings.candidates, dataset.count(train))])
    assert isinstance(candidate, TableCandidate)
    if is_number:
        target = recipe.target
        candidate = replace(candidate, loss="squared error", mean=target.mean, deviation=target.deviation)
    import_tensorflow()
    from models.serving.export import export
    from models.serving.table_model import TableModel

    shape = tuple(found["shape"])
    fitted, interrupted, results = one_candidate.fitted(stages, candidate, settings, labels, shape, train, validation)
    _silence(fitted, train)
    results["shards"] = [path.name for path in (train, validation) if path]
    scale = 1.0
    if validation is not None:
        scale, measured = _measured(fitted, candidate, validation, None if is_number else labels)
        results["validation"] = {candidate.name: measured}
        said = ", ".join(f"{name} {value:.6g}" for name, value in measured.items())
        print(f"best epoch: {fitted.epoch} of {candidate.epochs}, validation {said}", file=sys.stderr)
    served = TableModel(fitted.model, recipe, labels=None if is_number else labels, scale=scale)
    return Made(functools.partial(export, served), results, {candidate.name: fitted.history}, interrupted)


def _check_number(settings: Settings) -> None:
    for flag, given in (("--class-weight", settings.class_weight), ("--select", settings.select != DEFAULT.select)):
        if given:
            raise UserError(f"{flag}: of classes, and --target {settings.target} is a number; leave it out")


def _measured(
    fitted: Fitted, candidate: TableCandidate, validation: Path, labels: Sequence[str] | None
) -> tuple[float, dict[str, float]]:
    """The scale that calibrates logits, and the scores on the validation split."""
    from models.training.validation import Measure

    logits, y = Measure(fitted.model, validation, kind="table", labels=labels).logits()
    if labels is None:
        return 1.0, scores.of_numbers(candidate.mean + candidate.deviation * logits[:, 0].astype(np.float64), y)
    # Where all answers are right, whatever scale is larger fits better, and says too much of a few rows.
    scale = calibration.calibrate(logits, y) if (logits.argmax(axis=1) != y).any() else 1.0
    return scale, scores.measure(logits, y, scale).to_json()


def _silence(fitted: Fitted, train: Path) -> None:
    """What no training row has shown, as a category that is new, weighs nothing: its weights are still random."""
    seen: Any = 0.0
    for x, _ in dataset.read(train, kind="table", batch_size=1024, labels=[""]):
        seen = np.maximum(seen, np.abs(x.numpy()).max(axis=0))
    layer = next(layer for layer in fitted.model.layers if layer.weights)
    layer.kernel.assign(np.where(seen[:, None] > 0, layer.kernel.numpy(), 0))


def _has_validation(stages: Stages, settings: Settings) -> bool:
    """Whether a row is of the validation split; on a cluster, and where files hold it, it is taken for granted."""
    if stages.held_out or any(map(is_remote, stages.paths)):
        return True
    rule = SplitRule("validation", stages.validation, stages.salt.encode(), settings.test_share or 0.0)
    _, found = inputs.table(stages.paths, None, rule=rule, quiet=True, **stages.fields)
    return any(row.text is not None for block in found for row in block)
