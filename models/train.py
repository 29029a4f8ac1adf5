"""Trains a model, from record files to what takes raw strings: `python -m models.train --train F --output D`.

Candidates are counted and fitted on the train split and compared on the validation split; the chosen one is counted
and fitted again on all records, and exported; last of all the test file, if there is one, is read once. This module
holds the order of these steps; the jobs run in `models.stages`, the fit in `models.fit`, the choice is
`models.selection`'s.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
from mapreduce import manifest, records, vocabulary
from mapreduce.errors import UserError
from mapreduce.split import expand
from models import checks, evaluate, inputs, selection, weights
from models.quiet import import_tensorflow
from models.selection import Candidate
from models.stages import Stages


@dataclass(frozen=True)
class Counted:
    """What one specification's features are on one split: their counts, kept and in the order of their ids."""

    counts: weights.FeatureCounts
    vocabulary: Path
    fingerprint: str
    features: Path


def count(stages: Stages, candidate: Candidate, split: str) -> Counted:
    """Counts a candidate's features on a split and writes the vocabulary that they make.

    Raises:
        UserError: there is one label only, a label has no token, or no token is left.
    """
    labels = stages.labelcount(candidate.specification, split)
    features = stages.featurecount(candidate.specification, split, candidate.minimum_df)
    found = weights.load(features, labels)
    check_labels(found, stages.paths, split)
    kept = selection.keep(found, candidate.minimum_df, candidate.features)
    name = vocabulary.fingerprint(kept.features)
    folder = stages.folder / f"{split}-{name}-vocabulary"
    if not (folder / manifest.SUCCESS).exists():
        tf, df = kept.term_frequency.tolist(), kept.document_frequency.tolist()
        vocabulary.write(folder, kept.features, tf, df, candidate.specification, stages.inputs)
    return Counted(kept, folder, name, features)


def check_labels(counts: weights.FeatureCounts, paths: Sequence[str], split: str) -> None:
    """Raises UserError where there is one label only, or one whose documents hold no token."""
    where = f"{paths[0]}, {split} split"
    if len(counts.labels) < 2:
        raise one_label(counts.labels, where)
    seen = set(counts.label.tolist())
    empty = [name for i, name in enumerate(counts.labels) if i not in seen]
    if empty:
        raise UserError(f"{where}: no document of label {empty[0]!r} holds a token; remove the label or give it text")


def one_label(labels: Iterable[str], where: str) -> UserError:
    """The error of records that nothing can be told apart in."""
    return UserError(f"{where}: one label only, {', '.join(map(repr, labels))}; a classifier needs two or more")


def choose(stages: Stages, model: str, seed: int) -> tuple[Candidate, float, dict[str, float]]:
    """Fits every candidate on the train split and compares them on the validation split.

    Returns:
        The candidate of the best score, the scale that calibrates its logits, and all scores by name.
    """
    first = selection.candidates(model)[0]
    every = weights.label_documents(stages.labelcount(first.specification, "all"))
    if len(every) < 2:
        raise one_label(every, stages.paths[0])
    counted_labels = stages.labelcount(first.specification, "train")
    documents = weights.label_documents(counted_labels)
    found = selection.candidates(model, len(every), weights.mean_length(counted_labels))
    if len(documents) < 2 or sum(documents.values()) == sum(every.values()):
        print("too few records for a validation split: the first candidate is taken", file=sys.stderr)
        return found[0], 1.0, {}
    kept: list[tuple[float, float]] = []
    for candidate in found:
        counted = count(stages, candidate, "train")
        score = _remembered(stages, candidate, counted, seed)
        kept.append(score)
        print(f"candidate {candidate.name}: validation {score[0]:.4f}", file=sys.stderr)
    chosen = selection.best([score for score, _ in kept])
    print(f"chosen: {found[chosen].name}", file=sys.stderr)
    return found[chosen], kept[chosen][1], {c.name: round(s, 4) for c, (s, _) in zip(found, kept)}


def _remembered(stages: Stages, candidate: Candidate, counted: Counted, seed: int) -> tuple[float, float]:
    """(accuracy, scale) on the validation split; from a file if an earlier run has come so far."""
    train, validation = (
        stages.encode(candidate.specification, split, counted.vocabulary, counted.fingerprint)
        for split in ("train", "validation")
    )
    key = {"candidate": candidate.to_json(), "seed": seed}
    key["parts"] = [manifest.read(path)["parts"] for path in (counted.features, train, validation)]
    path = stages.folder / "scores.json"
    scores: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.exists() else []
    text = json.dumps(key, sort_keys=True)
    for one in scores:
        if one["key"] == text:
            return one["accuracy"], one["scale"]
    import_tensorflow()
    from models import fit

    names = counted.counts.labels
    scale = selection.scale(candidate, counted.counts)
    model = fit.fit(candidate, train, labels=names, features=len(counted.counts.features), scale=scale, seed=seed)
    logits, y = fit.logits(model, validation, kind=fit.input_kind(candidate), labels=names)
    accuracy, calibrated = float((logits.argmax(axis=1) == y).mean()), selection.calibrate(logits, y)
    scores.append({"key": text, "accuracy": accuracy, "scale": calibrated})
    temporary = path.with_suffix(".temporary")
    temporary.write_text(json.dumps(scores), encoding="ascii")
    temporary.replace(path)
    return accuracy, calibrated


def refit(
    stages: Stages,
    candidate: Candidate,
    output: Path,
    *,
    scale: float,
    seed: int,
    arguments: dict[str, Any],
    results: dict[str, Any],
    started: float,
) -> None:
    """Counts and fits a candidate on all records and exports it."""
    counted = count(stages, candidate, "all")
    shards = stages.encode(candidate.specification, "all", counted.vocabulary, counted.fingerprint)
    import_tensorflow()
    from models import export, fit

    weight = selection.scale(candidate, counted.counts)
    names, size = counted.counts.labels, len(counted.counts.features)
    model = fit.fit(candidate, shards, labels=names, features=size, scale=weight, seed=seed)
    described = manifest.build(
        "model", arguments=arguments, inputs=stages.inputs, results=results, seconds=time.monotonic() - started
    )
    export.export(
        model,
        kind=fit.input_kind(candidate),
        specification=candidate.specification,
        tokens=counted.counts.features,
        labels=names,
        scale=scale,
        directory=output,
        manifest=described,
    )


def train(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    model: str = "linear",
    runner: str = "local",
    seed: int = 0,
    reading: dict[str, str] | None = None,
    checked: dict[str, Any] | None = None,
) -> None:
    """Makes a model of record files, in `output`; job outputs stay beside it, in `output`.work.

    A model that is there and was made of the same files in the same way is left as it is; one that was made otherwise
    is replaced. What an interrupted run has finished is not done again. `checked` is what `models.checks` has found;
    the manifest keeps it among the results.

    Raises:
        UserError: `output` is something else than a model, or the records do not make one.
    """
    folder = Path(output)
    stages = Stages(paths, folder.with_name(folder.name + ".work"), runner=runner, reading=reading)
    candidates = [candidate.to_json() for candidate in selection.candidates(model)]
    made_of = {"model": model, "seed": seed, "reading": stages.reading, "candidates": candidates}
    if folder.exists() or folder.is_symlink():
        found = _existing(folder)
        if found["arguments"] == json.loads(json.dumps(made_of)) and found["inputs"] == stages.inputs:
            print(f"{folder}: up to date", file=sys.stderr)
            return
    started = time.monotonic()
    candidate, scale, scores = choose(stages, model, seed)
    results = {"validation": scores, "candidate": candidate.to_json(), **(checked or {})}
    refit(stages, candidate, folder, scale=scale, seed=seed, arguments=made_of, results=results, started=started)


def _existing(folder: Path) -> dict[str, Any]:
    try:
        return manifest.read(folder, "model")
    except UserError:
        raise UserError(f"{folder}: exists and is not a whole model; remove it or give another --output") from None


def test(output: str | os.PathLike[str], paths: Sequence[str], **reading: Any) -> evaluate.Evaluation:
    """What the exported model makes of labelled records; a label that it does not know counts as wrong.

    Raises:
        UserError: a file is missing, or holds no labelled record.
    """
    if reading.get("format") is None and records.detect_format(paths) == "text":
        raise UserError(f"{paths[0]}: no label column in plain text; give --format (tsv, csv, jsonl, fasttext)")
    pairs = [pair for block in inputs.read(paths, **reading) for pair in block]
    if not pairs:
        raise UserError(f"{paths[0]}: no labelled record to test on")
    found = evaluate.evaluate(models.load(output), [text for _, text in pairs], [label.decode() for label, _ in pairs])
    if found.unknown:
        names = ", ".join(f"{label!r} ({n})" for label, n in found.unknown.items())
        print(f"train: labels that the model was not trained on count as wrong: {names}", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train",
        description="Trains a model on labelled records; prints its accuracy on --test as the last line of stdout.",
        epilog="Example: python -m models.train --train train.tsv --test test.tsv --output model",
    )
    add = parser.add_argument
    add("--train", nargs="+", required=True, metavar="FILE", help="records to count, to fit and to choose on")
    add("--test", nargs="+", metavar="FILE", help="records that are read once, at the end")
    add("--output", required=True, metavar="DIR", help="where the model is written; job outputs go to DIR.work")
    add("--model", choices=selection.MODELS, default="linear", help="architecture (default: linear)")
    add("--runner", choices=("local", "inline", "hadoop"), default="local", help="of the jobs (default: local)")
    add("--seed", type=int, default=0, help="of weights, dropout and order (default: 0)")
    add("--forbid-leaks", action="store_true", help="fail (4) where test records are in the training set; else warn")
    inputs.add_arguments(parser, "by suffix")
    options = parser.parse_args(arguments)
    given = {"format": options.format, "text_field": options.text_field, "label_field": options.label_field}
    flags = {"--" + name.replace("_", "-"): value for name, value in given.items() if value is not None}
    settings = {"model": options.model, "runner": options.runner, "seed": options.seed}
    try:
        for path in options.test or ():
            expand([path])  # a missing file is an error now and not in ten minutes
        checked = None
        if "://" not in "".join(options.train):
            checked = checks.check(options.train, options.test or (), forbid_leaks=options.forbid_leaks, **given)
        train(options.train, options.output, reading=flags, checked=checked, **settings)
        if options.test:
            print(f"accuracy {test(options.output, options.test, **given).accuracy:.4f}")
    except UserError as error:
        print(f"train: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("train: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
