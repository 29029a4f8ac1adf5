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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapreduce.output import manifest, vocabulary
from models.counts import bags, feature_counts, feature_weights
from models.counts.linear import Linear
from models.quiet import import_tensorflow
from models.training import calibration, coverage, fit_linear, language, redraws
from models.training.candidates import TextCandidate, candidates
from models.training.checks import check_labels, one_label
from models.training.runs import Fitted, History, Interrupted, Made, Run, Unfit
from models.training.scores import Scores, measure
from models.training.settings import Settings
from models.training.stages import Stages

if TYPE_CHECKING:
    import keras

    from models.serving.served import Served


@dataclass(frozen=True)
class Counted:
    """What one specification's features are on one split: their counts, kept and in the order of their ids."""

    candidate: TextCandidate
    counts: feature_counts.FeatureCounts
    vocabulary: Path
    fingerprint: str
    features: Path

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


@dataclass
class Choice:
    """What choosing has come to.

    Attributes:
        scores, histories: of all candidates, by name.
        found: for the manifest's results: the number of records by split, and what is odd about the texts.
        interrupted: whether it was cut short.
    """

    best: Tried
    scores: dict[str, dict[str, float]]
    histories: dict[str, History]
    found: dict[str, Any]
    interrupted: bool = False


def count(stages: Stages, candidate: TextCandidate, split: str, known: Counted | None = None) -> Counted:
    """Counts a candidate's features on a split and writes the vocabulary that they make.

    Args:
        known: what another candidate has counted on this split; it is taken where it serves.

    Raises:
        UserError: there is one label only, or a label has no token.
        Unfit: a label has no token that is frequent enough.
    """
    if known is not None and known.serves(candidate):
        return known
    labels = stages.labelcount(candidate.specification, split)
    features = stages.featurecount(candidate.specification, split, candidate.minimum_df)
    found = feature_counts.load(features, labels)
    check_labels(found, stages.paths, split, candidate)
    kept = feature_counts.keep(found, candidate.minimum_df, candidate.features)
    name = vocabulary.fingerprint(kept.features)
    # Two specifications may come to the same tokens.
    folder = stages.folder / f"{split}-{candidate.specification.fingerprint}-{name}-vocabulary"
    if not (folder / manifest.SUCCESS).exists():
        tf, df = kept.term_frequency.tolist(), kept.document_frequency.tolist()
        vocabulary.write(folder, kept.features, tf, df, candidate.specification, stages.inputs)
    return Counted(candidate, kept, folder, name, features)


def _candidates(
    model: str, settings: Settings, labels: int | None = None, length: float | None = None, unspaced: bool = False
) -> list[TextCandidate]:
    found = settings.change(candidates(model, labels, length, settings.candidates, unspaced=unspaced))
    return [one for one in found if isinstance(one, TextCandidate)]


def choose(stages: Stages, model: str, settings: Settings) -> Choice:
    """Fits every candidate on the train split and compares them on the validation split.

    A candidate that cannot be fitted to the records is left out. Ctrl-C ends it with the best one so far, where one was
    trained here for an epoch at least.

    Raises:
        Unfit: none can be fitted.
        UserError: the records do not make a model.
    """
    first = _candidates(model, settings)[0]
    every = feature_counts.label_documents(stages.labelcount(first.specification, "all"))
    if len(every) < 2:
        raise one_label(every, stages.paths[0])
    counted_labels = stages.labelcount(first.specification, "train")
    documents = feature_counts.label_documents(counted_labels)
    found: dict[str, Any] = {
        "splits": {"train": sum(documents.values()), "validation": sum(every.values()) - sum(documents.values())}
    }
    scripts = language.shares(counted_labels)
    unspaced = settings.tokenizer is None and language.is_unspaced(scripts)
    if unspaced:
        print(language.explain(scripts), file=sys.stderr)
        found["scripts"] = {name: round(share, 4) for name, share in scripts.items()}
        first = _candidates(model, settings, unspaced=True)[0]
        counted_labels = stages.labelcount(first.specification, "train")
    several = _candidates(model, settings, len(every), feature_counts.mean_length(counted_labels), unspaced)
    if len(documents) < 2 or not found["splits"]["validation"]:
        print("too few records for a validation split: the first candidate is taken", file=sys.stderr)
        found.update(_covered(stages, several[0], None))
        return Choice(Tried(several[0], Scores(0.0, 0.0, 0.0), 1.0, []), {}, {}, found)
    best: Tried | None = None
    scores: dict[str, Scores] = {}
    histories: dict[str, History] = {}
    counted: Counted | None = None
    try:
        for candidate in several:
            try:
                counted = count(stages, candidate, "train", counted)
                tried = try_out(stages, candidate, counted, settings)
            except Unfit as error:
                if best is None and candidate is several[-1]:
                    raise
                print(f"left out: {error}", file=sys.stderr)
                continue
            scores[candidate.name], histories[candidate.name] = tried.scores, tried.history
            # Of equal ones the first.
            if best is None or tried.scores.rank(settings.select) > best.scores.rank(settings.select):
                best = tried
            _tell(candidate, tried.scores)
        means = _redrawn(stages, [one for one in several if one.name in scores], scores, every, settings, found)
        if means and best is not None:
            scores.update(means)
            chosen = max(means, key=lambda name: means[name].rank(settings.select))  # of equal ones the first
            if chosen != best.candidate.name:
                candidate = next(one for one in several if one.name == chosen)
                best = try_out(stages, candidate, count(stages, candidate, "train"), settings)
    except KeyboardInterrupt as stop:
        if best is not None and best.fitted is not None:
            return Choice(best, _to_json(scores), histories, found, interrupted=True)
        if not isinstance(stop, Interrupted):
            raise
        partial = _partial(stages, candidate, stop.fitted)
        return Choice(partial, {}, {candidate.name: stop.fitted.history}, found, interrupted=True)
    assert best is not None  # there is a candidate of every model for any number of labels, and one was fitted
    left = {label: n - documents.get(label, 0) for label, n in every.items()}
    most = max(sorted(left), key=left.__getitem__)
    if all(math.isclose(one.accuracy, left[most] / found["splits"]["validation"]) for one in scores.values()):
        print(f"warning: no candidate is better on validation than to answer {most!r} always", file=sys.stderr)
    print(f"chosen: {best.candidate.name}", file=sys.stderr)
    found.update(_covered(stages, best.candidate, best.counted))
    return Choice(best, _to_json(scores), histories, found)


def _redrawn(
    stages: Stages,
    tried: Sequence[TextCandidate],
    scores: Mapping[str, Scores],
    every: Mapping[str, int],
    settings: Settings,
    found: dict[str, Any],
) -> dict[str, Scores]:
    """The mean scores of candidates that are too close to tell by one split, over further ones; {} where none are.

    Networks take too long for that. What was drawn is added to `found`.
    """
    names = redraws.close(scores, found["splits"]["validation"])
    close = [one for one in tried if one.name in names]
    if not close or stages.held_out or not all(map(fit_linear.fits, close)):
        return {}
    print(f"too close to tell by one validation split: {', '.join(names)}; further ones decide", file=sys.stderr)
    kept = {name: [scores[name]] for name in names}
    found["salts"] = [stages.salt]
    for other in redraws.draws(stages, close[0], every):
        found["salts"].append(other.salt)
        counted: Counted | None = None
        for candidate in close:
            counted = count(other, candidate, "train", counted)
            kept[candidate.name].append(try_out(other, candidate, counted, settings).scores)
    means = {name: redraws.mean(several) for name, several in kept.items()}
    for candidate in close:
        _tell(candidate, means[candidate.name])
    return means


def _tell(candidate: TextCandidate, scores: Scores) -> None:
    said = ", ".join(f"{name} {value:.4f}" for name, value in scores.to_json().items())
    print(f"candidate {candidate.name}: validation {said}", file=sys.stderr)


def _covered(stages: Stages, candidate: TextCandidate, counted: Counted | None) -> dict[str, float]:
    """What there is of words by a candidate that was tried, or by one that could not be; warns of what is odd."""
    specification, validation = candidate.specification, None
    if counted is not None:
        validation = stages.encode(specification, "validation", counted.vocabulary, counted.fingerprint)
    found = coverage.look(stages.labelcount(specification, "train"), validation)
    for line in coverage.warnings(found):
        print(f"warning: {line}", file=sys.stderr)
    return found


def _to_json(scores: dict[str, Scores]) -> dict[str, dict[str, float]]:
    return {name: one.to_json() for name, one in scores.items()}


def _partial(stages: Stages, candidate: TextCandidate, fitted: Fitted) -> Tried:
    counted = count(stages, candidate, "train")
    validation = stages.encode(candidate.specification, "validation", counted.vocabulary, counted.fingerprint)
    scores, scale = _validate(candidate, counted, fitted, validation)
    return Tried(candidate, scores, scale, fitted.history, fitted, counted)


def _validate(candidate: TextCandidate, counted: Counted, fitted: Fitted, validation: Path) -> tuple[Scores, float]:
    labels = counted.counts.labels
    if isinstance(fitted.model, Linear):
        documents, y = bags.read(validation, labels=labels, features=len(counted.counts.features))
        logits = fitted.model.logits(documents)
    else:
        from models.training import build
        from models.training.validation import Measure

        kind = build.input_kind(candidate)
        logits, y = Measure(fitted.model, validation, kind=kind, labels=labels).logits()
    scale = calibration.calibrate(logits, y)
    return measure(logits, y, scale), scale


def try_out(stages: Stages, candidate: TextCandidate, counted: Counted, settings: Settings) -> Tried:
    """Fits a candidate on the train split and measures it on validation; from a file if an earlier run has done so."""
    train, validation = (
        stages.encode(candidate.specification, split, counted.vocabulary, counted.fingerprint)
        for split in ("train", "validation")
    )
    key = stages.key(candidate, settings, (counted.features, train, validation))
    for one in (kept := stages.scores()):
        if one["key"] == key and "macro_f1" in one:  # 0.1.0 kept the accuracy alone
            found = Scores(one["accuracy"], one["macro_f1"], one["log_loss"])
            return Tried(candidate, found, one["scale"], one["history"], counted=counted)
    file = stages.checkpoint("train", key)
    measured = validation if settings.measures else None
    fitted = _fit(candidate, counted, train, settings, checkpoint=file, key=key, validation=measured)
    scores, calibrated = _validate(candidate, counted, fitted, validation)
    kept.append({"key": key, **asdict(scores), "scale": calibrated, "history": fitted.history})
    stages.write_scores(kept)
    file.unlink(missing_ok=True)
    return Tried(candidate, scores, calibrated, fitted.history, fitted, counted)


def _fit(candidate: TextCandidate, counted: Counted, shards: Path, settings: Settings, **more: Any) -> Fitted:
    """Fits a candidate to shards; `more` are further fields of the run."""
    run = Run(
        candidate=candidate,
        shards=shards,
        labels=counted.counts.labels,
        size=len(counted.counts.features),
        scale=feature_weights.scale(counted.counts, candidate.weights, candidate.shares),
        settings=settings,
        **more,
    )
    if fit_linear.fits(candidate):
        return fit_linear.fit(run)
    import_tensorflow()
    from models.training import fit

    return fit.fit(run)


def make(stages: Stages, model: str, settings: Settings) -> Made:
    """Chooses a candidate, counts and fits it again on all records.

    Ctrl-C ends it with what there is: the chosen model as it was fitted on the train split, or the best one so far, or
    the last whole epoch of the only one.
    """
    choice = choose(stages, model, settings)
    best, made = choice.best, functools.partial(_made, choice, settings)
    if choice.interrupted:
        return made(best.fitted, best.counted, "while candidates were compared")
    try:
        counted = count(stages, best.candidate, "all")
        shards = stages.encode(best.candidate.specification, "all", counted.vocabulary, counted.fingerprint)
        key = stages.key(best.candidate, settings, (counted.features, shards))
        name = f"{best.candidate.name} on all"
        file = stages.checkpoint("all", key)
        fitted = _fit(best.candidate, counted, shards, settings, checkpoint=file, key=key, title=name)
    except KeyboardInterrupt as stop:
        if best.fitted is not None:
            return made(best.fitted, best.counted, "while the chosen one was fitted again on all records")
        if not isinstance(stop, Interrupted):
            raise
        epochs = f"after epoch {stop.fitted.epoch} of {best.candidate.epochs}"
        return made(stop.fitted, counted, epochs)
    choice.histories[name] = fitted.history
    return made(fitted, counted)


def _made(
    choice: Choice, settings: Settings, fitted: Fitted | None, counted: Counted | None, interrupted: str = ""
) -> Made:
    from models.serving.export import export
    from models.serving.exports import arrays

    assert fitted is not None and counted is not None
    candidate = choice.best.candidate
    joined: dict[str, Any] = {"specification": candidate.specification, "tokens": counted.counts.features}
    joined.update(labels=counted.counts.labels, scale=choice.best.scale)
    served: Served
    if isinstance(fitted.model, Linear):
        from models.serving.linear_model import LinearModel

        served = LinearModel(fitted.model, build=functools.partial(_filled, candidate, fitted.model), **joined)
    else:
        from models.serving.text_model import TextModel
        from models.training import build

        served = TextModel(fitted.model, kind=build.input_kind(candidate), **joined)
    results: dict[str, Any] = {"validation": choice.scores, "candidate": candidate.to_json(), **choice.found}
    results.update(epoch=fitted.epoch, parameters=fitted.model.count_params())
    kinds = (arrays.NAME,) if settings.no_saved_model else None
    return Made(functools.partial(export, served, kinds=kinds), results, choice.histories, interrupted)


def _filled(candidate: TextCandidate, arrays: Linear) -> keras.Model:
    from models.training import build

    return build.filled(candidate, arrays)
