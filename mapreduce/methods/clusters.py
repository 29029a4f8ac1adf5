"""k-means: rows to their nearest centres, exact sums by centre, and how centres begin and end.

Distances are Euclidean, computed in doubles in the order of the columns; sums are exact, so the centres of a round do
not depend on the order of the rows. Beginnings are those of k-means|| (Bahmani, Moseley, Vattani, Kumar, 2012): in each
of some rounds rows are drawn by the square of their distance to what was drawn, by a hash of their own. The native
library assigns rows faster; this is the rule. It runs no rounds: jobs/kmeans.py does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mapreduce.input.records import record_hash
from mapreduce.native import library as native
from mapreduce.native import rows as native_rows
from mapreduce.native.rows import Table
from mapreduce.tables.counting import KINDS, Blocks, Taking
from mapreduce.tables.figures import ExactSum
from mapreduce.tables.groups import Grouping, Rows
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import DOUBLE, INT, LONG

Point = tuple[float, ...]


@dataclass(frozen=True)
class Space:
    """The columns that make the space.

    Attributes:
        schema: of the table.
        places: of the columns.
        scales: what their values are multiplied with.
    """

    schema: Schema
    places: tuple[int, ...]
    scales: tuple[float, ...]


class Points:
    """Reads the points of rows."""

    def __init__(self, space: Space) -> None:
        self._rows = Rows(Grouping(space.schema, space.places))
        self._space = space

    def of(self, fields: Sequence[bytes]) -> Point | None:
        """The point of a row, scaled; None where a value is missing or none of a point.

        Raises:
            Misfit: a value is none of its column's type.
        """
        values = self._rows.values(fields)
        assert values is not None  # no condition leaves it out
        found = []
        for place, scale in zip(self._space.places, self._space.scales):
            value = values[place]
            if value is None or (number := float(value)) - number != 0:
                return None
            found.append(number * scale)
        return tuple(found)


def nearest(point: Point, centres: Sequence[Point]) -> tuple[int, float]:
    """The number of the nearest centre, the first of equal ones, and the square of its distance."""
    best, found = 0.0, 0
    for number, centre in enumerate(centres):
        distance = 0.0
        for a, b in zip(point, centre):
            distance += (a - b) * (a - b)
        if not number or distance < best:
            best, found = distance, number
    return found, best


class Sums:
    """Of each centre the rows that are nearest to it: how many, the sums of their values, and of their distances.

    Attributes:
        counts: rows by centre.
        totals: exact sums: by centre those of the dimensions, then that of the squared distances.
        missing: rows that were left out.
    """

    def __init__(self, dimensions: int, centres: int) -> None:
        self.counts, self.missing = [0] * centres, 0
        self.totals = [[ExactSum() for _ in range(dimensions + 1)] for _ in range(centres)]

    def add(self, point: Point | None, centres: Sequence[Point]) -> None:
        """Adds a row, or one that is left out."""
        if point is None:
            self.missing += 1
            return
        number, distance = nearest(point, centres)
        self.counts[number] += 1
        for total, value in zip(self.totals[number], (*point, distance)):
            total.add(value)

    def lines(self) -> Iterator[bytes]:
        """The sums as lines: `centre TAB rows TAB sums`, and that of the rows left out."""
        for number, (count, totals) in enumerate(zip(self.counts, self.totals)):
            if count:
                yield b"%06d\t%d\t%s\n" % (number, count, b"\t".join([total.written() for total in totals]))
        yield b"missing\t%d\n" % self.missing

    def merge(self, lines: Iterable[bytes]) -> None:
        """Adds what others have as lines, without their ends."""
        for line in lines:
            key, count, *sums = line.split(b"\t")
            if key == b"missing":
                self.missing += int(count)
                continue
            self.counts[int(key)] += int(count)
            for total, written in zip(self.totals[int(key)], sums):
                total.merge(written)

    def centres(self, before: Sequence[Point]) -> list[Point]:
        """The means of the rows of each centre; one without rows stays."""
        found = []
        for count, totals, centre in zip(self.counts, self.totals, before):
            found.append(tuple(float(total.value(count)) for total in totals[:-1]) if count else centre)
        return found

    @property
    def inertia(self) -> float:
        """The sum of the squared distances of rows to their centres."""
        total = ExactSum()
        for totals in self.totals:
            total.merge(totals[-1].written())
        return float(total.value())


def sum_up(blocks: Blocks, space: Space, centres: Sequence[Point]) -> Iterator[bytes]:
    """The lines of the sums of blocks of rows, each with its reader."""
    sums, points = Sums(len(space.places), len(centres)), Points(space)
    taking = Taking(space.schema, partial(_native, space, centres))
    for _ in taking.feed(blocks, lambda fields: sums.add(points.of(fields), centres)):
        pass  # its sums are never full
    if taking.engine is not None:
        counts, written = taking.engine.sums()
        sums.missing += counts.pop()
        sums.counts = [a + b for a, b in zip(sums.counts, counts)]
        for totals in sums.totals:
            for total in totals:
                total.merge(written.pop(0))
    yield from sums.lines()


def _native(space: Space, centres: Sequence[Point], table: Table) -> native_rows.Clusters | None:
    kinds = [space.schema.columns[place].type for place in space.places]
    if not set(kinds) <= {DOUBLE, INT, LONG}:
        return None
    used = [(place, KINDS[kind]) for place, kind in zip(space.places, kinds)]
    return native_rows.Clusters(native.load(), table, used, space.scales, centres)


def drawn(rows: Iterable[tuple[bytes, Point]], centres: Sequence[Point], share: float, salt: bytes) -> Iterator[Point]:
    """The points of rows, each with its line, that are drawn: with a chance of `share` times the square of the distance
    to the centres, by the hash of the line, so that the same rows are drawn however they are split."""
    for line, point in rows:
        chance = share * nearest(point, centres)[1] if centres else share
        if int(record_hash(line, salt), 16) < chance * 2.0**64:
            yield point


def chosen(candidates: Sequence[tuple[Point, int]], k: int, seed: int) -> list[Point]:
    """k of the candidates, each with the number of rows that are nearest to it, as k-means++ draws them (Arthur and
    Vassilvitskii, 2007).

    Raises:
        ValueError: there are fewer distinct ones.
    """
    draw, found = random.Random(seed), list[Point]()
    weighted = sorted(candidates)
    if len({point for point, _ in weighted}) < k:
        raise ValueError(len({point for point, _ in weighted}))
    while len(found) < k:
        shares = [n * (nearest(point, found)[1] if found else 1.0) for point, n in weighted]
        if not any(shares):  # what is left has no rows
            shares = [float(point not in found) for point, _ in weighted]
        found.append(draw.choices(weighted, shares)[0][0])
    return found


def written(points: Sequence[Point]) -> bytes:
    """Points as JSON, a list of lists, on one line."""
    return json.dumps([list(point) for point in points]).encode()


def read(data: bytes) -> list[Point]:
    """What `written` has written."""
    return [tuple(map(float, point)) for point in json.loads(data)]


def written_point(point: Point) -> bytes:
    """A point as JSON, a list."""
    return json.dumps(list(point)).encode()


def read_point(data: str | bytes) -> Point:
    """What `written_point` has written."""
    return tuple(map(float, json.loads(data)))
