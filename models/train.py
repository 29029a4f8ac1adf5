"""Trains a model: record files to what takes texts, pixels or columns, `python -m models.train --train F --output D`.

This module holds the command and the order of its steps: what `models.training.train_texts`, `train_images` or
`train_tables` makes of the train and validation splits is exported, and last of all the test file, if there is one, is
read once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import models
from mapreduce import command
from mapreduce.command import Parser, require
from mapreduce.errors import UserError
from mapreduce.flag_values import duration, number, whole
from mapreduce.input.files import Source, expand
from mapreduce.input.formats import FORMATS, detect
from mapreduce.input.formats.format import IMAGES
from mapreduce.input.records import EVERY, SplitRule
from mapreduce.native import library as native
from mapreduce.output import manifest
from mapreduce.paths import absolute, is_remote, written_here
from mapreduce.runners import RUNNERS
from mapreduce.tables.encoding import TASKS
from mapreduce.tokens.flags import FLAGS
from mapreduce.tokens.specification import PRESETS
from models import evaluate, inputs
from models.training import config
from models.training.candidates import (
    AUTO,
    BEST,
    EFFORTS,
    IMAGE_MODELS,
    MODELS,
    NORMAL,
    TABLE_MODELS,
    TEXT_MODELS,
    Candidate,
    candidates,
    image_candidate,
    split_models,
    table_candidate,
)
from models.training.settings import CLASS_WEIGHTS, DEFAULT, SELECT, VALIDATION, Settings
from models.training.stages import Stages

TEST_SHARE = 0.1
"""The share of the rows of a table that the model is tested on, where there is no file of them."""


def train(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    model: str = "linear",
    runner: str = "local",
    settings: Settings = DEFAULT,
    reading: dict[str, str] | None = None,
    checked: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
) -> bool:
    """Makes a model of record files, in `output`; job outputs stay beside it, in `output`.work.

    A model that is there and was made of the same files in the same way is left as it is; one that was made otherwise
    is replaced. What an interrupted run has finished is not done again. `checked` is what `models.training.checks` has
    found, and the salt of the validation split that it has chosen; the manifest keeps it among the results.
    `train.toml`, beside the model, says how to make it again; `more` are flags that it keeps, too.

    Returns:
        Whether it was made to the end; False where Ctrl-C has left the best model so far.

    Raises:
        UserError: `output` is something else than a model, or one of other inputs, the model does not read such
            records, or the records do not make one.
    """
    from models.serving import linear_graph
    from models.training import compared, plots, train_images, train_tables, train_texts

    is_table = settings.target is not None
    if not is_table:
        check_pair(model, [os.fspath(path) for path in paths], (reading or {}).get("--format"))
    folder = Path(output)
    stages = Stages(
        paths,
        work_folder(output),
        runner=runner,
        reading={**(reading or {}), **({"--group-field": settings.group_field} if settings.group_field else {})},
        validation=settings.validation,
        salt=(checked or {}).get("salt", ""),
        test_share=settings.test_share,
    )
    tried = check_settings(model, settings)
    files = [*stages.paths, *stages.held_out]
    if not any(map(is_remote, files)) and not is_table:
        stages.found = inputs.found_out(files, **stages.fields)
    read = {flag: value for flag, value in stages.reading.items() if flag != "--max-rejected"}
    made_of: dict[str, Any] = {"model": model, "seed": settings.seed, "reading": read}
    made_of["candidates"] = [candidate.to_json() for candidate in tried]
    made_of.update(mixed_precision=settings.mixed_precision, **settings.decides)
    if settings.budget is not None:
        made_of["budget"] = settings.budget
    if folder.exists() or folder.is_symlink():
        found = _existing(folder)
        others = [one["path"] for one in found["inputs"]]
        if [*map(absolute, others)] != [absolute(one["path"]) for one in stages.inputs] and not settings.force:
            raise UserError(f"{folder}: a model of {_shown(others)}; give another --output, or --force to replace it")
        same = found["arguments"] == json.loads(json.dumps(made_of)) and found["inputs"] == stages.inputs
        if same and not found["results"].get("interrupted"):
            print(f"{folder}: up to date", file=sys.stderr)
            if settings.curves:
                plots.curves(found["results"]["history"], settings.curves)
            return True
    with stages.alone(), linear_graph.at_hand():
        started = time.monotonic()
        if is_table:
            made = train_tables.make(stages, model, settings)
        elif len(several := split_models(model)) > 1:
            made = compared.make(stages, several, settings)
        else:
            made = (train_images if model in IMAGE_MODELS else train_texts).make(stages, model, settings)
        results = {**made.results, "history": made.histories, **(checked or {})}
        if made.interrupted:
            results["interrupted"] = made.interrupted
        seconds = time.monotonic() - started
        described = manifest.build("model", arguments=made_of, inputs=stages.inputs, results=results, seconds=seconds)
        flags = {"train": [absolute(os.fspath(path)) for path in paths], "model": model, "runner": runner}
        flags.update(
            {**settings.flags(), **{flag[2:]: value for flag, value in stages.reading.items()}, **(more or {})}
        )
        flags = {name: value for name, value in {**flags, **made.decided}.items() if value is not None}
        decisions = {"candidate": results["candidate"]["name"], "salt": stages.salt}
        decisions.update({f"{split}-records": n for split, n in results["splits"].items()}, **_versions())
        text = config.text(flags, decisions).encode("utf-8", "surrogateescape")
        made.export(directory=folder, manifest=described, files={**made.files, config.NAME: text})
        if settings.curves:
            plots.curves(made.histories, settings.curves)
        if made.interrupted:
            print(f"train: interrupted {made.interrupted}; {folder} holds the best model so far", file=sys.stderr)
        else:
            stages.remove_checkpoints()
        return not made.interrupted


def work_folder(output: str | os.PathLike[str]) -> Path:
    """The folder beside a model that keeps what it was made from: `output`.work.

    Raises:
        UserError: the model's has no name.
    """
    folder = Path(output)
    if not folder.name:
        raise UserError(f"{output}: give the name of a folder for the model")
    return folder.with_name(folder.name + ".work")


def check_settings(model: str, settings: Settings) -> list[Candidate]:
    """The candidates of the model as the settings have them.

    Raises:
        UserError: a setting is not for this model, names no candidate of it, or needs a package that is missing.
    """
    settings.check()
    names = settings.candidates
    if settings.target is not None:
        if settings.no_saved_model or settings.effort == BEST or settings.budget is not None:
            raise UserError("--no-saved-model, --effort best, --budget: not for tables; leave them out")
        return settings.change([table_candidate(model, names)])
    several = split_models(model)
    if len(several) > 1 and (names or settings.effort == BEST):
        flag = "--candidates" if names else "--effort best"
        raise UserError(f"{flag}: of one model; name it with --model, or leave the flag out")
    if len(several) == 1 and settings.budget is not None:
        raise UserError(f"--budget: bounds how many models are tried; give --model {AUTO}, or names between commas")
    found = settings.change(
        [image_candidate(model, names)]
        if model in IMAGE_MODELS
        else [one for name in several for one in candidates(name, names=names, effort=settings.effort)]
    )
    if settings.no_saved_model or settings.effort == BEST:
        from models.training import fit_linear

        if not all(map(fit_linear.fits, found)):
            why = f" ({why})" if (why := native.missing()) else ""
            flag = "--no-saved-model" if settings.no_saved_model else "--effort best"
            raise UserError(f"{flag}: for linear alone, where it is fitted natively{why}; leave it out")
    return found


def check_pair(model: str, paths: Sequence[str], format: str | None = None) -> None:
    """Raises UserError where the model reads images and the records are texts, or the other way round."""
    local = [path for path in paths if not is_remote(path)]
    found = format or detect(map(Source, expand(local) or paths))
    if not FORMATS[found].labelled and not format:
        for path in local:
            if _holds_class_folders(path):
                raise UserError(
                    f"{path}: a folder of class folders; make records of it first: "
                    f"python data/convert.py {shlex.quote(path)} --output train.tsv"
                )
    holds_images = FORMATS[found].holds == IMAGES
    if holds_images == (split_models(model)[0] in IMAGE_MODELS):
        return
    reads, holds, there = ("texts", "images", IMAGE_MODELS) if holds_images else ("images", "texts", TEXT_MODELS)
    hint = "" if len(local) == len(paths) or format else " (or give --format images)"
    raise UserError(
        f"{model} reads {reads}, and {paths[0]} holds {holds}{hint}; the models of {holds} are {', '.join(there)}"
    )


def check_table(paths: Sequence[str], options: Any, given: dict[str, Any]) -> None:
    """Raises UserError where a file lacks the column that is to be learnt, or a flag is not for tables."""
    if options.forbid_leaks:
        raise UserError("--forbid-leaks: not for tables, whose rows may be alike by chance; leave it out")
    if (options.text_field, options.label_field) != ("text", "label"):
        raise UserError("--text-field, --label-field: of texts; a table has --target, and all other columns are read")
    for path in paths:
        if not is_remote(path):
            inputs.table([path], [options.target], quiet=True, **given)


def _holds_class_folders(path: str) -> bool:
    folder = Path(path)
    inside = [one for one in folder.iterdir() if not one.name.startswith(("_", "."))] if folder.is_dir() else []
    return len(inside) > 1 and all(one.is_dir() for one in inside)


def _existing(folder: Path) -> dict[str, Any]:
    try:
        return manifest.read(folder, "model")
    except UserError:
        there = f" ({there})" if (there := manifest.near(folder, manifest.MODEL)) else ""
        raise UserError(f"{folder}: exists and is not a whole model{there}; give another --output") from None


def _shown(paths: list[str]) -> str:
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "") if paths else "no input"


def _versions() -> dict[str, str]:
    import numpy

    found = {"python": platform.python_version(), "numpy": numpy.__version__}
    asked = {name: sys.modules.get(name) for name in ("tensorflow", "keras")}
    return {**found, **{name: module.__version__ for name, module in asked.items() if module is not None}}


def test(output: str | os.PathLike[str], paths: Sequence[str], **reading: Any) -> tuple[str, float]:
    """The accuracy of the exported model on labelled records; a label that it does not know counts as wrong.

    Returns:
        What was measured, "accuracy", or "reconstruction error" of a model that gives images back; and the number.

    Raises:
        UserError: a file is missing, or holds no labelled record.
    """
    pairs = inputs.labelled(paths, **reading)
    loaded, texts = models.load(output), [text for _, text in pairs]
    if (error := getattr(loaded, "error", None)) is not None:  # it gives images back
        return "reconstruction error", error(texts)
    found = evaluate.evaluate(loaded, texts, [label.decode() for label, _ in pairs])
    if found.unknown:
        print(f"train: {found.unknown_labels()}", file=sys.stderr)
    return "accuracy", found.accuracy


def test_table(
    output: str | os.PathLike[str],
    paths: Sequence[str],
    rule: SplitRule = EVERY,
    **reading: Any,
) -> list[str]:
    """The scores of the exported model of a table on rows that it has not learnt from, beside those of baselines.

    Returns:
        Lines of a table, fields between tabs, the model's own first; and last of all its accuracy, or RMSE, once more.

    Raises:
        UserError: a file is missing, lacks a column, or holds no row that can be measured on.
    """
    from models.training import baselines

    model: Any = models.load(output)
    found = evaluate.rows_of(model, paths, rule=rule, **reading)
    results = model.manifest["results"]
    scores = {results["candidate"]["name"]: _scores(evaluate.evaluate_rows(model, found))}
    shards = [work_folder(output) / name for name in results["shards"]]
    if all((path / manifest.SUCCESS).exists() for path in shards):
        labels = None if model.gives_number else model.labels
        for name, answers in baselines.answers(shards, labels, model.encode(found.lines)):
            scores[name] = _scores(evaluate.against(model, answers, found.targets))
    else:
        print(f"train: {work_folder(output)}: its shards are gone, so there are no baselines", file=sys.stderr)
    (own, *_), names = scores.values(), list(next(iter(scores.values())))
    lines = ["\t".join(["model", *names])]
    lines += ["\t".join([name, *(evaluate.shown(one[of]) for of in names)]) for name, one in scores.items()]
    return [*lines, f"{names[0]} {evaluate.shown(own[names[0]])}"]


def _scores(found: evaluate.Evaluation | evaluate.Errors) -> dict[str, float]:
    if isinstance(found, evaluate.Errors):
        return found.scores
    return {"accuracy": found.accuracy, "macro F1": found.macro_f1}


def parser() -> Parser:
    """The command line, as --help shows it."""
    description = "Trains a model on labelled records; prints its accuracy on --test as the last line of stdout."
    table = "--train homes.csv --target price --model mlp --output model"
    made = Parser("python -m models.train", description, "--train train.tsv --test test.tsv --output model", table)
    add = made.add_argument
    add("--train", nargs="+", required=True, metavar="FILE", help="records to count, to fit and to choose on")
    add("--test", nargs="+", metavar="FILE", help="records that are read once, at the end")
    where = "where the model is written; job outputs go to DIR.work"
    add("--output", type=written_here, required=True, metavar="DIR", help=where)
    add("--model", type=_model, default="linear", metavar="NAME", help=f"architecture (default: linear): {_KNOWN}")
    target = f"a column of a table, learnt from the others; models: {', '.join(TABLE_MODELS)}"
    add("--target", metavar="COLUMN", help=target)
    add("--task", choices=TASKS, help="what the target is (default: by its values)")
    add("--types", help="types of some columns of a table in place of what they look like, as age:int,code:text")
    add("--nulls", help="what is a missing value in a table beside an empty field, as NA,null")
    add("--words", metavar="A,B", help="columns of a table that are texts, whose words are read")
    held = "of a table without --test: the share of rows to test on (default: 0.1)"
    add("--test-share", type=number(0.0, 0.9), metavar="SHARE", help=held)
    several = "with several models: stop trying after half of it, as 10m or 2h; fitting again takes the rest"
    add("--budget", type=duration, metavar="TIME", help=several)
    add("--runner", choices=RUNNERS, default="local", help="of the jobs (default: local)")
    add("--seed", type=whole(0, 2**32 - 1), default=0, help="of weights, dropout and order (default: 0)")
    add("--tokenizer", choices=PRESETS, help="in place of what each candidate of a model of texts has")
    for flag in FLAGS:
        if flag.apply is not None:
            add(flag.option, **{**flag.arguments, "help": f"{flag.help}; in place of what each candidate has"})
    add("--candidates", type=_names, default=(), metavar="NAMES", help="try these alone, by name, separated by commas")
    add("--epochs", type=whole(1, 100_000), help="in place of what each candidate has, as the next three")
    add("--learning-rate", type=number(0.0, 1e6), metavar="RATE", help="where it begins, if it falls")
    add("--batch-size", type=whole(1, 1_000_000), metavar="N", help="records in a step")
    add("--features", type=whole(1, 100_000_000), metavar="N", help="the most features that are kept")
    add("--class-weight", choices=CLASS_WEIGHTS, help="balanced: every label weighs the same in the loss")
    tried = "quick: one candidate; normal: a few (default); best, of linear: all by 5-fold cross-validation, and a sum"
    add("--effort", choices=EFFORTS, default=NORMAL, help=f"{tried}; about 0.7, 1 and 5 times as long")
    add("--select", choices=SELECT, default=SELECT[0], help="what candidates are compared by (default: accuracy)")
    compared = "the records that candidates are compared on: a share of --train, or a file (default: 0.1)"
    add("--validation", type=_validation, default=VALIDATION, metavar="SHARE", help=compared)
    grouped = "records that are alike in this field, an author say, are in one split"
    add("--group-field", metavar="NAME", help=grouped)
    add("--config", metavar="FILE", help="take flags from this TOML file, as the train.toml of a model; others win")
    add("--force", action="store_true", help="replace a model of other inputs")
    add("--no-saved-model", action="store_true", help="of linear the arrays alone, which predict and evaluate take")
    add("--resume", action="store_true", help="go on after the last whole epoch of an interrupted training")
    add("--mixed-precision", action="store_true", help="compute in float16 on a GPU, if there is one")
    add("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard's logs")
    add("--curves", type=Path, metavar="FILE", help="draw the learning curves, a PNG")
    add("--forbid-leaks", action="store_true", help="fail (4) where test records are in the training set; else warn")
    inputs.add_arguments(made, "by suffix")
    return made


_KNOWN = f"{', '.join(MODELS)}; several of texts between commas, or {AUTO} for all of them, are compared"


def _model(text: str) -> str:
    try:
        split_models(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split(","))


def _validation(text: str) -> float | str:
    try:
        float(text)
    except ValueError:
        return text
    return number(0.0, 1.0)(text)


def _options(given: list[str]) -> Any:
    """The flags of the command line, and those of the configuration that it names, before them."""
    made, first = parser(), argparse.ArgumentParser(add_help=False)
    first.add_argument("--config", nargs="?")
    path = first.parse_known_args(given)[0].config
    try:
        return made.parse_args([*(config.arguments(path, made) if path else []), *given])
    except UserError as error:
        made.error(str(error))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _options(sys.argv[1:] if arguments is None else list(arguments))
    given, flags = inputs.arguments(options), inputs.flags(options)
    if options.target is not None and not options.test:
        options.test_share = options.test_share or TEST_SHARE
    settings = Settings(**{one.name: getattr(options, one.name) for one in fields(Settings)})

    def work() -> int:
        return work_on_table() if options.target is not None else work_on_records()

    def work_on_table() -> int:
        require("tensorflow")
        check_settings(options.model, settings)
        check_table([*options.train, *(options.test or ())], options, given)
        own = {name: value for name, value in given.items() if name not in ("text_field", "label_field")}
        more = {"test": [absolute(path) for path in options.test]} if options.test else {}
        reads = {flag: value for flag, value in flags.items() if flag not in ("--text-field", "--label-field")}
        if not train(
            options.train,
            str(options.output),
            model=options.model,
            runner=options.runner,
            settings=settings,
            reading=reads,
            more=more,
        ):
            return 130
        share = VALIDATION if isinstance(options.validation, str) else options.validation
        rule = EVERY if options.test else SplitRule("test", share, b"", settings.test_share or 0.0)
        for line in test_table(str(options.output), options.test or options.train, rule, **own):
            print(line)
        return 0

    def work_on_records() -> int:
        require("numpy" if options.no_saved_model else "tensorflow")
        from models.training import checks

        held_out = [options.validation] if isinstance(options.validation, str) else []
        for path in options.test or ():
            expand([path])  # a missing file is an error now and not in ten minutes
        settings.check()
        check_pair(options.model, [*options.train, *held_out], options.format)
        check_settings(options.model, settings)
        checked, more = None, {"forbid-leaks": options.forbid_leaks}
        if options.test:
            more["test"] = [absolute(path) for path in options.test]
        if not any(map(is_remote, [*options.train, *held_out])):
            checked = checks.check(
                options.train,
                options.test or (),
                forbid_leaks=options.forbid_leaks,
                validation=options.validation,
                group_field=options.group_field,
                **given,
            )
        elif options.test:
            inputs.labelled(options.test, **given)  # what cannot be measured on is an error now
        if not train(
            options.train,
            str(options.output),
            model=options.model,
            runner=options.runner,
            settings=settings,
            reading=flags,
            checked=checked,
            more=more,
        ):
            return 130
        if options.test:
            what, number = test(str(options.output), options.test, **given)
            print(f"{what} {number:.4f}")
        return 0

    return command.run("train", work, interrupted="interrupted; the same command with --resume goes on from here")


if __name__ == "__main__":
    sys.exit(main())
