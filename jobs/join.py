"""Joins two tables: a row of the left and a row of the right one that are equal in some columns become one row.

It has the columns that are joined on, the left table's others and the right table's others. Equal is what is equal as
the types have it (1 is 1.0); a missing value equals nothing. --how left keeps rows of the left table that match
nothing, outer those of both, and anti those of the left one alone. Lines are in order of their bytes, in parts by their
first column, whichever --strategy is taken.

Input:   city,price        city,country
         Oslo,3            Oslo,Norway
         Rome,4
Output:  Oslo	3	Norway        (--on city)
"""

from __future__ import annotations

import json
import os
import re
import sys
from argparse import SUPPRESS
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from operator import add
from typing import Any

from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.flag_values import whole
from mapreduce.input.files import BLOCK, expand, note_copy, shown
from mapreduce.input.formats import FORMATS, Format
from mapreduce.input.formats.format import READING_FLAGS
from mapreduce.input.records import SplitRule
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.local import machine
from mapreduce.output import atomic, manifest
from mapreduce.output.manifest import Counters
from mapreduce.paths import absolute, is_remote
from mapreduce.recordjob import input_file
from mapreduce.shuffle.memory import task_memory
from mapreduce.shuffle.reducers import default_reduces
from mapreduce.shuffle.sums import in_order
from mapreduce.tablejob import TableJob
from mapreduce.tables import joining
from mapreduce.tables.joining import ANTI, ENTRY, HOW, INNER, OUTER, Arranged, Joining
from mapreduce.tables.schema import Schema

MEMORY, SHUFFLE = "memory", "shuffle"
LEFT, RIGHT, NEITHER = "left", "right", "neither"
TABLE_FLAGS: dict[str, dict[str, Any]] = {
    "--format": {"choices": FORMATS},
    **{option: {} for option in ("--names", "--schema", "--types", "--nulls")},
    **READING_FLAGS,
}
"""The flags of a table; the right one has its own, with `right-` before them."""
SETTLED = ("format", "names", "schema", "nulls", "delimiter", "header", "quotes", "encoding")
"""Those that the driver settles."""


class Join(TableJob):
    __doc__ = __doc__
    KIND = "join"
    EXAMPLE = "python jobs/join.py -r local --on city --how left orders.csv cities.csv"
    SETTLED = (
        *TableJob.SETTLED,
        *(f"right_{option[2:]}" for option in TABLE_FLAGS if option != "--format"),
        *("strategy", "held", "held_rows", "right_files"),
    )
    UNUSUAL = (*SETTLED, "find_types", "arrange", "on", "left_on", "right_on")

    def configure_args(self) -> None:
        super().configure_args()
        flag, driver = self.add_passthru_arg, self.add_driver_arg
        flag("--on", metavar="A,B", help="columns that are joined on, where both tables call them so")
        flag("--left-on", metavar="A,B", help="the columns of the left table, where names differ")
        flag("--right-on", metavar="A,B", help="those of the right table, in the same order")
        flag("--how", choices=HOW, default=INNER, help="which rows that match nothing are kept (default: inner, none)")
        flag("--suffix", default="_right", help="behind the name of a right column that the left table has, too")
        most = "fail where several rows of both tables with one key make more rows (default: 100000000)"
        flag("--max-matches", type=whole(1), default=100_000_000, help=most)
        for option, about in TABLE_FLAGS.items():
            driver(f"--right-{option[2:]}", **{**about, "help": f"the {option} of the right table"})
        where = "the smaller table in the memory of tasks, or both in the shuffle (default: memory where it is enough)"
        driver("--strategy", choices=(MEMORY, SHUFFLE), help=where)
        driver("--held", choices=(LEFT, RIGHT, NEITHER), help=SUPPRESS)
        driver("--held-rows", file=True, help=SUPPRESS)
        driver("--right-files", file=True, help=SUPPRESS)
        flag("--arrange", help=SUPPRESS)

    def _usage(self) -> str:
        return f"{command.called('%(prog)s')} [options] LEFT RIGHT"

    @property
    def _reads_one(self) -> bool:
        """Whether this is the right table alone, or a round over one of the tables."""
        return bool(self._is_alone or self.options.find_types or self.options.arrange)

    _is_alone = False

    @cached_property
    def right(self) -> Join:
        """The right table: a job of its own that is never run, by whose flags it is read. --split is the left one's."""
        table = type(self)(args=[*command.files_named(self._cl_args), "--split=all"])
        table._is_alone, table.options.held = True, None
        for option in TABLE_FLAGS:
            name = option[2:]
            setattr(table.options, name, getattr(self.options, f"right_{name}"))
        return table

    @cached_property
    def joining(self) -> Joining:
        """What is joined with what, by the flags and both schemas."""
        options, left, right = self.options, self.schema, self.right.schema
        flags = [options.left_on, options.right_on]
        if bool(options.on) == any(flags) or (any(flags) and not all(flags)):
            raise UserError("name the columns to join on: --on a,b, or both --left-on a,b and --right-on c,d")
        named = ("--on, left table", "--on, right table") if options.on else ("--left-on", "--right-on")
        left_on = left.places(options.on or options.left_on, named[0])
        right_on = right.places(options.on or options.right_on, named[1])
        if len(left_on) != len(right_on) or len({*left_on}) < len(left_on) or len({*right_on}) < len(right_on):
            raise UserError(
                "as many columns of the right table as of the left one are joined on, each once. Received: "
                f"{', '.join(left.names[i] for i in left_on)} and {', '.join(right.names[i] for i in right_on)}"
            )
        return Joining(left, right, tuple(left_on), tuple(right_on), options.how, options.suffix)

    @property
    def output_schema(self) -> Schema | None:
        return None if self._reads_one else self.joining.output

    def keep_input(self) -> None:
        if self.options.held:
            return  # mrjob asks twice
        if not self._reads_one:
            named = self.options.args
            if len(named) != 2 or named == ["-", "-"]:
                raise UserError(
                    "two tables are joined, LEFT and RIGHT, each a file, a folder, or a glob in quotes; - is standard "
                    f"input, for one of them. Received: {' '.join(named)[:200] or 'none'}"
                )
            self.options.args, self.right.options.args = named[:1], named[1:]
            self.right.keep_input()
        super().keep_input()

    def settle(self) -> None:
        if self.options.held:
            return
        super().settle()
        if self._reads_one:
            return
        self.right.settle()
        for name in SETTLED:
            setattr(self.options, f"right_{name}", getattr(self.right.options, name))
        self.options.right_types = None
        self.__dict__.pop("joining", None)
        self.joining.output.to_json()  # it raises where that cannot be
        if (both := self.joining.renamed) and not self.options.quiet:
            said = f"both tables have {', '.join(both)}; of the right one the name ends in {self.options.suffix}"
            print(f"{self.KIND}: {said}", file=sys.stderr)
        self._choose()

    @property
    def _tables(self) -> dict[str, Join]:
        return {LEFT: self, RIGHT: self.right}

    def _choose(self) -> None:
        """Settles the strategy, and what the tasks read."""
        files = {side: self._files(table) for side, table in self._tables.items()}
        sizes = {side: sum(size for _, size in found) for side, found in files.items()}
        self._reduces = default_reduces(sum(sizes.values()))  # whatever the strategy
        how, asked = self.options.how, self.options.strategy
        side = LEFT if how == INNER and sizes[LEFT] < sizes[RIGHT] else RIGHT
        why = "rows of both tables that match nothing are found in the shuffle alone" if how == OUTER else ""
        if asked != SHUFFLE:
            why = why or self._hold(side, files, sizes)
        if asked == MEMORY and why:
            raise UserError(f"--strategy {MEMORY}: {why}; leave it out")
        if asked == SHUFFLE or why:
            self._read_both(files)

    def _files(self, table: Join) -> list[tuple[str, int]]:
        """The files of a table, and their sizes."""
        there = [path for path in table.options.args if is_remote(path)]
        here = expand([path for path in table.options.args if path not in there])
        found = [(path, os.path.getsize(absolute(path))) for path in here]
        if there:
            from mapreduce.cluster import remote

            listed = remote.find_files(tuple(self._hadoop()), tuple(there), self.options.output_dir)
            found += [(file.path, file.size) for file in listed]
        return found

    def _hold(self, side: str, files: dict[str, list[tuple[str, int]]], sizes: dict[str, int]) -> str:
        """Settles that a table is held in memory; returns why that cannot be, or ""."""
        options, table, other = self.options, self._tables[side], LEFT if side == RIGHT else RIGHT
        room, read = task_memory(), self._tables[other]
        if not self._reads_clusters:
            room = machine.memory_of_each(options.sort_memory, options.num_cores or machine.cores())
        too_large = f"the {side} table takes more than the {room} bytes that a task may take (--sort-memory)"
        if sizes[side] > room:
            return too_large
        on = self.joining.left_on if side == LEFT else self.joining.right_on
        arrange = json.dumps([on, self.joining.kinds, side == RIGHT and options.how == ANTI])
        path, numbers = os.path.join(atomic.scratch(), "held"), Counter[bytes]()
        with open(path, "wb") as file:
            for line in table.round("--arrange", arrange):
                key = joining.key_in(line, len(on))
                if not joining.is_missing(key):
                    file.write(line + b"\n")
                    numbers[key] += 1
                    room -= len(line) + ENTRY
                    if room < 0:
                        return too_large
        most = max(numbers.values(), default=0)
        fits = options.max_matches // most if most > 1 and options.how != ANTI else sys.maxsize
        if sizes[other] // read.least_row(len(on)) > fits and read.most_rows(files[other]) > fits:
            return f"{most} rows of the {side} table have one key, and --max-matches is seen to in the shuffle"
        options.held, options.held_rows, options.args = side, path, read.options.args
        self._beside, self._held_counters = files[side], table.counted[0]
        self.one_task_a_file = read.one_task_a_file
        return ""

    def least_row(self, keys: int) -> int:
        """The fewest bytes that a row of the table may take where so many columns have a value."""
        return len(self.schema.columns) + keys if super().input_format.delimited else len('{"":1}')

    def most_rows(self, files: list[tuple[str, int]]) -> int:
        """The most rows that files of the table can have, by their line ends; it may be more than can be said."""
        rows = len(files)
        for path, _ in files:
            if is_remote(path) or super().input_format.reads_whole(path):
                return sys.maxsize
            with open(absolute(path), "rb") as file:
                rows += sum(block.count(b"\n") for block in iter(partial(file.read, BLOCK), b""))
        return rows

    def _read_both(self, files: dict[str, list[tuple[str, int]]]) -> None:
        """Settles that tasks read both tables, and how they tell which one a file is of."""
        options, folder, mark = self.options, atomic.scratch(), f"right-{os.urandom(4).hex()}-"
        lefts = {_plain(name if is_remote(name) else absolute(shown(name))) for name, _ in files[LEFT]}
        names, links = [mark], []
        for number, (path, _) in enumerate(files[RIGHT]):
            if is_remote(path):
                if _plain(path) in lefts:
                    raise UserError(f"{path}: it is of both tables; give a copy of it as one of them")
                names.append(_plain(path))
                continue
            links.append(os.path.join(folder, f"{mark}{number:05d}-{os.path.basename(path)}"))
            os.symlink(absolute(path), links[-1])
            name = shown(path) if shown(path) == "-" else absolute(shown(path))
            name += " (right)" * (name in lefts)
            note_copy(links[-1], name)
            names.append(name)
            self._named[name] = shown(path)
        options.held, options.right_files = NEITHER, os.path.join(folder, "right-files")
        with open(options.right_files, "w", encoding="ascii") as file:
            json.dump(names, file)
        there = [path for path in self.right.options.args if is_remote(path)]
        options.args = [*options.args, *links, *there]
        self.one_task_a_file = self.one_task_a_file or self.right.one_task_a_file

    _reduces = 0
    _beside: list[tuple[str, int]] = []
    """The files, and their sizes, of a table that is held in memory."""
    _held_counters: Counters = {}

    @cached_property
    def _named(self) -> dict[str, str]:
        """What the user calls a file, by what it is called while the job runs."""
        return {}

    def jobconf(self) -> dict[str, Any]:
        ours = {"mapreduce.job.reduces": str(self._reduces)} if self._reduces else {}
        return {**super().jobconf(), **ours}

    def _with_held(self, counters: list[Counters]) -> list[Counters]:
        """The counters, with what was counted of a table that is held in memory."""
        first, held = counters[0], self._held_counters
        both = {group: Counter(first.get(group, {})) + Counter(held.get(group, {})) for group in {*first, *held}}
        return [{group: dict(names) for group, names in both.items()}, *counters[1:]]

    def check_counters(self, counters: list[Counters]) -> None:
        if self.options.arrange:
            return  # who holds the table checks both
        read = self.input_files or expand([path for path in self.options.args if not is_remote(path)])
        beside = [path for path, _ in self._beside]
        self.input_files = [*beside, *read] if self.options.held == LEFT else [*read, *beside]
        super().check_counters(self._with_held(counters))

    def describe(self, parts: str, inputs: Any, counters: list[Counters], seconds: float) -> Any:
        here = [path for path, _ in self._beside if not is_remote(path)]
        beside = manifest.describe_inputs(here, shown, sha256=self.options.sha256)
        beside += [{"path": path, "size": size} for path, size in self._beside if is_remote(path)]
        inputs = [{**one, "path": self._named.get(one["path"], one["path"])} for one in inputs]
        both = [*beside, *inputs] if self.options.held == LEFT else [*inputs, *beside]
        return super().describe(parts, both, self._with_held(counters), seconds)

    @property
    def input_format(self) -> Format:
        held, left = self.options.held, super().input_format
        if held in (None, RIGHT):
            return left
        right = self.right.input_format
        return right if held == LEFT else Sides(left, right, self._is_right)

    @property
    def rule(self) -> SplitRule:
        held = self.options.held
        reads_right = held == LEFT or (held == NEITHER and self._is_right(input_file()))
        return self.right.rule if reads_right else super().rule

    def _is_right(self, file: str) -> bool:
        """Whether a file, as the driver or a task calls it, is of the right table."""
        (mark, names), name = self._right_files, _plain(file)
        return os.path.basename(name).startswith(mark) or name in names

    @cached_property
    def _right_files(self) -> tuple[str, frozenset[str]]:
        """What stands before the names of links to files of the right table, and the names of files that are none."""
        with open(self.options.right_files, encoding="ascii") as file:
            mark, *names = json.load(file)
        return mark, frozenset(names)

    def table_steps(self) -> list[MRStep]:
        if self.options.arrange:
            return [MRStep(mapper=in_blocks(self.map_arranged))]
        if self.options.held == NEITHER:
            return [MRStep(mapper=in_blocks(self.map_marked), reducer=reduced_in_blocks(self.join_marked))]
        return [MRStep(mapper=in_blocks(self.map_matched), reducer=in_order.__get__(self))]

    def map_arranged(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The rows of a table that is to be held: lines key + rest."""
        arrange = Arranged(self.schema, *json.loads(self.options.arrange))
        for keys, rests in joining.arranged(self.read(blocks), lambda: arrange):
            yield _lines(map(add, keys, rests))

    def map_matched(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The joined rows, where one table is in memory."""
        join, holds_right = self.joining, self.options.held == RIGHT
        read, held = join.table(not holds_right), join.table(holds_right)
        table = joining.Table(self.options.held_rows, len(join.left_on), held.has_rest)
        for keys, rests in joining.arranged(self.read(blocks), lambda: read):
            yield joining.matched(join, table, holds_right, keys, rests)

    def map_marked(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The rows of both tables, each with a mark of its own."""
        tables = [self.joining.table(False), self.joining.table(True)]
        for keys, rests in joining.arranged(self.read(blocks), lambda: tables[self._is_right(input_file())]):
            yield _lines(joining.marked(self.joining, self._is_right(input_file()), keys, rests))

    def join_marked(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: the joined rows, in order of their bytes."""
        return joining.joined(self.joining, blocks, self.options.max_matches)


class Sides(Format):
    """The formats of both tables' files."""

    name = "sides"

    def __init__(self, left: Format, right: Format, is_right: Callable[[str], bool]) -> None:
        super().__init__(left.layout)
        self._left, self._right, self._is_right = left, right, is_right

    def at(self, path: str) -> Format:
        return self._right if self._is_right(path) else self._left


def _plain(file: str) -> str:
    """The name of a file without the file system that it is on."""
    return re.sub(r"^\w+://[^/]*", "", file)


def _lines(lines: Iterable[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines])


if __name__ == "__main__":
    Join.run()
