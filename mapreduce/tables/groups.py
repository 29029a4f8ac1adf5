"""Counting by group: rows to states of figures, and states to figures.

A state is a line `key TAB state`: the key holds the values of the group's columns, the state what is known of its
rows, so that states of one key can be merged in any order. The native library makes the same states faster, where it
can; this is the rule, and its twin. Nothing here knows a job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mapreduce.input.rows import escape, unescape
from mapreduce.tables import types
from mapreduce.tables.expressions import Expression, order
from mapreduce.tables.figures import ExactSum, number_of, number_state
from mapreduce.tables.misfits import no_value
from mapreduce.tables.schema import Column, Schema

SEPARATOR = b"\x01"
"""Between the values of a key, so that it is one field of the shuffle; in a value it is written as `\\1`."""
DISTINCT = b"\x02"
"""Between a group and a value that is counted once: such a key is reduced apart, and then added to its group's."""
SUM, MEAN, MIN, MAX, COUNT = "sum", "mean", "min", "max", "distinct"
FIGURES = (SUM, MEAN, MIN, MAX, COUNT)


@dataclass(frozen=True)
class Figure:
    """What is computed of a column in each group: one of `FIGURES`."""

    kind: str
    place: int
    column: Column

    @property
    def output(self) -> Column:
        """The column that it becomes."""
        kind = self.column.type
        if self.kind == COUNT:
            kind = types.LONG
        elif self.kind == MEAN or (self.kind == SUM and kind == types.DOUBLE):
            kind = types.DOUBLE
        elif self.kind == SUM:
            kind = types.LONG if kind == types.INT else types.DECIMAL
        return Column(f"{self.kind}_{self.column.name}", kind)


@dataclass(frozen=True)
class Grouping:
    """What is counted by what.

    Attributes:
        schema: of the table.
        by: the places of the group's columns.
        figures: what is computed beside the number of rows.
        where: the condition that rows are taken under, or None.
        required: the places of the columns that have to have a value; a NaN is none.
        needs_all: whether a row is left out only where all of them are missing.
    """

    schema: Schema
    by: tuple[int, ...]
    figures: tuple[Figure, ...] = ()
    where: Expression | None = None
    required: tuple[int, ...] = ()
    needs_all: bool = False

    @property
    def used(self) -> tuple[int, ...]:
        """The places of the columns whose values are read."""
        used = {*self.by, *(figure.place for figure in self.figures), *(self.where.columns if self.where else ())}
        doubles = (place for place in self.required if self.schema.columns[place].type == types.DOUBLE)
        return tuple(sorted(used.union(doubles)))  # these may hold NaN

    @property
    def sums(self) -> tuple[int, ...]:
        """The places of the columns that are summed up."""
        return tuple(dict.fromkeys(one.place for one in self.figures if one.kind in (SUM, MEAN)))

    @property
    def extremes(self) -> tuple[Figure, ...]:
        """The figures that are a least or a largest value."""
        return tuple(one for one in self.figures if one.kind in (MIN, MAX))

    @property
    def distinct(self) -> tuple[int, ...]:
        """The places of the columns whose values are counted once each."""
        return tuple(dict.fromkeys(one.place for one in self.figures if one.kind == COUNT))

    @property
    def output(self) -> Schema:
        """The schema of what comes out; the number of rows is called count, or rows where a group's column is."""
        by = [self.schema.columns[place] for place in self.by]
        name = "rows" if any(column.name == "count" for column in by) else "count"
        return Schema((*by, Column(name, types.LONG), *(figure.output for figure in self.figures)))


class Rows:
    """Reads the values of rows that a grouping needs, and says which rows are taken."""

    def __init__(self, grouping: Grouping) -> None:
        schema = grouping.schema
        self._grouping = grouping
        self._readers = [(place, types.reader(schema.columns[place].type)) for place in grouping.used]
        self._nulls = frozenset(null.encode() for null in schema.nulls)
        self._holds = grouping.where.function() if grouping.where else None

    def values(self, fields: Sequence[bytes]) -> list[Any] | None:
        """The values of a row by place, those that are needed; None where the row is left out.

        Raises:
            Misfit: a value is none of its column's type.
        """
        grouping, nulls = self._grouping, self._nulls
        values: list[Any] = [None if not one or one in nulls else one for one in fields]
        for place, read in self._readers:
            if (value := values[place]) is not None:
                try:
                    values[place] = read(value)
                except ValueError:
                    raise no_value(grouping.schema.columns[place].type, place) from None
        if grouping.required:
            missing = [(value := values[place]) is None or value != value for place in grouping.required]
            if all(missing) if grouping.needs_all else any(missing):
                return None
        if self._holds is not None and self._holds(values) is not True:
            return None
        return values


class Counter:
    """The twin of the native counter: states of groups, in memory until they are drained."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping, self._rows = grouping, Rows(grouping)
        self._groups: dict[bytes, State] = {}
        self._seen: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._groups) + len(self._seen)

    def add(self, fields: Sequence[bytes]) -> bool:
        """Counts a row; False where it is left out. Raises as `Rows.values` does."""
        values = self._rows.values(fields)
        if values is None:
            return False
        grouping = self._grouping
        key = SEPARATOR.join([key_part(types.write(values[place])) for place in grouping.by])
        state = self._groups.get(key)
        if state is None:
            state = self._groups[key] = State(grouping)
        state.add(values)
        for number, place in enumerate(grouping.distinct):
            if (value := values[place]) is not None:
                self._seen.add(b"%s%s%d%s" % (key, DISTINCT, number, key_part(types.write(value))))
        return True

    def drain(self) -> bytes:
        """The lines of all states, and forgets them."""
        lines = [b"%s\t%s\n" % (key, state.written()) for key, state in self._groups.items()]
        lines += [key + b"\t\n" for key in self._seen]
        self._groups, self._seen = {}, set()
        return b"".join(lines)


def key_part(value: bytes) -> bytes:
    """A value as a key has it."""
    value = escape(value)
    if SEPARATOR in value or DISTINCT in value:
        value = value.replace(SEPARATOR, b"\\1").replace(DISTINCT, b"\\2")
    return value


def key_row(key: bytes) -> bytes:
    """The fields of a key as a row has them."""
    row = key.replace(SEPARATOR, b"\t")
    return _ESCAPED.sub(lambda found: _OF_KEYS.get(found[0], found[0]), row) if b"\\" in row else row


_ESCAPED = re.compile(rb"\\.")
_OF_KEYS = {b"\\1": SEPARATOR, b"\\2": DISTINCT}


class State:
    """What is known of the rows of a group."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._count = 0
        self._sums = [(place, [0], ExactSum()) for place in grouping.sums]
        self._extremes: list[Any] = [None] * len(grouping.extremes)
        self._distinct = [0] * len(grouping.distinct)

    def add(self, values: Sequence[Any]) -> None:
        """Adds a row's values, by place."""
        self._count += 1
        for place, count, total in self._sums:
            if (value := values[place]) is not None:
                count[0] += 1
                total.add(value)
        for i, figure in enumerate(self._grouping.extremes):
            self._take(i, values[figure.place])

    def _take(self, i: int, value: Any) -> None:
        if value is None:
            return
        known = self._extremes[i]
        if known is None or (
            order(value) < order(known) if self._grouping.extremes[i].kind == MIN else order(value) > order(known)
        ):
            self._extremes[i] = value

    def written(self) -> bytes:
        """The state as bytes, without a line end: columns between tabs."""
        columns = [b"%d" % self._count]
        for _, count, total in self._sums:
            columns += [b"%d" % count[0], total.written()]
        columns += [
            _written(value, figure.column.type) for value, figure in zip(self._extremes, self._grouping.extremes)
        ]
        columns += [b"%d" % count for count in self._distinct]
        return b"\t".join(columns)

    def merge(self, state: bytes) -> None:
        """Adds what another one has `written`."""
        columns = iter(state.split(b"\t"))
        self._count += int(next(columns))
        for _, count, total in self._sums:
            count[0] += int(next(columns))
            total.merge(next(columns))
        for i, figure in enumerate(self._grouping.extremes):
            self._take(i, _read(next(columns), figure.column.type))
        for i in range(len(self._distinct)):
            self._distinct[i] += int(next(columns))

    def see(self, number: int) -> None:
        """Counts a value of the n-th of the distinct columns."""
        self._distinct[number] += 1

    def row(self) -> bytes:
        """The figures as a row has them, the number of rows first."""
        grouping = self._grouping
        sums = {place: (count[0], total) for place, count, total in self._sums}
        extremes, distinct = iter(self._extremes), dict(zip(grouping.distinct, self._distinct))
        found: list[Any] = [self._count]
        for figure in grouping.figures:
            if figure.kind in (SUM, MEAN):
                count, total = sums[figure.place]
                exact = total.value(count if figure.kind == MEAN else 1) if count else None
                found.append(float(exact) if exact is not None and figure.output.type == types.DOUBLE else exact)
            else:
                found.append(distinct[figure.place] if figure.kind == COUNT else next(extremes))
        return b"\t".join([escape(types.write(value)) for value in found])


def _written(value: Any, kind: str) -> bytes:
    if value is None:
        return b""
    return number_state(value) if kind in types.NUMBERS else escape(types.write(value))


def _read(state: bytes, kind: str) -> Any:
    if not state:
        return None
    if kind in types.NUMBERS:
        return number_of(state, kind == types.DOUBLE)
    return types.reader(kind)(unescape(state))


def merged(grouping: Grouping, key: bytes, values: Iterable[bytes]) -> tuple[bytes, State]:
    """The key of the group that a key is of, and its state; a distinct value, however often, is one."""
    group, mark, value = key.partition(DISTINCT)
    state = State(grouping)
    if mark:
        state.see(int(value[:1]))
        for _ in values:
            pass
    else:
        for written in values:
            state.merge(written)
    return group, state


def counted(grouping: Grouping, rows: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    """The result for rows that fit their types: lines of the output's rows, ordered by key. A reference for tests."""
    counter = Counter(grouping)
    for row in rows:
        counter.add(row)
    states: dict[bytes, list[bytes]] = {}
    for line in counter.drain().split(b"\n")[:-1]:
        key, _, state = line.partition(b"\t")
        states.setdefault(key, []).append(state)
    groups: dict[bytes, State] = {}
    for key, values in states.items():
        group, found = merged(grouping, key, values)
        groups.setdefault(group, State(grouping)).merge(found.written())
    for key in sorted(groups):
        yield key_row(key) + b"\t" + groups[key].row()
