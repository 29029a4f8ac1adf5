"""From a file of raw texts to a fitted linear model and its test accuracy: processor time, wall time and peak memory.

    python -m tests.benchmarks.bench_classify --books books.txt
    python -m tests.benchmarks.bench_classify --sets trec mr --efforts normal --peers sklearn --rounds 1

Ours is `models.train` without a SavedModel, once for each effort; the peers are scikit-learn and fastText as
`tests/benchmarks/classify_peers.py` has them. Each side is a process of its own that reads the same two files, and
chooses on a tenth of the training file: the peers on the same one, ours on the one that `models.train` draws. Rounds
are interleaved, after one on a few records that is not counted; a row has medians, and the medians of the rounds'
ratios. Processor time is that of a side's whole tree of processes, the peak that of the largest of them.

A floor that does not hold is a line on stderr and exit code 1. One whose effort, peer or set is not asked for is not
judged. Nothing here decides how a model is made, and the README's tables are not written.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.flag_values import whole
from models.training.candidates import EFFORTS, NORMAL
from tests.benchmarks import accuracy
from tests.benchmarks.accuracy import ROOT, Measured
from tests.benchmarks.classify_peers import PEERS

SENTENCES = "sentences"
SETS = ("20ng", "imdb", "r8", "trec", "mr", SENTENCES)
PARTS = 54
"""Labels of the set of sentences: contiguous parts of the text."""


@dataclass(frozen=True)
class Floor:
    """The most that an effort may take, as a share of what a peer takes, on some sets; with `accurate` its accuracy may
    be no lower, either. `measure` is a field of Measured."""

    effort: str
    measure: str
    most: float
    peer: str
    sets: tuple[str, ...]
    accurate: bool = False


FLOORS = (
    Floor("quick", "cpu", 0.25, "sklearn", ("20ng", "imdb")),
    Floor("normal", "cpu", 0.5, "sklearn", ("20ng", "imdb")),
    Floor("best", "cpu", 4.0, "sklearn", ("20ng", "imdb")),
    Floor("normal", "cpu", 1.5, "sklearn", ("r8", "trec", "mr")),
    Floor("normal", "seconds", 0.5, "fasttext", (SENTENCES,), accurate=True),
)
Found = Mapping[str, Sequence[Measured]]
"""What was measured by side, an effort or a peer: one for each round."""


def middle(rounds: Sequence[Measured], measure: str) -> float:
    """The median of a field over the rounds."""
    return float(median(getattr(one, measure) for one in rounds))


def ratio(ours: Sequence[Measured], theirs: Sequence[Measured], measure: str) -> float:
    """The median of the rounds' ratios, so that a busy machine slows both alike."""
    return float(median(getattr(a, measure) / getattr(b, measure) for a, b in zip(ours, theirs)))


def broken(name: str, found: Found, floors: Sequence[Floor] = FLOORS) -> list[str]:
    """A line for each floor that does not hold on a set."""
    lines = []
    for floor in floors:
        if name not in floor.sets or floor.effort not in found or floor.peer not in found:
            continue
        ours, theirs = found[floor.effort], found[floor.peer]
        share = ratio(ours, theirs, floor.measure)
        if share > floor.most:
            what = f"{share:.3f} of {floor.peer}'s {floor.measure}, and {floor.most:g} is the most"
            lines.append(f"{name}: {floor.effort} takes {what}")
        a, b = middle(ours, "accuracy"), middle(theirs, "accuracy")
        if floor.accurate and a < b:
            lines.append(f"{name}: the accuracy of {floor.effort} is {a:.4f}, below {floor.peer}'s {b:.4f}")
    return lines


def header(peers: Sequence[str]) -> list[str]:
    """The first two lines of the table."""
    cells = ["data", "side", "CPU s", "wall s", "peak MB", "accuracy"]
    cells += [f"{what} / {peer}" for peer in peers for what in ("CPU", "wall")]
    return [f"| {' | '.join(cells)} |", "|---" * len(cells) + "|"]


def rows(name: str, found: Found, peers: Sequence[str]) -> list[str]:
    """The lines of a set, one for each side; those of peers have no ratios."""
    lines = []
    for side, rounds in found.items():
        cells = [name, side if side in PEERS else f"ours, {side}"]
        cells += [f"{middle(rounds, measure):.1f}" for measure in ("cpu", "seconds")]
        cells += [f"{middle(rounds, 'peak'):.0f}", f"{middle(rounds, 'accuracy'):.4f}"]
        for peer in peers:
            for measure in ("cpu", "seconds"):
                cells.append("" if side in PEERS else f"{ratio(rounds, found[peer], measure):.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def read_sentences(path: Path) -> Iterator[str]:
    """The sentences of a text, one after the other: lines, split behind a full stop, `!` or `?`. A line at a time, as
    what this process holds would count as memory of those that it starts."""
    end = re.compile(r"(?<=[.!?]) ")
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            for piece in end.split(line):
                if words := piece.split():
                    yield " ".join(words)


def place(number: int, count: int) -> tuple[int, bool]:
    """The part that a sentence of `count` is in, and whether it is in the last tenth of it, which is for the test."""
    part = number * PARTS // count
    begin, end = (-(-edge * count // PARTS) for edge in (part, part + 1))
    return part, number >= end - (end - begin) // 10


def write_sentences(books: Path, count: int, folder: Path) -> tuple[Path, Path]:
    """Writes the training and test files of `count` sentences, at even distances in the whole text.

    Raises:
        UserError: the text is missing, or has fewer.
    """
    if not books.is_file():
        raise UserError(f"{books}: no such file")
    there = sum(1 for _ in read_sentences(books))
    if there < count:
        raise UserError(f"{books}: has {there} sentences, fewer than {count}")
    paths = folder / f"{SENTENCES}-train.tsv", folder / f"{SENTENCES}-test.tsv"
    with open(paths[0], "w", encoding="utf-8") as train, open(paths[1], "w", encoding="utf-8") as test:
        taken = 0
        for i, sentence in enumerate(read_sentences(books)):
            if i == taken * there // count and taken < count:
                part, tested = place(taken, count)
                (test if tested else train).write(f"part{part:02}\t{sentence}\n")
                taken += 1
    return paths


def split_of(name: str, raw: Path, work: Path) -> tuple[Path, Path]:
    """The training and test files of a data set: those in `raw`, or as `make accuracy` has them; of MR one fold.

    Raises:
        UserError: a file is missing.
    """
    pair = raw / f"{name}-train.tsv", raw / f"{name}-test.tsv"
    if all(path.is_file() for path in pair):
        return pair
    return accuracy.splits_of(name, None if name in accuracy.FETCHED else raw, work)[0]


def measure(side: str, split: tuple[Path, Path], work: Path) -> Measured:
    """Runs one side, from raw text to its accuracy.

    Raises:
        UserError: it has failed.
    """
    if side in PEERS:
        return accuracy.run([sys.executable, ROOT / "tests" / "benchmarks" / "classify_peers.py", side, *split])
    flags = () if side == NORMAL else ("--effort", side)
    return accuracy.measure_linear(*split, work / side, *flags)


def warm_up(sides: Sequence[str], work: Path) -> None:
    """Runs every side on a few records, so that none of them compiles or reads its code first in a round, and one that
    is not installed is told of now and not in ten minutes."""
    lines = [f"{label}\ta {label} film, number {i}\n" for i in range(200) for label in ("good", "bad")]
    split = work / "few-train.tsv", work / "few-test.tsv"
    for path, some in zip(split, (lines[:300], lines[300:])):
        path.write_text("".join(some))
    for side in sides:
        measure(side, split, work)


def rounds_of(name: str, sides: Sequence[str], split: tuple[Path, Path], work: Path, rounds: int) -> Found:
    """Measures all sides in turn, each round from another one on."""
    found: dict[str, list[Measured]] = {side: [] for side in sides}
    for number in range(rounds):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            one = measure(side, split, work)
            found[side].append(one)
            spent = f"{one.cpu:.1f} CPU s, {one.seconds:.1f} s, {one.peak:.0f} MB, accuracy {one.accuracy:.4f}"
            print(f"{name}, round {number + 1}, {side}: {spent}", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    program = "python -m tests.benchmarks.bench_classify"
    parser = Parser(program, "From raw texts to a fitted model, beside peers.", "--books books.txt", "--sets trec mr")
    add = parser.add_argument
    add("--sets", nargs="+", choices=SETS, help="default: all; sentences where there are --books")
    add("--efforts", nargs="+", choices=EFFORTS, default=list(EFFORTS), help="ours (default: all)")
    add("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="default: all")
    add("--rounds", type=whole(1), default=3, help="default: 3")
    add("--raw", type=Path, default=ROOT / "data" / "raw", metavar="DIR", help="of NAME-train.tsv and NAME-test.tsv")
    add("--books", type=Path, metavar="FILE", help="a plain text, which sentences are taken from")
    add("--sentences", type=whole(10_000, 1_000_000), default=120_000, metavar="N", help="how many (default: 120,000)")
    options: argparse.Namespace = parser.parse_args(arguments)
    sets = options.sets or [name for name in SETS if name != SENTENCES or options.books]

    def work() -> int:
        if SENTENCES in sets and not options.books:
            raise UserError(f"{SENTENCES}: give the text that they are taken from, --books FILE")
        sides, fallen = [*options.efforts, *options.peers], []
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            splits = {
                one: write_sentences(options.books, options.sentences, folder)
                if one == SENTENCES
                else split_of(one, options.raw.absolute(), folder)
                for one in sets
            }
            warm_up(sides, folder)
            print("\n".join(header(options.peers)), flush=True)
            for one, split in splits.items():
                found = rounds_of(one, sides, split, folder, options.rounds)
                print("\n".join(rows(one, found, options.peers)), flush=True)
                fallen += broken(one, found)
        for line in fallen:
            print(f"bench_classify: {line}", file=sys.stderr)
        return 1 if fallen else 0

    return command.run("bench_classify", work)


if __name__ == "__main__":
    sys.exit(main())
