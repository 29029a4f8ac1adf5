"""From records of texts to a model that can be exported: count, choose, fit.

Candidates are counted and fitted on the train split and compared on the validation split; the chosen one is counted and
fitted again on all records. The jobs run in `models.training.stages`, the fit in `models.training.fit`;
`models.train` is the command.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from models.counts import feature_counts
from models.counts.linear import Sum
from models.serving import linear_graph
from models.training import coverage, fit_linear, language, redraws
from models.training.candidates import BEST, TextCandidate, candidates
from models.training.checks import one_label
from models.training.crossed import cross
from models.training.in_memory import InMemory
from models.training.pool import summed
from models.training.runs import Fitted, History, Interrupted, Made, Unfit
from models.training.scores import Scores
from models.training.settings import Settings
from models.training.stages import Stages
from models.training.tried import Choice, Counted, Trials, Tried

if TYPE_CHECKING:
    from models.serving.served import Served
    from models.serving.text_model import TextModel


def _candidates(
    model: str, settings: Settings, labels: int | None = None, length: float | None = None, unspaced: bool = False
) -> list[TextCandidate]:
    found = settings.change(
        candidates(model, labels, length, settings.candidates, unspaced=unspaced, effort=settings.effort)
    )
    return [one for one in found if isinstance(one, TextCandidate)]


def choose(stages: Stages, model: str, settings: Settings, stop: Event | None = None) -> Choice:
    """Fits every candidate on the train split and compares them on the validation split.

    Args:
        stop: ends the fit of a network as Ctrl-C does, once it is set.

    A candidate that cannot be fitted to the records is left out. Ctrl-C ends it with the best one so far, where one was
    trained here for an epoch at least.

    Raises:
        Unfit: none can be fitted.
        UserError: the records do not make a model.
    """
    first = _candidates(model, settings)[0]
    counted_labels = stages.labelcount(first.specification, "all")
    every = feature_counts.label_documents(counted_labels)
    if len(every) < 2:
        raise one_label(every, stages.paths[0])
    scripts = language.shares(counted_labels)
    unspaced = settings.tokenizer is None and language.is_unspaced(scripts)
    if unspaced:
        print(language.explain(scripts), file=sys.stderr)
        first = _candidates(model, settings, unspaced=True)[0]
        counted_labels = stages.labelcount(first.specification, "all")
    several = _candidates(model, settings, len(every), feature_counts.mean_length(counted_labels), unspaced)
    trials = _trials(stages, several, every, settings, stop)
    documents = {label: n for label, n in trials.documents().items() if n}
    number = sum(documents.values())
    found: dict[str, Any] = {"splits": {"train": number, "validation": sum(every.values()) - number}}
    if unspaced:
        found["scripts"] = {name: round(share, 4) for name, share in scripts.items()}
    if len(documents) < 2 or not found["splits"]["validation"]:
        print("too few records for a validation split: the first candidate is taken", file=sys.stderr)
        found.update(_covered(counted_labels, None))
        return Choice(Tried(several[0], Scores(0.0, 0.0, 0.0), 1.0, []), {}, {}, found, trials)
    if settings.effort == BEST:
        assert isinstance(trials, InMemory)  # models.train has seen to it
        choice = _crossed(trials, several, settings, found)
        tried = Tried(choice.parts[0], choice.best.scores, 1.0, [])
    else:
        choice = _compared(stages, trials, several, every, settings, found)
        tried = choice.best
    if not choice.interrupted:
        left = {label: n - documents.get(label, 0) for label, n in every.items()}
        if settings.effort == BEST:
            left = dict(every)
        most = max(sorted(left), key=left.__getitem__)
        share = left[most] / sum(left.values())
        if all(math.isclose(one["accuracy"], share, abs_tol=1e-4) for one in choice.scores.values()):
            print(f"warning: no candidate is better on validation than to answer {most!r} always", file=sys.stderr)
        print(f"chosen: {choice.best.candidate.name}", file=sys.stderr)
        found.update(_covered(counted_labels, trials.unknown(tried)))
    return choice


def _compared(
    stages: Stages,
    trials: Trials,
    several: Sequence[TextCandidate],
    every: Mapping[str, int],
    settings: Settings,
    found: dict[str, Any],
) -> Choice:
    """The best candidate on the validation split; what was drawn to tell them apart is added to `found`."""
    best: Tried | None = None
    scores: dict[str, Scores] = {}
    histories: dict[str, History] = {}
    all_tried: dict[str, Tried] = {}
    try:
        with trials.tries(several) as tries:
            for candidate, try_out in zip(several, tries):
                try:
                    tried = try_out()
                except Unfit as error:
                    if best is None and candidate is several[-1]:
                        raise
                    print(f"left out: {error}", file=sys.stderr)
                    continue
                scores[candidate.name], histories[candidate.name] = tried.scores, tried.history
                all_tried[candidate.name] = replace(tried, fitted=None)  # one fitted model is held, the best one
                # Of equal ones the first.
                if best is None or tried.scores.rank(settings.select) > best.scores.rank(settings.select):
                    best = tried
                _tell(candidate.name, tried.scores)
        assert best is not None  # there is a candidate of every model for any number of labels, and one was fitted
        if isinstance(trials, InMemory) and not stages.held_out:
            close = redraws.close(scores, found["splits"]["validation"])
            all_tried[best.candidate.name] = best
            means = _redrawn(trials, [all_tried[name] for name in close], every, found)
            scores.update((one.candidate.name, one.scores) for one in means)
            best = max(means, key=lambda one: one.scores.rank(settings.select), default=best)
    except KeyboardInterrupt as stop:
        if best is not None and best.fitted is not None:
            return Choice(best, _to_json(scores), histories, found, trials, interrupted=True)
        if not isinstance(stop, Interrupted):
            raise
        partial = trials.measured(candidate, stop.fitted)
        return Choice(partial, {}, {candidate.name: stop.fitted.history}, found, trials, interrupted=True)
    return Choice(best, _to_json(scores), histories, found, trials)


def _crossed(trials: InMemory, several: Sequence[TextCandidate], settings: Settings, found: dict[str, Any]) -> Choice:
    """The sum of the best candidates by cross-validation."""
    crossed = cross(trials, several, settings.select)
    scores = dict(crossed.scores)
    for candidate in several:
        if candidate.name in scores:
            _tell(candidate.name, scores[candidate.name], "cross-validation")
    best = Tried(summed(crossed.parts), crossed.sum, crossed.scale, [])
    if len(crossed.parts) > 1:
        scores[best.candidate.name] = crossed.sum
        _tell(best.candidate.name, crossed.sum, "cross-validation")
    return Choice(best, _to_json(scores), {}, found, trials, parts=tuple(crossed.parts))


def _trials(
    stages: Stages,
    several: Sequence[TextCandidate],
    every: Mapping[str, int],
    settings: Settings,
    stop: Event | None,
) -> Trials:
    if all(map(fit_linear.fits, several)):
        if not settings.no_saved_model:
            linear_graph.begin()
        return InMemory(stages, several, every, settings)
    from models.training.on_shards import OnShards

    return OnShards(stages, several[0], settings, stop)


def _redrawn(trials: InMemory, close: Sequence[Tried], every: Mapping[str, int], found: dict[str, Any]) -> list[Tried]:
    """Candidates that are too close to tell by one split, with mean scores over further ones; none where none are.

    Their scales are geometric means: one split is small to calibrate by, too. What was drawn is added to `found`.
    """
    if not close:
        return []
    names = ", ".join(one.candidate.name for one in close)
    print(f"too close to tell by one validation split: {names}; further ones decide", file=sys.stderr)
    kept = {one.candidate.name: [one] for one in close}
    candidates = [one.candidate for one in close]
    found["draws"] = [trials.draw]
    for other in redraws.draws(trials, every):
        found["draws"].append(other.draw)
        with other.tries(candidates) as tries:
            for candidate, try_out in zip(candidates, tries):
                kept[candidate.name].append(replace(try_out(), fitted=None))
    means = []
    for one in close:
        every_try = kept[one.candidate.name]
        scores = redraws.mean([tried.scores for tried in every_try])
        scale = math.exp(math.fsum(math.log(tried.scale) for tried in every_try) / len(every_try))
        means.append(replace(one, scores=scores, scale=scale))
        _tell(one.candidate.name, scores)
    return means


def _tell(name: str, scores: Scores, how: str = "validation") -> None:
    said = ", ".join(f"{score} {value:.4f}" for score, value in scores.to_json().items())
    print(f"candidate {name}: {how} {said}", file=sys.stderr)


def _covered(labelcount: Path, unknown: float | None) -> dict[str, float]:
    """What there is of words; warns of what is odd."""
    found = coverage.look(labelcount, unknown)
    for line in coverage.warnings(found):
        print(f"warning: {line}", file=sys.stderr)
    return found


def _to_json(scores: dict[str, Scores]) -> dict[str, dict[str, float]]:
    return {name: one.to_json() for name, one in scores.items()}


def make(stages: Stages, model: str, settings: Settings) -> Made:
    """Chooses a candidate, and fits it again on all records."""
    return finish(choose(stages, model, settings), settings)


def finish(choice: Choice, settings: Settings) -> Made:
    """Counts and fits what was chosen again on all records.

    Ctrl-C ends it with what there is: the chosen model as it was fitted on the train split, or the best one so far, or
    the last whole epoch of the only one. Of a sum there is nothing before all of it is fitted.
    """
    trials = choice.trials
    best, made = choice.best, functools.partial(_made, choice, settings)
    if choice.interrupted:
        return made(best.fitted, best.counted, "while candidates were compared")
    if choice.parts:
        assert isinstance(trials, InMemory)
        return made(*trials.fit_sum(choice.parts))  # of which a part alone is no model
    try:
        counted = trials.count_all(best.candidate)
        fitted = trials.fit_all(counted)
    except KeyboardInterrupt as stop:
        if best.fitted is not None:
            return made(best.fitted, best.counted, "while the chosen one was fitted again on all records")
        if not isinstance(stop, Interrupted):
            raise
        epochs = f"after epoch {stop.fitted.epoch} of {best.candidate.epochs}"
        return made(stop.fitted, counted, epochs)
    choice.histories[f"{best.candidate.name} on all"] = fitted.history
    return made(fitted, counted)


def _served(counted: Counted, fitted: Fitted, scale: float) -> Served:
    if not isinstance(fitted.model, Sum):
        return text_model(counted, fitted, scale)
    from models.serving.linear_model import LinearModel

    return LinearModel(
        fitted.model,
        specification=counted.candidate.specification,
        tokens=counted.counts.features,
        labels=counted.counts.labels,
        scale=scale,
    )


def text_model(counted: Counted, fitted: Fitted, scale: float) -> TextModel:
    """A fitted model as TensorFlow serves it, whose logits are multiplied with the scale."""
    specification, labels = counted.candidate.specification, counted.counts.labels
    if isinstance(fitted.model, Sum):
        return linear_graph.text_model((fitted.model, counted.counts.features), specification, labels, scale)
    from models.serving.text_model import TextModel
    from models.training import build

    return TextModel(
        fitted.model,
        kind=build.input_kind(counted.candidate),
        specification=specification,
        tokens=counted.counts.features,
        labels=labels,
        scale=scale,
    )


def _made(
    choice: Choice, settings: Settings, fitted: Fitted | None, counted: Counted | None, interrupted: str = ""
) -> Made:
    from models.serving.export import export
    from models.serving.exports import arrays

    assert fitted is not None and counted is not None
    candidate, served = counted.candidate, _served(counted, fitted, choice.best.scale)
    described = candidate.to_json()
    if choice.parts:
        described = {"name": candidate.name, "model": candidate.model}
        described["parts"] = [one.to_json() for one in choice.parts]
    results: dict[str, Any] = {"validation": choice.scores, "candidate": described, **choice.found}
    results.update(epoch=fitted.epoch, parameters=fitted.model.count_params())
    kinds = (arrays.NAME,) if settings.no_saved_model else None
    return Made(functools.partial(export, served, kinds=kinds), results, choice.histories, interrupted)
