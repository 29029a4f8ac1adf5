"""Blocks of rows to states of groups and of columns, natively where the library is there, row by row in Python else.

Both give states that come to the same figures. Memory is bounded: a full table is emptied, and the shuffle merges what
was yielded apart. The library takes plain rows alone; those that it leaves over are counted here beside it.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from mapreduce.input import rows
from mapreduce.input.records import RecordReader
from mapreduce.native import library as native
from mapreduce.native import rows as native_rows
from mapreduce.native.rows import AND, IS_CONDITION, IS_NULL, NOT, OR, SIGNS, Table
from mapreduce.shuffle.memory import task_memory
from mapreduce.tables import types
from mapreduce.tables.columns import Column
from mapreduce.tables.expressions import Node, order
from mapreduce.tables.figures import number_state
from mapreduce.tables.groups import MAX, Counter, Grouping
from mapreduce.tables.misfits import used
from mapreduce.tables.schema import Schema

ENTRY = 600  # bytes that a group takes in Python, about
Blocks = Iterable[tuple[RecordReader, bytes]]
KINDS = {
    types.TEXT: native_rows.OF_TEXT,
    types.NULL: native_rows.OF_TEXT,
    types.INT: native_rows.OF_INT,
    types.LONG: native_rows.OF_LONG,
    types.DOUBLE: native_rows.OF_DOUBLE,
    types.DATE: native_rows.OF_DATE,
    types.TIMESTAMP: native_rows.OF_TIME,
    types.BOOLEAN: native_rows.OF_BOOLEAN,
}
"""What the library calls types; it reads no decimals."""
_JOINED = (types.NULL, *types.TYPES)
"""Types in the order in which the library numbers them."""


def count_groups(blocks: Blocks, grouping: Grouping) -> Iterator[bytes]:
    """Lines `key TAB state` of blocks of rows, each with its reader; a row with a value that is none of its column's
    type is rejected there."""
    counter, most = Counter(grouping), max(1, task_memory() // ENTRY)
    taking = Taking(grouping.schema, partial(_native_groups, grouping))
    for full in taking.feed(blocks, counter.add):
        yield from full
        if len(counter) > most:
            yield counter.drain()
    if taking.engine is not None:
        yield from taking.engine.drain()
    yield counter.drain()


def count_columns(blocks: Blocks, schema: Schema) -> list[Column]:
    """What is known of each column of the schema, of blocks of rows; `null` is a type to be found."""
    missing = [null.encode() for null in schema.nulls]
    columns = [Column(None if column.type == types.NULL else column.type, missing) for column in schema.columns]

    def add(fields: Sequence[bytes]) -> None:
        for column, value in zip(columns, fields):
            column.add(value)

    taking = Taking(schema, partial(_native_columns, schema))
    for _ in taking.feed(blocks, add):
        pass  # its tables are never full
    if taking.engine is not None:
        for place, value, times in taking.engine.aside():
            columns[place].add(value, times)
        for place, column in enumerate(columns):
            column.add_state(_state(taking.engine, place))
    return columns


class Taking:
    """Gives rows to the library where it can take them, and those that it leaves over to its twin.

    Args:
        schema: of the table.
        make: makes what takes rows of a table in the library; it may give None.

    Attributes:
        engine: what takes rows in the library, or None.
    """

    def __init__(self, schema: Schema, make: Callable[[Table], Any]) -> None:
        self.engine: Any = None
        self._schema, self._make = schema, make
        self._full: list[bytes] = []

    def feed(self, blocks: Blocks, add: Callable[[Sequence[bytes]], object]) -> Iterator[list[bytes]]:
        """Takes blocks of rows, each with its reader; gives after each block what was drained of a table that was full.

        Args:
            add: the twin: takes the fields of a row, and raises Misfit for one that is rejected.
        """
        is_first = True
        for reader, block in blocks:
            if is_first:
                self._begin(reader)
                is_first = False
            entries = reader.entries(block) if self.engine is None else reader.offer(block, self._take)
            for _ in used(reader, entries, lambda row: add(rows.split(row))):
                pass
            yield self._full
            self._full = []

    def _begin(self, reader: RecordReader) -> None:
        """All readers of a task are of one format."""
        schema = self._schema
        nulls = tuple(null.encode() for null in schema.nulls)
        if (
            reader.delimited is None
            or not native_rows.available(native.load())
            or max(map(len, nulls), default=0) > 255
        ):
            return
        header = schema.names[0].encode("utf-8", "surrogateescape")
        self.engine = self._make(Table(*reader.delimited, len(schema.columns), header, nulls, reader.max_line))

    def _take(self, data: bytes, start: int, skip: bool) -> tuple[int, int, int, native_rows.Odd]:
        taken, rows_taken, lines, odd, is_full = self.engine.take(data, start, skip)
        if is_full:
            self._full.extend(self.engine.drain())
        return taken, rows_taken, lines, odd


def _native_groups(grouping: Grouping, table: Table) -> Any:
    """The library's counter of groups; None where it does not know a type, or the condition."""
    schema, used = grouping.schema, grouping.used
    kinds = {place: schema.columns[place].type for place in used}
    keys = {kinds[place] for place in (*grouping.by, *grouping.distinct)}
    if types.DECIMAL in kinds.values() or types.DOUBLE in keys or len(grouping.distinct) > 9:
        return None
    number = {place: i for i, place in enumerate(used)}
    try:
        conditions = list(_conditions(grouping.where.root, number)) if grouping.where else []
    except _Unknown:
        return None
    lists = [
        [number[place] for place in grouping.by],
        [number[place] for place in grouping.sums],
        [number[figure.place] for figure in grouping.extremes],
        [int(figure.kind == MAX) for figure in grouping.extremes],
        [number[place] for place in grouping.distinct],
        list(grouping.required),
    ]
    values = [(place, KINDS[kinds[place]]) for place in used]
    return native_rows.Groups(native.load(), table, values, lists, grouping.needs_all, conditions, task_memory())


class _Unknown(Exception):
    """The library does not compute this."""


def _conditions(node: Node, number: dict[int, int]) -> Iterator[tuple[int, int, int, int, int, float, bytes]]:
    """A condition as the library has it: operands before what joins them, which is at most 32 levels deep.

    Raises:
        _Unknown: it is more than comparisons of columns with what is written.
    """
    if node.kind in ("and", "or"):
        if len(node.parts) > 30:
            raise _Unknown
        for part in node.parts:
            yield from _conditions(part, number)
        yield (AND if node.kind == "and" else OR), 0, 0, len(node.parts), 0, 0.0, b""
    elif node.kind == "not":
        yield from _conditions(node.parts[0], number)
        yield NOT, 0, 0, 0, 0, 0.0, b""
    elif node.kind == "is null" and node.parts[0].kind == "column":
        yield IS_NULL, number[node.parts[0].value], 0, 0, 0, 0.0, b""
    elif node.kind == "column" and node.type == types.BOOLEAN:
        yield IS_CONDITION, number[node.value], SIGNS.index("="), 0, 0, 0.0, b"true"
    elif node.kind in SIGNS:
        yield _comparison(node, number)
    else:
        raise _Unknown


_SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _comparison(node: Node, number: dict[int, int]) -> tuple[int, int, int, int, int, float, bytes]:
    column, literal, sign = *node.parts, node.kind
    if column.kind == "literal":
        column, literal, sign = literal, column, _SWAPPED.get(sign, sign)
    if (column.kind, literal.kind) != ("column", "literal"):
        raise _Unknown
    value, whole, real, text = literal.value, 0, 0.0, b""
    if column.type in (types.INT, types.LONG) and isinstance(value, int) and -(2**63) <= value < 2**63:
        whole = value
    elif column.type == types.DOUBLE and isinstance(value, (int, float)) and float(value) == value:
        real = float(value)
    elif column.type == literal.type and column.type in (types.TEXT, types.DATE, types.BOOLEAN):
        text = types.write(value)
    elif column.type == types.TIMESTAMP and isinstance(value, datetime) and not value.microsecond:
        text = types.write(value)
    else:
        raise _Unknown
    return IS_CONDITION, number[column.value], SIGNS.index(sign), 0, whole, real, text


def _native_columns(schema: Schema, table: Table) -> Any:
    return native_rows.Columns(native.load(), table, [_JOINED.index(column.type) for column in schema.columns])


def _state(engine: native_rows.Columns, place: int) -> dict[str, Any]:
    """The state of a column in the library, as `Column.add_state` takes it."""
    numbers, data, registers, texts = engine.state(place)
    is_sketch, missing, kind, count, *lengths = numbers[:7]
    state: dict[str, Any] = {"missing": missing, "misfits": 0}
    if not is_sketch:
        found = native_rows.values(data)
        state["values"] = {value.decode("utf-8", "surrogateescape"): times for value, times in found.items()}
        return state
    has_wholes, least, largest, has_reals = numbers[7:11]
    reals = struct.unpack("=2d", struct.pack("=2q", *numbers[11:13]))
    half = len(registers) // 2
    sketch: dict[str, Any] = {
        "type": _JOINED[kind],
        "count": count,
        "text registers": base64.b64encode(registers[:half]).decode(),
        "texts": [text.decode("utf-8", "surrogateescape") for text in texts] if count else [],
        "lengths": lengths,
    }
    if has_wholes or has_reals:
        total, squares, buckets = data.split(b";")
        is_time = _JOINED[kind] in (types.DATE, types.TIMESTAMP)
        ends: list[Any] = [*((least, largest) if has_wholes else ()), *(reals if has_reals else ())]
        if is_time:
            ends = [datetime(1970, 1, 1) + timedelta(seconds=one) for one in ends]
        write = types.write if is_time else number_state
        sketch["registers"] = base64.b64encode(registers[half:]).decode()
        sketch["extremes"] = [write(min(ends, key=order)).decode(), write(max(ends, key=order)).decode()]
        sketch["sums"] = [total.decode(), squares.decode()]
        sketch["buckets"] = dict(entry.split(":") for entry in buckets.decode().split())
    return {**state, "sketch": sketch}
