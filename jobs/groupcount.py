"""Counts rows by group: how many have which values in some columns, and sums and other figures of further columns.

Rows whose columns hold equal values, as their types have it (1.0 and 1 are one double), are a group; a missing value is
one, too. Figures are exact, so they depend on no order. A line has the group's values, the number of rows, and the
figures in the order sum, mean, min, max, distinct.

Input:   city,price
         Oslo,3
         Rome,4
         Oslo,5
Output:  Oslo	2	8        (--by city --sum price)
         Rome	1	4
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from heapq import nsmallest
from itertools import chain, islice
from typing import Any

from mapreduce.errors import UserError
from mapreduce.flag_values import whole
from mapreduce.input import rows
from mapreduce.job import MRStep, in_blocks
from mapreduce.shuffle.memory import sorted_lines
from mapreduce.tablejob import TableJob
from mapreduce.tables import groups
from mapreduce.tables.counting import count_groups
from mapreduce.tables.expressions import Expression, mentioned, order
from mapreduce.tables.groups import FIGURES, Figure, Grouping
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import NUMBERS, reader


class GroupCount(TableJob):
    __doc__ = __doc__
    KIND = "groupcount"
    EXAMPLE = "python jobs/groupcount.py -r local --by category --dropna --sum price items.csv"

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        add("--by", default="", metavar="A,B", help="columns whose values make a group (default: all rows are one)")
        for name in FIGURES:
            what = "how many distinct values" if name == groups.COUNT else f"the {name}"
            add(f"--{name}", default="", metavar="A,B", help=f"{what} of these columns in each group")
        add("--where", metavar="EXPRESSION", help="take rows where this is true, as 'price > 3 and city = \"Oslo\"'")
        add(
            "--dropna",
            nargs="?",
            const="any",
            metavar="any|all|A,B",
            help="leave out rows with a missing value: in any column, in all, or in one of these (default: any)",
        )
        add("--top", type=whole(1), help="only so many groups, the first ones by --sort")
        add("--sort", default="", metavar="COLUMN", help="by count or another column, largest first; then by group")

    def load_args(self, args: list[str]) -> None:
        super().load_args(args)
        if self.options.top and not self.options.sort:
            self.options.sort = "count"

    def needs_types(self, schema: Schema) -> set[str]:
        options = self.options
        lists = [options.by, *(getattr(options, name) for name in FIGURES)]
        named = {schema.columns[place].name for text in lists for place in schema.places(text, "--by")}
        condition = {name for name in mentioned(options.where or "") if name in schema.names}
        return named | condition | set(self._required(schema))  # NaN is a missing double

    def _required(self, schema: Schema) -> list[str]:
        asked = self.options.dropna
        if asked is None:
            return []
        if asked in ("any", "all"):
            return list(schema.names)
        return [schema.columns[place].name for place in schema.places(asked, "--dropna")]

    @cached_property
    def grouping(self) -> Grouping:
        """What is counted by what, by the flags and the schema."""
        options, schema = self.options, self.schema
        figures = []
        for kind in FIGURES:
            for place in schema.places(getattr(options, kind), f"--{kind}"):
                column = schema.columns[place]
                if kind in (groups.SUM, groups.MEAN) and column.type not in NUMBERS:
                    raise UserError(f"--{kind} {column.name}: it is a {column.type}, and numbers have a {kind}")
                figures.append(Figure(kind, place, column))
        return Grouping(
            schema,
            tuple(schema.places(options.by, "--by")),
            tuple(figures),
            Expression(options.where, schema).condition() if options.where else None,
            tuple(schema.place(name) for name in self._required(schema)),
            options.dropna == "all",
        )

    def settle(self) -> None:
        super().settle()
        if self.options.find_types:
            return
        self.__dict__.pop("grouping", None)
        names = self.grouping.output.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UserError(f"two columns of the output are called {twice!r}; each figure of a column is named once")
        if self.options.sort:
            self.grouping.output.place(self.options.sort, "--sort")

    @property
    def output_schema(self) -> Schema | None:
        return None if self.options.find_types else self.grouping.output

    def table_steps(self) -> list[MRStep]:
        merge = MRStep(mapper=in_blocks(self.map_blocks), combiner=self.merge, reducer=self.finish)
        later = []
        if self.options.distinct:  # a group's distinct values are many keys first, and are added up then
            merge = MRStep(mapper=in_blocks(self.map_blocks), combiner=self.merge, reducer=self.count_distinct)
            later.append(MRStep(mapper=in_blocks(iter), combiner=self.merge, reducer=self.finish))
        if self.options.sort:
            later.append(MRStep(mapper=in_blocks(self.rank), reducer=self.take, jobconf={"mapreduce.job.reduces": "1"}))
        return [merge, *later]

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return count_groups(self.read(blocks), self.grouping)

    def merge(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        if groups.DISTINCT in key:
            for _ in values:
                pass
            yield key, b""
        else:
            yield key, groups.merged(self.grouping, key, values)[1].written()

    def count_distinct(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        group, state = groups.merged(self.grouping, key, values)
        yield group, state.written()

    def finish(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        state = groups.merged(self.grouping, key, values)[1]
        if self.options.sort:
            yield key, state.row()
        elif self.grouping.by:
            yield groups.key_row(key), state.row()
        else:
            first, _, rest = state.row().partition(b"\t")
            yield first, rest

    def rank(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Last mapper: lines `TAB group TAB figures`; of more than --top can take only the best go on."""
        lines: Iterable[bytes] = chain.from_iterable(block.split(b"\n")[:-1] for block in blocks)
        if top := self.options.top:
            lines = nsmallest(top, lines, key=self._order)
        for line in lines:
            key, _, row = line.partition(b"\t")
            yield b"\t%s\t%s\n" % (key, row)

    def take(self, _: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for line in islice(sorted_lines(values, key=self._order), self.options.top):
            key, _, row = line.partition(b"\t")
            first, _, rest = (groups.key_row(key) + b"\t" + row if self.grouping.by else row).partition(b"\t")
            yield first, rest

    @cached_property
    def _order(self) -> Callable[[bytes], Any]:
        """What lines are sorted by: numbers from the largest down, others up, missing values last; then the group."""
        output, by = self.grouping.output, len(self.grouping.by)
        place = output.place(self.options.sort)
        kind = output.columns[place].type
        read = reader(kind)

        def ordered(line: bytes) -> Any:
            key, _, row = line.partition(b"\t")
            fields = rows.split(groups.key_row(key) if place < by else row)
            field = fields[place if place < by else place - by]
            if not field:
                return 1, (), key
            value = order(read(field))
            return 0, tuple(-part for part in value) if kind in NUMBERS else value, key

        return ordered


if __name__ == "__main__":
    GroupCount.run()
