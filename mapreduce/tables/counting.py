"""Blocks of rows to states of groups, natively where the library is there, row by row in Python else.

Both give the same lines, in another order. Memory is bounded: a full table is emptied, and the shuffle merges what was
yielded apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapreduce.input import rows
from mapreduce.input.records import RecordReader
from mapreduce.shuffle.memory import task_memory
from mapreduce.tables.columns import Column
from mapreduce.tables.groups import Counter, Grouping, Misfit
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import NULL

ENTRY = 600  # bytes that a group takes in Python, about


def count_groups(blocks: Iterable[tuple[RecordReader, bytes]], grouping: Grouping) -> Iterator[bytes]:
    """Lines `key TAB state` of blocks of rows, each with its reader; a row with a value that is none of its column's
    type is rejected there."""
    counter, most = Counter(grouping), max(1, task_memory() // ENTRY)
    for reader, block in blocks:
        for number, _, record in reader.entries(block):
            if isinstance(record, tuple):
                try:
                    counter.add(rows.split(record[1]))
                except Misfit as cause:
                    reader.reject(number, str(cause))
        if len(counter) > most:
            yield counter.drain()
    yield counter.drain()


def count_columns(blocks: Iterable[tuple[RecordReader, bytes]], schema: Schema) -> Iterator[bytes]:
    """Lines `place TAB state` of blocks of rows, one for each column of the schema; `null` is a type to be found."""
    nulls = [null.encode() for null in schema.nulls]
    columns = [Column(None if column.type == NULL else column.type, nulls) for column in schema.columns]
    for reader, block in blocks:
        for _, _, record in reader.entries(block):
            if isinstance(record, tuple):
                for column, value in zip(columns, rows.split(record[1])):
                    column.add(value)
    for place, column in enumerate(columns):
        yield b"%06d\t%s\n" % (place, column.written())
