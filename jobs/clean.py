"""Cleans a table: rows without what they need, cells without a value, texts, types, outliers, columns, equal rows.

What is asked for is done in this order, whatever the order of the flags: --trim, --nulls, --cast, --where, --clip,
--fill, --compute, --dropna, --select or --drop, --rename, --distinct-rows. Means, medians, most frequent values and
quantiles are exact, and of the rows behind --where, before anything is clipped or filled; a run before finds them, and
they stand in `_figures` beside the output (--figures takes them from there for other rows). What was changed is counted
by cause. Other values stay as they are written. Rows come out in the order of their hashes, so that equal ones are next
to each other; the manifest has their names and types, and other table jobs read both.

Input:   city,price
         Oslo , 3
         Rome,NA
         Oslo,5
Output:  Oslo	5        (--trim --nulls NA --cast price:int --fill price=median)
         Oslo	3
         Rome	3
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, groupby, islice, repeat
from operator import itemgetter
from typing import Any, TypeVar

from mapreduce.errors import UserError
from mapreduce.input.records import record_hash
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.output import manifest as manifests
from mapreduce.output.manifest import Counters
from mapreduce.tablejob import TableJob
from mapreduce.tables import cleaner, spreads
from mapreduce.tables.cleaner import Cleaner
from mapreduce.tables.cleaning import Cleaning, planned
from mapreduce.tables.misfits import used
from mapreduce.tables.schema import Schema, parse_types
from mapreduce.tables.spreads import Figures, Spreads

Row = TypeVar("Row")
_GROUP = "clean"  # of counters
_FIGURES = "_figures"
_HASH = 16  # digits
_ROWS = 1000  # of a block that is written


class Clean(TableJob):
    __doc__ = __doc__
    KIND = "clean"
    EXAMPLE = "python jobs/clean.py -r local --trim --fill 'price=median by category' --dropna --csv items.csv"
    SETTLED = (*TableJob.SETTLED, "figures")
    UNUSUAL = (*TableJob.UNUSUAL, "figures", "find_figures")

    def configure_args(self) -> None:
        super().configure_args()
        add, driver = self.add_passthru_arg, self.add_driver_arg  # mrjob passes no flag whose value may be left out
        driver("--trim", nargs="?", const="all", metavar="A,B", help="take white space off fields (default: all)")
        add("--cast", default="", metavar="A:TYPE", help="types of columns, as age:int; what does not fit is missing")
        add("--where", metavar="EXPRESSION", help="take rows where this is true, as 'price > 3 and city = \"Oslo\"'")
        add(
            "--clip",
            default="",
            metavar="A:LEAST:LARGEST",
            help="bring numbers between two, as price:0:100, or between quantiles, as price:1%%:99%%",
        )
        add(
            "--fill",
            default="",
            metavar="A=VALUE",
            help="missing values: n=0,code=\"?\",age=mean,city=most_frequent,height='median by city and year'",
        )
        add("--compute", action="append", default=[], metavar="A=EXPRESSION", help="a column, as 'total = price * n'")
        driver(
            "--dropna",
            nargs="?",
            const="any",
            metavar="any|all|A,B",
            help="leave out rows with a missing value: in any column that is written, in all, or in one of these",
        )
        add("--select", default="", metavar="A,B", help="write these columns alone, in this order")
        add("--drop", default="", metavar="A,B", help="write all columns but these")
        add("--rename", default="", metavar="OLD:NEW", help="names of columns, as old:new,old:new")
        add("--distinct-rows", action="store_true", help="write one of several equal rows")
        driver("--figures", file=True, help="take figures from this output of clean, as of training rows")
        add("--find-figures", action="store_true", default=None, help="only find and print the figures")

    def load_args(self, args: list[str]) -> None:
        """An output stands for the file of figures in it, which can be sent to the nodes."""
        super().load_args(args)
        place = self.options.figures
        if place and os.path.isdir(place):
            manifests.read(place, self.KIND)
            self.options.figures = place = os.path.join(place, _FIGURES)
        if place and not os.path.isfile(place):
            raise UserError(f"--figures: no file {place}; give an output of clean that fills or clips by figures")

    def needs_types(self, schema: Schema) -> set[str]:
        casts = parse_types(self.options.cast, "--cast")
        return set(schema.names) - {schema.of(name, "--cast").name for name in casts}

    @cached_property
    def cleaning(self) -> Cleaning:
        """What is done to the rows, by the flags and the schema."""
        return planned(self.options, self.schema)

    @property
    def output_schema(self) -> Schema | None:
        options = self.options
        return None if options.find_types or options.find_figures else self.cleaning.output

    def settle(self) -> None:
        """Settles the schema, and finds the figures that are needed of all rows."""
        super().settle()
        options = self.options
        if options.find_types:
            return
        self.__dict__.pop("cleaning", None)
        if options.find_figures:
            return
        if not self.cleaning.spreads:
            if options.figures is not None:
                raise UserError("--figures: no figure is asked for; see --fill and --clip")
            return
        if options.figures is None:
            options.figures = self.kept(spreads.described(self.cleaning.spreads, self.round("--find-figures")))
        Cleaner(self.cleaning, Figures(options.figures))  # it refuses what is not there

    def table_steps(self) -> list[MRStep]:
        if self.options.find_figures:
            return [
                MRStep(mapper=in_blocks(self.map_values), combiner=self.merge_values, reducer=self.merge_values),
                MRStep(mapper=in_blocks(self.map_spreads), reducer=self.find_figures),
            ]
        return [MRStep(mapper=in_blocks(self.map_blocks), reducer=reduced_in_blocks(self.write_rows))]

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Rows to lines `hash TAB row`."""
        cleaning = Cleaner(self.cleaning, Figures(self.options.figures))
        for lines in self._cleaned(blocks, cleaning.line):
            yield b"".join([b"%s\t%s\n" % (record_hash(line).encode(), line) for line in lines])
        for label, amount in cleaning.changes.items():
            self.increment_counter(_GROUP, label, amount)

    def _cleaned(self, blocks: Iterable[bytes], clean: Callable[[bytes], Row | None]) -> Iterator[list[Row]]:
        """The rows of each block, but for those that are left out or rejected."""
        for reader, block in self.read(blocks):
            yield [row for row in used(reader, reader.entries(block), clean) if row is not None]

    def write_rows(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: lines `hash TAB row` to rows; those of one hash in their order, where they are not equal."""
        lines = chain.from_iterable(block.split(b"\n")[:-1] for block in blocks)
        once, dropped = self.options.distinct_rows, 0

        def ordered() -> Iterator[bytes]:
            nonlocal dropped
            for _, same in groupby(lines, itemgetter(slice(_HASH))):
                counts: dict[bytes, int] = {}
                for line in same:
                    counts[line] = counts.get(line, 0) + 1
                for line in sorted(counts):
                    times = 1 if once else counts[line]
                    dropped += counts[line] - times
                    yield from repeat(line[_HASH + 1 :], times)

        found = ordered()
        while some := list(islice(found, _ROWS)):
            yield b"\n".join(some) + b"\n"
        if dropped:
            self.increment_counter(_GROUP, cleaner.EQUAL, dropped)

    def map_values(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Rows to the values of which figures are wanted."""
        cleaning, values = Cleaner(self.cleaning, None), Spreads(self.cleaning.spreads)
        for rows in self._cleaned(blocks, cleaning.chosen):
            for fields in rows:
                values.add(fields)
            if values.is_full:
                yield values.drain()
        yield values.drain()

    def merge_values(self, key: bytes, states: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        yield key, spreads.merged(key, states)

    def map_spreads(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield b"".join([spreads.by_spread(line) + b"\n" for line in block.split(b"\n")[:-1]])

    def find_figures(self, key: bytes, states: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        yield key, b"\t".join(spreads.of_key(self.cleaning.spreads, key).found(states))

    def check_counters(self, counters: list[Counters]) -> None:
        """Says what was changed."""
        super().check_counters(counters)
        if self.output_schema is None or self.options.quiet:
            return
        for step in counters:
            for label, amount in sorted(step.get(_GROUP, {}).items()):
                print(f"{self.KIND}: {cleaner.explained(label, amount, self.cleaning)[1]}", file=sys.stderr)

    def describe(self, parts: str, inputs: Any, counters: list[Counters], seconds: float) -> Any:
        """The manifest, with the changes by the names of the columns, and the figures that are not of groups."""
        for step in counters:
            changes = step.get(_GROUP, {})
            named = {cleaner.explained(label, n, self.cleaning)[0]: n for label, n in changes.items()}
            step.update({_GROUP: named} if named else {})
        return super().describe(parts, inputs, counters, seconds)

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The figures of all rows; those of groups are in `_figures`."""
        figures = Figures(self.options.figures)
        found = {
            spread.column.name: {figure: figures.of(spread, figure)[b""].decode() for figure in spread.figures}
            for spread in self.cleaning.spreads
            if not spread.by
        }
        return {**super().manifest_fields(parts), **({"results": {"figures": found}} if found else {})}

    def side_files(self) -> dict[str, bytes]:
        """`_figures`, where there are some."""
        found = super().side_files()
        if self.options.figures is not None:
            with open(self.options.figures, "rb") as file:
                found[_FIGURES] = file.read()
        return found


if __name__ == "__main__":
    Clean.run()
