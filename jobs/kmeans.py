"""Finds k clusters of the rows of a table: k-means, by Lloyd's rounds from the centres of k-means|| or given ones.

A line has a cluster's number, its rows, the sum of their squared distances to its centre, and the centre's columns;
with --assign there is a line for every row, with the number of its cluster behind it. A round is a run over all rows;
the rounds end where no centre moves, or where the sum of squared distances falls by less than --tolerance of itself.
Rows that lack a value are left out and counted.

Input:   width,height
         1,1
         1,2
         9,9
Output:  0	2	0.5	1.0	1.5        (--on width,height --clusters 2)
         1	1	0.0	9.0	9.0
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from heapq import nlargest
from typing import Any

from mapreduce.errors import UserError
from mapreduce.flag_values import number, whole
from mapreduce.input import rows
from mapreduce.input.records import record_hash
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.methods import clusters
from mapreduce.methods.clusters import Point, Points, Space, Sums, read_point, written_point
from mapreduce.methods.moments import Moments, sum_up
from mapreduce.output.manifest import Counters
from mapreduce.shuffle.memory import sorted_lines
from mapreduce.shuffle.sums import in_order
from mapreduce.tablejob import TableJob
from mapreduce.tables.expressions import Expression
from mapreduce.tables.misfits import used
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import DOUBLE, INT, LONG, NUMBERS, write

PASSES = ("moments", "draw", "farthest", "sums")
_DRAWS, _TIMES = 5, 2  # rounds of k-means||, and how many rows of k each is to draw about


class KMeans(TableJob):
    __doc__ = __doc__
    KIND = "kmeans"
    EXAMPLE = "python jobs/kmeans.py -r local --on width,height --clusters 3 --standardise --show flowers.csv"
    SETTLED = (*TableJob.SETTLED, "centres", "scales")
    UNUSUAL = (*TableJob.UNUSUAL, "centres", "scales", "only", "share")

    def configure_args(self) -> None:
        super().configure_args()
        add, driver = self.add_passthru_arg, self.add_driver_arg
        add("--on", default="", metavar="A,B", help="the columns that make the space, numbers all")
        add("--clusters", type=whole(1, 10_000), default=8, help="how many (default: 8)")
        add("--standardise", action="store_true", help="divide columns by their standard deviation first")
        add("--assign", action="store_true", help="write every row, with the number of its cluster")
        add("--rounds", type=whole(0, 10_000), default=100, help="at most so many (default: 100)")
        add("--tolerance", type=number(-1, 1), default=0.0, help="end where a round gains less than this share")
        add("--seed", type=whole(0), default=0, help="of the draws of k-means|| (default: 0)")
        driver("--centres", file=True, help="begin with these, a JSON list of lists, and not by k-means||")
        driver("--scales", help="what columns are multiplied with, a JSON list (default: as --standardise says)")
        add("--pass", dest="only", choices=PASSES, help="only this part of a round")
        add("--share", type=float, default=0.0, help="of a draw: the chance of a row by its squared distance")

    def needs_types(self, schema: Schema) -> set[str]:
        return {schema.columns[place].name for place in schema.places(self.options.on, "--on")}

    @cached_property
    def space(self) -> Space:
        """The columns of the space."""
        places = self.schema.places(self.options.on, "--on")
        if not places:
            raise UserError("name the columns that make the space with --on width,height")
        for place in places:
            column = self.schema.columns[place]
            if column.type not in NUMBERS:
                raise UserError(f"--on {column.name}: it is {column.type}, and a distance wants numbers")
        scales = read_point(self.options.scales) if self.options.scales else (1.0,) * len(places)
        return Space(self.schema, places, scales)

    @cached_property
    def centres(self) -> list[Point]:
        """The centres that a task has, scaled."""
        if self.options.centres is None:
            return []
        with open(self.options.centres, "rb") as file:
            return clusters.read(file.read())

    def settle(self) -> None:
        super().settle()
        self.__dict__.pop("space", None)
        options = self.options
        if options.find_types or options.only:
            return
        if self._is_done:
            return
        self._is_done = True
        if options.standardise and not options.scales:
            options.scales = written_point(self._deviations()).decode()
            self.__dict__.pop("space", None)
        given = self.centres if options.centres else None
        if given is not None and any(len(point) != len(self.space.places) for point in given):
            raise UserError(f"--centres: a centre has {len(self.space.places)} numbers, one for each column of --on")
        found = [self._scaled(point) for point in given] if given is not None else self._seeded()
        self._run(found)

    _is_done = False
    results: dict[str, Any] = {}

    def _pass(self, name: str, centres: list[Point], *more: str) -> Iterator[bytes]:
        return self.round("--pass", name, "--centres", self.kept([clusters.written(centres)]), *more)

    def _deviations(self) -> Point:
        moments = Moments(self._columns, self.schema)
        moments.merge(self.round("--pass", "moments"))
        found = []
        for i in range(1, len(self.space.places) + 1):
            squares, total = (moments.sum_of(*at).exact() for at in ((i, i), (0, i)))
            if squares is None or total is None or moments.count < 2:
                raise UserError(f"{moments.count} rows have a value in every column of --on; at least 2 are wanted")
            variance = float((squares - total * total / moments.count) / (moments.count - 1))
            found.append(1 / math.sqrt(variance) if variance > 0 else 1.0)
        return tuple(found)

    @property
    def _columns(self) -> list[Expression]:
        return [Expression(f"`{name}`", self.schema) for name in self._names_of]

    @property
    def _names_of(self) -> list[str]:
        return [self.schema.columns[place].name for place in self.space.places]

    def _scaled(self, point: Point) -> Point:
        return tuple(value * scale for value, scale in zip(point, self.space.scales))

    def _seeded(self) -> list[Point]:
        """The centres of k-means||."""
        k, seed, found = self.options.clusters, self.options.seed, list[Point]()
        rows_there = Sums(len(self.space.places), 1)
        zero = [(0.0,) * len(self.space.places)]
        rows_there.merge(self._pass("sums", zero))
        count = rows_there.counts[0]
        if count == 0:
            raise UserError(
                f"no row has a value in every column of --on ({rows_there.missing} lack one); see jobs/clean.py"
            )
        for turn in range(_DRAWS + 1):
            if turn == 0:
                share = min(1.0, 10 * max(1, k // 10) / count)
            else:
                cost = self._sums(found).inertia
                if cost == 0:
                    break
                share = _TIMES * k / cost
            points = {read_point(line.partition(b"\t")[0]) for line in self._draw(found, share, turn)}
            found = sorted({*found, *points})
            if not found:  # of few rows none may be drawn
                found = [self._sums(zero).centres(zero)[0]]
        sums = self._sums(found)
        try:
            return clusters.chosen(list(zip(found, sums.counts)), k, seed)
        except ValueError as fewer:
            raise UserError(
                f"--clusters {k}: only {fewer} different points were found in {count} rows; give fewer clusters"
            ) from None

    def _draw(self, found: list[Point], share: float, turn: int) -> Iterator[bytes]:
        return self._pass("draw", found, "--share", repr(share), "--seed", str(self.options.seed * 1000 + turn))

    def _sums(self, centres: list[Point]) -> Sums:
        sums = Sums(len(self.space.places), len(centres))
        sums.merge(self._pass("sums", centres))
        return sums

    def _run(self, centres: list[Point]) -> None:
        """Lloyd's rounds."""
        inertia, turn = math.inf, 0
        while True:
            sums = self._sums(centres)
            after = sums.centres(centres)
            empty = [place for place, count in enumerate(sums.counts) if not count]
            if empty:  # it becomes the row that is farthest from its centre
                far = self._pass("farthest", after, "--clusters", str(len(empty)))
                for place, line in zip(empty, far):
                    after[place] = read_point(line.partition(b"\t")[2])
            if not self.options.quiet:
                print(f"{self.KIND}: round {turn}, sum of squared distances {sums.inertia:.6g}", file=sys.stderr)
            gains = inertia - sums.inertia > self.options.tolerance * inertia if inertia < math.inf else True
            if after == centres or turn == self.options.rounds or not (gains or empty):
                break
            centres, inertia, turn = after, sums.inertia, turn + 1
        self.results = {
            "rounds": turn,
            "sum_of_squared_distances": sums.inertia,
            "rows": sum(sums.counts),
            "left_out": sums.missing,
        }
        self.options.centres = self.kept([clusters.written(centres)])
        self.__dict__.pop("centres", None)

    def table_steps(self) -> list[MRStep]:
        one = {"mapreduce.job.reduces": "1"}
        kind = self.options.only
        if kind == "moments":
            return [
                MRStep(mapper=in_blocks(self.map_moments), reducer=reduced_in_blocks(self.add_moments), jobconf=one)
            ]
        if kind == "draw":
            return [MRStep(mapper=in_blocks(self.map_draw), reducer=in_order.__get__(self), jobconf=one)]
        if kind == "farthest":
            return [MRStep(mapper=in_blocks(self.map_far), reducer=reduced_in_blocks(self.take_far), jobconf=one)]
        if self.options.assign and not kind:
            return [MRStep(mapper=in_blocks(self.map_rows), reducer=self.reveal)]
        reduce = reduced_in_blocks(self.add_sums if kind else self.describe_clusters)
        return [MRStep(mapper=in_blocks(self.map_sums), reducer=reduce, jobconf=one)]

    def map_moments(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return sum_up(self.read(blocks), self._columns, self.schema)

    def add_moments(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        moments = Moments(self._columns, self.schema)
        for block in blocks:
            moments.merge(block.splitlines())
        yield from moments.lines()

    def map_sums(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return clusters.sum_up(self.read(blocks), self.space, self.centres)

    def _summed(self, blocks: Iterable[bytes]) -> Sums:
        sums = Sums(len(self.space.places), len(self.centres))
        for block in blocks:
            sums.merge(block.splitlines())
        return sums

    def add_sums(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        yield from self._summed(blocks).lines()

    def describe_clusters(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The last reducer: a line for each cluster."""
        sums = self._summed(blocks)
        for place, (count, totals, centre) in enumerate(zip(sums.counts, sums.totals, self.centres)):
            values = [write(value / scale) for value, scale in zip(centre, self.space.scales)]
            yield rows.join([b"%d" % place, b"%d" % count, write(float(totals[-1].value())), *values]) + b"\n"

    def _points(self, blocks: Iterable[bytes]) -> Iterator[tuple[bytes, Point]]:
        """The rows that have a point, as lines, and their points."""
        points = Points(self.space)
        for reader, block in self.read(blocks):
            entries = reader.entries(block)
            for row, point in used(reader, entries, lambda row: (row, points.of(rows.split(row)))):
                if point is not None:
                    yield row, point

    def map_draw(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        options = self.options
        salt = b"%d" % options.seed
        for point in clusters.drawn(self._points(blocks), self.centres, options.share, salt):
            yield written_point(point) + b"\t\n"

    def _far(self, found: Iterable[tuple[float, bytes]]) -> Iterator[bytes]:
        for distance, point in nlargest(self.options.clusters, found):
            yield b"%s\t%s\n" % (write(distance), point)

    def map_far(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        pairs = (point for _, point in self._points(blocks))
        return self._far({(clusters.nearest(point, self.centres)[1], written_point(point)) for point in pairs})

    def take_far(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        lines = (line.split(b"\t") for block in blocks for line in block.splitlines())
        return self._far({(float(distance), point) for distance, point in lines})

    def map_rows(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Of every row its hash, itself and its cluster."""
        nearest = partial(clusters.nearest, centres=self.centres)
        for line, point in self._points(blocks):
            yield b"%s\t%s\t%d\n" % (record_hash(line).encode(), line, nearest(point)[0])

    def reveal(self, _: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for value in sorted_lines(values):
            first, _tab, rest = value.partition(b"\t")
            yield first, rest

    def describe(self, parts: str, inputs: Any, counters: list[Counters], seconds: float) -> Any:
        """The manifest, with what the rounds have come to."""
        return {**super().describe(parts, inputs, counters, seconds), "results": self.results}

    @property
    def output_schema(self) -> Schema | None:
        if self.options.find_types or self.options.only:
            return None
        if self.options.assign:
            return Schema((*self.schema.columns, Column("cluster", INT)))
        centre = (Column(name, DOUBLE) for name in self._names_of)
        head = (Column("cluster", INT), Column("rows", LONG), Column("squared_distances", DOUBLE))
        return Schema((*head, *centre))


if __name__ == "__main__":
    KMeans.run()
