"""Fills the README's table of accuracies on texts: `make accuracy`, a row for each data set that is there.

For every data set it trains as `models.train` does, which reads the test split once, and beside it scikit-learn's
TF-IDF and linear SVM on the same split. MR has no test split: ten folds, with the choice inside each training fold.
Rows of data sets that are not at hand stay as they are. Nothing here decides how a model is made. The table of networks
is `tests.benchmarks.accuracy_networks`'.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest
from models import inputs, train
from models.serving.exports import arrays

ROOT = Path(__file__).resolve().parents[2]
FOLDS, FOLD_SEED = 10, 0
PEER = "scikit-learn"
FETCHED = {"20ng": "20 Newsgroups", "r8": "R8", "r52": "R52", "mnist": "MNIST"}
NAMES = {**FETCHED, "trec": "TREC", "mr": f"MR, {FOLDS} folds", "imdb": "IMDB"}
TEXTS = [name for name in NAMES if name != "mnist"]
TEXTCNN = ("r8", "trec", "mr")
"""Data sets that TextCNN is trained on too; on long texts it takes many times as long as `linear`."""


@dataclass(frozen=True)
class Table:
    """A table of the README: what stands before and after it, its header, and the order of its rows by first cells."""

    name: str
    header: tuple[str, ...]
    order: tuple[tuple[str, ...], ...]

    @property
    def markers(self) -> tuple[str, str]:
        """The comments that the table stands between."""
        return f"<!-- {self.name} -->\n", f"<!-- /{self.name} -->"

    def key(self, row: str) -> tuple[str, ...]:
        """The cells that name a row."""
        return tuple(cell.strip() for cell in row.split("|")[1 : 1 + len(self.order[0])])

    def lines(self, rows: Iterable[str]) -> list[str]:
        """The table, a row for each key, the last one of several."""
        found = {self.key(row): row for row in rows}
        head = [f"| {' | '.join(self.header)} |", "|---" * len(self.header) + "|"]
        return [*head, *(found[key] for key in self.order if key in found)]


TABLE = Table(
    "accuracy",
    (
        *("data", "linear", "chosen on validation", "MB", "CPU s", "seconds", "peak MB", "TextCNN", "seconds"),
        *("TF-IDF + linear SVM", "CPU s", "seconds", "peak MB"),
    ),
    tuple((NAMES[name],) for name in TEXTS),
)


@dataclass(frozen=True)
class Measured:
    """Accuracy of one model on one split, the candidate that was chosen, megabytes and seconds of all of training; and
    where it ran in a process of its own the processor's seconds and the most memory that it or a process below it took,
    in megabytes."""

    accuracy: float
    chosen: str
    megabytes: float
    seconds: float
    cpu: float = 0.0
    peak: float = 0.0


def run(command: Sequence[str | Path]) -> Measured:
    """Runs a command that prints the accuracy last, and measures what it takes with all processes below it.

    Raises:
        UserError: it has failed.
    """
    started = time.monotonic()
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        words = process.stdout.read().split()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{command[1]} {command[2]} ended with exit code {process.returncode}")
    peak = used.ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
    return Measured(float(words[-1]), "", 0.0, time.monotonic() - started, used.ru_utime + used.ru_stime, peak)


def measure_linear(train_file: Path, test_file: Path, output: Path, *flags: str) -> Measured:
    """Trains the linear model anew, from raw text to the accuracy of its arrays; `flags` are further ones."""
    for folder in (output, train.work_folder(output)):
        shutil.rmtree(folder, ignore_errors=True)
    files = ["--train", train_file, "--test", test_file, "--output", output]
    found = run([sys.executable, "-m", "models.train", *files, "--no-saved-model", *flags])
    chosen = manifest.read(output, "model")["results"]["candidate"]["name"]
    return replace(found, chosen=chosen, megabytes=size_of(output / arrays.NAME) / 1e6)


def measure(train_file: Path, test_file: Path, output: Path, model: str) -> Measured:
    """Trains `model`, or takes the one that is there and up to date with its seconds, and tests it."""
    files = ["--train", train_file, "--test", test_file, "--output", output]
    # This process never holds TensorFlow: the peak of one that it starts is no less than its own memory.
    found = run([sys.executable, "-m", "models.train", *files, "--model", model])
    described = manifest.read(output, "model")
    chosen, size = described["results"]["candidate"]["name"], size_of(output / "saved_model")
    return replace(found, chosen=chosen, megabytes=size / 1e6, seconds=described["seconds"])


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def scikit_learn(train_file: Path, test_file: Path) -> float:
    """The accuracy of TfidfVectorizer (words and pairs, sublinear) and LinearSVC, otherwise as they come."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    (x, y), (test_x, test_y) = (
        zip(*[(text.decode(), label.decode()) for block in inputs.read([str(path)]) for label, text in block])
        for path in (train_file, test_file)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of defaults that will change
        pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(random_state=0))
        return float(pipeline.fit(list(x), list(y)).score(list(test_x), list(test_y)))


def folds(records: Path, folder: Path) -> list[tuple[Path, Path]]:
    """Writes the training and test files of FOLDS folds of a shuffle by FOLD_SEED; returns their paths."""
    lines = records.read_bytes().splitlines(keepends=True)
    random.Random(FOLD_SEED).shuffle(lines)
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for fold in range(FOLDS):
        pair = folder / f"fold{fold}-train.tsv", folder / f"fold{fold}-test.tsv"
        pair[0].write_bytes(b"".join(line for i, line in enumerate(lines) if i % FOLDS != fold))
        pair[1].write_bytes(b"".join(lines[fold::FOLDS]))
        pairs.append(pair)
    return pairs


def mean(measured: Sequence[Measured]) -> Measured:
    """The mean over folds; seconds are the sum, the peak the highest, and each choice is named with the number of folds
    that made it."""
    count = len(measured)
    names = Counter(one.chosen for one in measured).most_common()
    chosen = names[0][0] if len(names) == 1 else ", ".join(f"{name} ({n})" for name, n in names)
    return Measured(
        sum(one.accuracy for one in measured) / count,
        chosen,
        sum(one.megabytes for one in measured) / count,
        sum(one.seconds for one in measured),
        sum(one.cpu for one in measured),
        max(one.peak for one in measured),
    )


def row(name: str, splits: Sequence[tuple[Path, Path]], folder: Path) -> str:
    """Measures a data set and returns its row of the table."""

    def outputs(model: str) -> list[Path]:
        return [folder / name / (model if len(splits) == 1 else f"{model}-{i}") for i in range(len(splits))]

    def spent(one: Measured) -> list[str]:
        return [f"{one.cpu:.1f}", f"{one.seconds:.1f}", f"{one.peak:.0f}"]

    here = [sys.executable, "-m", "tests.benchmarks.accuracy", PEER]
    both = [(measure_linear(*split, output), run([*here, *split])) for split, output in zip(splits, outputs("linear"))]
    linear, peer = mean([ours for ours, _ in both]), mean([theirs for _, theirs in both])
    cnn = None
    if name in TEXTCNN:
        cnn = mean([measure(*split, output, "textcnn") for split, output in zip(splits, outputs("textcnn"))])
    cells = [NAMES[name], f"{100 * linear.accuracy:.1f}", linear.chosen, f"{linear.megabytes:.0f}", *spent(linear)]
    cells += [f"{100 * cnn.accuracy:.1f}", f"{cnn.seconds:.0f}"] if cnn else ["", ""]
    cells += [f"{100 * peer.accuracy:.1f}", *spent(peer)]
    return f"| {' | '.join(cells)} |"


def write_row(readme: Path, new: str, table: Table = TABLE) -> None:
    """Puts a row into the table between its markers, in place of an earlier one of the same key.

    Raises:
        UserError: the file has no markers.
    """
    text = readme.read_text(encoding="utf-8")
    first, last = table.markers
    before, begin, rest = text.partition(first)
    old, end, after = rest.partition(last)
    if not begin or not end:
        raise UserError(f"{readme}: no lines {first.strip()} and {last} to put the table between")
    rows = [line for line in old.splitlines()[2:] if line.startswith("|")]
    written = "\n".join(table.lines([*rows, new]))
    atomic.write(readme, f"{before}{begin}{written}\n{end}{after}".encode())


def splits_of(name: str, folder: Path | None, work: Path) -> list[tuple[Path, Path]]:
    """The training and test files of a data set, fetched first where a registry has it.

    Raises:
        UserError: a file is missing.
    """
    if name in FETCHED:
        command = [sys.executable, str(ROOT / "data" / "fetch.py"), name]
        code = subprocess.run(command, stdout=sys.stderr.fileno()).returncode
        if code:
            raise SystemExit(code)  # it has said why
    folder = folder or ROOT / "data" / "raw"
    names = ["mr.tsv"] if name == "mr" else [f"{name}-train.tsv", f"{name}-test.tsv"]
    paths = [folder / one for one in names]
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file; data/README.md tells how to make it")
    return folds(paths[0], work / "mr") if name == "mr" else [(paths[0], paths[1])]


def add_arguments(parser: argparse.ArgumentParser, *names: str) -> None:
    """The flags for folders: of data sets that no registry has, of the models, and the file with the table."""
    for name in names:
        files = "mr.tsv" if name == "mr" else f"{name}-train.tsv and {name}-test.tsv"
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"folder of {files}")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="file with the table")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "data" / "derived" / "accuracy", help="folder of the models"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code. With `networks` first it is that of the other table, with nothing both."""
    from tests.benchmarks import accuracy_networks

    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == [PEER]:  # in a process of its own, so that what it takes can be told
        print(f"accuracy {scikit_learn(*map(Path, given[1:])):.4f}")
        return 0
    if given[:1] == ["networks"]:
        return accuracy_networks.main(given[1:])
    parser = Parser(
        "make accuracy ARGS=",
        "Trains on every data set at hand and fills the README's table.",
        "'--trec data/raw --mr data/raw'",
        "'networks mnist r8'",
    )
    parser.add_argument("names", nargs="*", metavar="DATA", help=f"of {', '.join(TEXTS)}; default: all at hand")
    add_arguments(parser, "trec", "mr", "imdb")
    options = parser.parse_args(given)
    folders = {name: getattr(options, name, None) for name in NAMES}
    chosen = options.names or [name for name in TEXTS if name in FETCHED or folders[name]]

    def work() -> int:
        for name in chosen:
            if name not in TEXTS:
                raise UserError(f"no data set of texts {name!r}; there are {', '.join(TEXTS)}")
            print(f"== {NAMES[name]}", file=sys.stderr)
            line = row(name, splits_of(name, folders[name], options.work), options.work)
            write_row(options.readme, line)
            print(line, flush=True)
        return 0 if given else accuracy_networks.main([])

    return command.run("accuracy", work)


if __name__ == "__main__":
    sys.exit(main())
