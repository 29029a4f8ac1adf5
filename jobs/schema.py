"""Describes a table: for every column its type and figures, in one pass.

A line has the name of a column and a JSON object: `type`, `count`, `missing`, `distinct`, `min`, `max`, for numbers
`sum`, `mean`, `deviation` and `quantiles`, for texts their lengths, and `top`, the most frequent values. All are exact
where a column has at most 16,384 distinct values, 1 MiB of them; beyond that `distinct_error` and `quantile_error` say
how far off those may be. The types are those of Spark's inferSchema; other table jobs take them by --schema.

Input:   city,price
         Oslo,3
         Rome,4
Output:  city	{"type": "text", "count": 2, "missing": 0, "distinct": 2, ...}
         price	{"type": "int", "count": 2, "missing": 0, "sum": 7, "mean": 3.5, ...}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Any

from mapreduce.flag_values import whole
from mapreduce.input.rows import escape, unescape
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.output import manifest
from mapreduce.output.manifest import Counters
from mapreduce.tablejob import TableJob
from mapreduce.tables import plots, shown, types
from mapreduce.tables import schema as schemas
from mapreduce.tables.columns import TOP, Column
from mapreduce.tables.counting import count_columns
from mapreduce.tables.schema import Schema

_GROUP = "types"  # of counters
_AT_ONCE = 40  # types that the name of a counter holds, a letter each
_LETTERS = dict(zip("bilmdatx", types.TYPES))
_SHOWN = ("type", "count", "missing", "distinct", "min", "0.5", "max", "mean", "deviation", "top")


class DescribeTable(TableJob):
    __doc__ = __doc__
    KIND = "schema"
    EXAMPLE = "python jobs/schema.py -r local --show items.csv"

    def configure_args(self) -> None:
        super().configure_args()
        most = whole(0, 16_384)
        self.add_passthru_arg("--top", type=most, default=TOP, help="how many values are named (default: 10)")
        self.arg_parser.add_argument("--plot", metavar="FILE", help="draw the columns on a page, FILE.svg or FILE.png")

    def load_args(self, args: list[str]) -> None:
        """The output is read here, where a page is drawn of it; it is printed where it would be without."""
        super().load_args(args)
        self._prints = self._should_cat_output()
        if self.options.plot:
            self.options.plot = os.path.abspath(self.options.plot)
            plots.check(self.options.plot)
            self.options.cat_output = True

    def needs_types(self, schema: Schema) -> set[str]:
        return set()

    def table_steps(self) -> list[MRStep]:
        return [
            MRStep(
                mapper=in_blocks(self.map_blocks),
                reducer=reduced_in_blocks(self.describe_columns),
                jobconf={"mapreduce.job.reduces": "1"},
            )
        ]

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for place, column in enumerate(count_columns(self.read(blocks), self.schema)):
            yield b"%06d\t%s\n" % (place, column.written())

    def describe_columns(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: of lines `place TAB state` makes lines `name TAB figures`; sends the types as counters."""
        schema, letters, found = self.schema, {kind: letter for letter, kind in _LETTERS.items()}, []
        lines = chain.from_iterable(block.split(b"\n")[:-1] for block in blocks)
        for place, same in groupby(lines, lambda line: line.partition(b"\t")[0]):
            name, kind = schema.columns[int(place)].name, schema.columns[int(place)].type
            column = Column(None if kind == types.NULL else kind, (null.encode() for null in schema.nulls))
            for line in same:
                column.merge(line.partition(b"\t")[2])
            figures = column.figures(self.options.top)
            found.append(letters[figures["type"]])
            yield b"%s\t%s\n" % (escape(name.encode("utf-8", "surrogateescape")), json.dumps(figures).encode())
        for begin in range(0, len(found), _AT_ONCE):
            self.increment_counter(_GROUP, f"{begin:06d} {''.join(found[begin : begin + _AT_ONCE])}")

    def describe(self, parts: str, inputs: Any, counters: list[Counters], seconds: float) -> Any:
        """The manifest, with the schema that was found."""
        sent, others = manifest.sent(counters, _GROUP)
        described = super().describe(parts, inputs, others, seconds)
        kinds = [_LETTERS[letter] for name in sorted(sent) for letter in name.partition(" ")[2]]
        schema = self.schema.with_types(dict(zip(self.schema.names, kinds)))
        return {**described, schemas.FIELD: schema.to_json()}

    def printed(self, blocks: Iterable[bytes]) -> Iterable[bytes]:
        if not self.options.show and not self.options.plot:
            return blocks
        blocks = list(blocks)
        lines = (line.partition(b"\t") for line in b"".join(blocks).split(b"\n")[:-1])
        found = [(unescape(name).decode("utf-8", "replace"), json.loads(figures)) for name, _, figures in lines]
        if self.options.plot:
            plots.draw(self.options.plot, found)
        if not self.options.show:
            return blocks if self._prints else []
        table = [[name, *(_cell(figures, what) for what in _SHOWN)] for name, figures in found]
        return shown.table(["column", *_SHOWN], table, [False, False, *[True] * (len(_SHOWN) - 2), False])


def _cell(figures: dict[str, Any], what: str) -> str:
    """A figure for people; a ~ before one that is an estimate."""
    value = figures.get("quantiles", {}).get(what) if what == "0.5" else figures.get(what)
    if what == "top":
        return ", ".join(f"{one} ({n})" for one, n in (value or [])[:3])
    if value is None:
        return ""
    about = "~" * bool(figures.get({"distinct": "distinct_error", "0.5": "quantile_error"}.get(what, "")))
    return about + (f"{value:.6g}" if isinstance(value, float) else str(value))


if __name__ == "__main__":
    DescribeTable.run()
