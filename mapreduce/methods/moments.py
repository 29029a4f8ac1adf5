"""Sums of products of a table's numbers, without an error: what regression and its kin need of all rows.

Term 0 is 1; the sum of the products of terms i and j over all rows is the entry i, j of X'X. Rows that lack a value of
a term are left out and counted. The native library makes the sums faster where terms are columns and products of
columns; this is the rule. Nothing here solves anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from mapreduce.native import library as native
from mapreduce.native import rows as native_rows
from mapreduce.native.rows import Table
from mapreduce.tables.counting import KINDS, Blocks, Taking
from mapreduce.tables.expressions import Expression, Node
from mapreduce.tables.figures import ExactSum
from mapreduce.tables.groups import Grouping, Rows
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import DOUBLE, INT, LONG

MOST_FACTORS = 8
COUNTS = b"rows"
"""The key of how many rows were summed, and how many were left out."""


class Moments:
    """The sums of products of terms, in any order of rows.

    Args:
        terms: expressions, numbers all.
        schema: of the table.
    """

    def __init__(self, terms: Sequence[Expression], schema: Schema) -> None:
        self.terms, self.schema = list(terms), schema
        self.count = self.missing = 0
        size = len(self.terms) + 1
        self.sums = [ExactSum() for _ in range(size * (size + 1) // 2)]
        self._functions = [term.function() for term in self.terms]
        self._rows = Rows(Grouping(schema, self.used))

    @property
    def used(self) -> tuple[int, ...]:
        """The places of the columns that the terms need."""
        return tuple(sorted({place for term in self.terms for place in term.columns}))

    def sum_of(self, i: int, j: int) -> ExactSum:
        """The sum of the products of terms i and j, j not below i."""
        return self.sums[i * (len(self.terms) + 1) - i * (i - 1) // 2 + j - i]

    def add(self, fields: Sequence[bytes]) -> None:
        """Adds a row.

        Raises:
            Misfit: a value is none of its column's type.
        """
        values = self._rows.values(fields)
        assert values is not None  # no condition leaves it out
        found = [1.0]
        for compute in self._functions:
            value = compute(values)
            if value is None or not math.isfinite(number := float(value)):
                self.missing += 1
                return
            found.append(number)
        self.count += 1
        sums = iter(self.sums)
        for i, one in enumerate(found):
            for other in found[i:]:
                next(sums).add_product(one, other)

    def lines(self) -> Iterator[bytes]:
        """The sums as lines: `i j TAB sum`, and `rows TAB summed TAB left out`."""
        sums, size = iter(self.sums), len(self.terms) + 1
        yield b"%s\t%d\t%d\n" % (COUNTS, self.count, self.missing)
        for i in range(size):
            for j in range(i, size):
                yield b"%05d %05d\t%s\n" % (i, j, next(sums).written())

    def merge(self, lines: Iterable[bytes]) -> None:
        """Adds what others have as lines."""
        for line in lines:
            key, _, value = line.rstrip(b"\n").partition(b"\t")
            if key == COUNTS:
                count, _, missing = value.partition(b"\t")
                self.count += int(count)
                self.missing += int(missing)
            else:
                i, j = map(int, key.split())
                self.sum_of(i, j).merge(value)


def sum_up(blocks: Blocks, terms: Sequence[Expression], schema: Schema) -> Iterator[bytes]:
    """The lines of the sums of blocks of rows, each with its reader; a row with a value that is none of its column's
    type is rejected there."""
    moments = Moments(terms, schema)
    taking = Taking(schema, partial(_native, moments))
    for _ in taking.feed(blocks, moments.add):
        pass  # its sums are never full
    if taking.engine is not None:
        (count, missing), sums = taking.engine.sums()
        moments.count += count
        moments.missing += missing
        for total, state in zip(moments.sums, sums):
            total.merge(state)
    yield from moments.lines()


def _native(moments: Moments, table: Table) -> native_rows.Moments | None:
    """The library's sums; None where a term is more than a product of columns, or of a type that it does not know."""
    used, schema = moments.used, moments.schema
    kinds = {place: schema.columns[place].type for place in used}
    factors = [list(_factors(term.root)) for term in moments.terms]
    plain = all(None not in some and len(some) <= MOST_FACTORS for some in factors)
    if not plain or not set(kinds.values()) <= {DOUBLE, INT, LONG}:
        return None
    number = {place: i for i, place in enumerate(used)}
    return native_rows.Moments(
        native.load(),
        table,
        [(place, KINDS[kinds[place]]) for place in used],
        [[number[place] for place in some if place is not None] for some in factors],
    )


def _factors(node: Node) -> Iterator[int | None]:
    """The columns whose product a term is, from the left; None for what is no column."""
    if node.kind == "column":
        yield node.value
    elif node.kind == "*" and node.parts[1].kind == "column":
        yield from _factors(node.parts[0])
        yield node.parts[1].value
    else:
        yield None
