"""Several models of texts on the same records: the best one on validation, or the sum of the first and another.

Each is counted, tried out and chosen from its candidates by `models.training.train_texts`; here their answers to the
same validation split are compared. The first model is taken unless another, or a sum, is better by more than a
standard error of the difference.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from models.counts.feature_counts import Array
from models.serving import linear_graph
from models.training import calibration
from models.training.runs import Made, Unfit
from models.training.scores import Scores, measure
from models.training.settings import Settings
from models.training.stages import Stages
from models.training.train_texts import choose, finish, text_model
from models.training.tried import Choice

SHARES = (0.75, 0.5, 0.25)
"""Of the first model in a sum; the other has the rest."""


@dataclass(frozen=True)
class Rival:
    """A model that was tried, or a sum of two.

    Attributes:
        shares: of each model in the sum, by its name.
        logits: calibrated, float32 [documents of the validation split, all labels].
        scale: calibrates the sum of them.
        scores: on the validation split.
    """

    shares: dict[str, float]
    logits: Array
    scale: float
    scores: Scores


def make(stages: Stages, models: Sequence[str], settings: Settings) -> Made:
    """Tries the models in their order, as far as the budget lets it; the first one whatever it takes.

    Ctrl-C while a later one is tried leaves what the first has come to.

    Raises:
        UserError: the records do not make a model of the first kind.
    """
    started = time.monotonic()
    print(f"model: {models[0]}", file=sys.stderr)
    with linear_graph.at_hand():  # networks load TensorFlow here
        choices = {models[0]: choose(stages, models[0], settings)}
    first = choices[models[0]]
    if first.interrupted:
        return finish(first, settings)
    left_out: list[str] = []
    with _deadline(settings.budget, started) as stop:
        for model in models[1:]:
            try:
                print(f"model: {model}", file=sys.stderr)
                found = None if stop.is_set() else choose(stages, model, settings, stop)
            except Unfit as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            except KeyboardInterrupt:
                if not stop.is_set():
                    return _interrupted(first, settings)
                found = None
            if found is not None and not found.interrupted:
                choices[model] = found
            elif not stop.is_set():
                return _interrupted(first, settings)
            else:
                left_out.append(model)
                print(
                    f"left out: {model}: half of --budget is spent, and fitting again takes the rest", file=sys.stderr
                )
    rivals, y = _rivals(choices)
    taken = _best(rivals, y, settings.select)
    print(f"taken: {_name(taken, choices)}", file=sys.stderr)
    if len(taken.shares) == 1:
        made = finish(choices[next(iter(taken.shares))], settings)
    else:
        made = _summed(taken, choices)
    every = {f"{model}: {name}": one for model, found in choices.items() for name, one in found.scores.items()}
    every.update({_name(one, choices): one.scores.to_json() for one in rivals if len(one.shares) > 1})
    made.results.update(validation=every, models=[*choices], left_out=left_out)
    made.decided.update(model=",".join(choices), budget=None)
    return made


@contextmanager
def _deadline(budget: float | None, started: float) -> Iterator[Event]:
    """An event that is set when half of the budget is over; fitting again what is taken hardly takes longer."""
    stop = Event()
    if budget is None:
        yield stop
        return
    timer = Timer(max(0.0, budget / 2 - (time.monotonic() - started)), stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
        stop.clear()


def _interrupted(first: Choice, settings: Settings) -> Made:
    if first.best.fitted is None:  # an earlier run has tried it
        raise KeyboardInterrupt
    first.interrupted = True
    return finish(first, settings)


def _rivals(choices: dict[str, Choice]) -> tuple[list[Rival], Array]:
    """All models alone, and the sums of the first and another; and the labels of the validation split."""
    logits: dict[str, Array] = {}
    truth: Array | None = None
    for model, choice in choices.items():
        found, y = choice.trials.answers(choice.best)
        truth = y if truth is None else truth
        if not np.array_equal(y[y >= 0], truth[y >= 0]):
            raise UserError(f"{model}: its validation split is not that of the others; remove the .work folder")
        logits[model] = found * np.float32(choice.best.scale)
    assert truth is not None
    first, *others = logits
    shares = [{model: 1.0} for model in logits]
    shares += [{first: share, other: 1 - share} for other in others for share in SHARES]
    rivals = []
    for one in shares:
        together = np.sum([np.float32(share) * logits[model] for model, share in one.items()], axis=0)
        scale = calibration.calibrate(together, truth)
        rivals.append(Rival(one, together, scale, measure(together, truth, scale)))
    return rivals, truth


def _best(rivals: Sequence[Rival], y: Array, select: str) -> Rival:
    """The first one, or the best of those that are better than it beyond chance."""
    first, *others = rivals
    better = [one for one in others if one.scores.rank(select) > first.scores.rank(select)]
    better = [one for one in better if select != "accuracy" or _surely(one.logits, first.logits, y)]
    return max(better, key=lambda one: one.scores.rank(select), default=first)


def _surely(one: Array, other: Array, y: Array) -> bool:
    """Whether the first answers right more often by more than a standard error of the difference (McNemar's)."""
    right, also = one.argmax(axis=1) == y, other.argmax(axis=1) == y
    gained, lost = int(np.sum(right & ~also)), int(np.sum(also & ~right))
    return (gained - lost) ** 2 > gained + lost and gained > lost


def _name(rival: Rival, choices: dict[str, Choice]) -> str:
    names = {model: f"{model}: {choices[model].best.candidate.name}" for model in rival.shares}
    if len(names) == 1:
        return next(iter(names.values()))
    return " + ".join(f"{share:g} {names[model]}" for model, share in rival.shares.items())


def _summed(taken: Rival, choices: dict[str, Choice]) -> Made:
    """Fits the models of a sum again on all records, and joins them."""
    from models.serving.export import export
    from models.serving.sum_model import SumModel

    first = choices[next(iter(taken.shares))]
    parts, described, histories, parameters = [], [], dict(first.histories), 0
    for model, share in taken.shares.items():
        choice = choices[model]
        counted = choice.trials.count_all(choice.best.candidate)
        fitted = choice.trials.fit_all(counted)
        parts.append(text_model(counted, fitted, share * choice.best.scale))
        described.append({"share": share, **counted.candidate.to_json()})
        histories[f"{model}: {counted.candidate.name} on all"] = fitted.history
        parameters += fitted.model.count_params()
    name = _name(taken, choices)
    results: dict[str, Any] = {
        "candidate": {"name": name, "model": " + ".join(taken.shares), "parts": described},
        **first.found,
        "parameters": parameters,
    }
    return Made(functools.partial(export, SumModel(parts, scale=taken.scale)), results, histories)
