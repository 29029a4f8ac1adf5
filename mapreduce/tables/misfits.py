"""Rows that cannot be used: who uses a row raises `Misfit`, and the reader then counts it as rejected, with its cause.

It knows no job, and not what fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mapreduce.input.formats.format import Record
from mapreduce.input.records import RecordReader

Used = TypeVar("Used")


class Misfit(ValueError):
    """A row cannot be used; its text is the cause, short and in ASCII."""


def no_value(kind: str, place: int) -> Misfit:
    """The error of a value that is none of its column's type."""
    return Misfit(f"no {kind} in column {place + 1}")


def used(
    reader: RecordReader, entries: Iterable[tuple[int, bytes, Record | str]], use: Callable[[bytes], Used]
) -> Iterator[Used]:
    """What becomes of the rows among a reader's entries; one that is a misfit is rejected.

    Args:
        use: takes the line of a row, as `mapreduce.input.rows` has it.
    """
    for number, _, record in entries:
        if isinstance(record, tuple):
            try:
                found = use(record[1])
            except Misfit as cause:
                reader.reject(number, str(cause))
                continue
            yield found
