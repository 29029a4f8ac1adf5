"""The native twins of what `mapreduce.tables.counting` does row by row: wraps the library's functions for tables.

What they leave over, rows and values, the twins in Python do. Nothing here knows readers or jobs.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mapreduce.native.library import Held, checked

OF_TEXT, OF_INT, OF_LONG, OF_DOUBLE, OF_DATE, OF_TIME, OF_BOOLEAN = range(7)
IS_CONDITION, AND, OR, NOT, IS_NULL = range(5)
SIGNS = ("=", "!=", "<", "<=", ">", ">=")
Odd = list[tuple[int, int, int, int]]
_COUNTS, _FACTORS = 4, 8
_ODD = struct.Struct("=4q")
_CONDITION = struct.Struct("=4iqd2q")
_VALUE = struct.Struct("=2Iq")


def available(library: Any) -> bool:
    """Whether a library counts rows."""
    return library is not None and bool(library.fm_counts_rows())


@dataclass(frozen=True)
class Table:
    """A delimited table, as the library takes it.

    Attributes:
        delimiter: between the fields, one byte.
        quotes: whether fields may stand in quotes.
        escapes: whether a backslash in a field is another character.
        columns: how many there are.
        header: the name of the first one: a row that begins with it is left over.
        nulls: what is a missing value beside an empty field, each of at most 255 bytes.
        longest: bytes of the longest row that is taken.
    """

    delimiter: bytes
    quotes: bool
    escapes: bool
    columns: int
    header: bytes
    nulls: tuple[bytes, ...]
    longest: int

    def shape(self, *more: int) -> array[int]:
        """The numbers of its layout, and further ones, that the library's objects are made of."""
        return array("i", [self.delimiter[0], self.quotes, self.escapes, self.columns, *more])

    @property
    def texts(self) -> tuple[bytes, int, bytes, int]:
        """The missing values and the header, each with its size."""
        nulls = b"".join(bytes([len(one)]) + one for one in self.nulls)
        return nulls, len(nulls), self.header, len(self.header)


class Rows(Held):
    """What takes rows in the library."""

    def take(self, data: bytes, start: int, skip: bool) -> tuple[int, int, int, Odd, bool]:
        """Takes rows of data, from a place on; `skip` leaves the first one over.

        Returns:
            The bytes, the rows and the lines taken; of each row left over its begin, its end, and the rows and lines
            taken before it; whether it is full.
        """
        counts, place = array("q", bytes(8 * _COUNTS)), ctypes.c_void_p()
        view = data if not start else data[start:]
        given = self.handle, view, len(view), skip, counts.buffer_info()[0], ctypes.byref(place)
        taken = checked(self._library.fm_rows_take(*given))
        rows, lines, number, full = counts
        odd = list(_ODD.iter_unpack(ctypes.string_at(place, number * _ODD.size))) if number else []
        return taken, rows, lines, odd, bool(full)


class Groups(Rows):
    """Groups of rows and the states of their figures in the library.

    Args:
        used: column and kind of each value that is read.
        lists: numbers of the values that make the group, that are summed, that are extremes; for each of these 1 where
            it is a largest one; those that are counted once each; the columns that have to have a value.
        needs_all: whether a row is left out only where all of these are missing.
        conditions: op, value, sign, operands, whole, real and text of each, operands first.
        memory: bytes it may take.
    """

    def __init__(
        self,
        library: Any,
        table: Table,
        used: Sequence[tuple[int, int]],
        lists: Sequence[Sequence[int]],
        needs_all: bool,
        conditions: Sequence[tuple[int, int, int, int, int, float, bytes]],
        memory: int,
    ) -> None:
        by, sums, extremes, _, distinct, required = lists
        sizes = [len(used), len(by), len(sums), len(extremes), len(distinct), len(required), needs_all, len(conditions)]
        shape, flat = table.shape(*sizes), array("i", chain(*used, *lists))
        texts, packed = bytearray(), bytearray()
        for op, value, sign, operands, whole, real, text in conditions:
            packed += _CONDITION.pack(op, value, sign, operands, whole, real, len(texts), len(text))
            texts += text
        places = [one.buffer_info()[0] for one in (shape, flat)]
        more = bytes(packed), bytes(texts), len(texts), *table.texts, memory
        super().__init__(library, "groups", places[0], table.longest, places[1], *more)

    def drain(self) -> Iterator[bytes]:
        """The states as lines, in pieces; there are no groups then."""
        place = ctypes.c_void_p()
        while size := checked(self._library.fm_groups_drain(self.handle, ctypes.byref(place))):
            yield ctypes.string_at(place, size)


class Columns(Rows):
    """What is known of the columns of a table in the library.

    Args:
        types: of each column, 0 where it is to be found.
    """

    def __init__(self, library: Any, table: Table, types: Sequence[int]) -> None:
        shape, kinds = table.shape(), array("i", types)
        places = [one.buffer_info()[0] for one in (shape, kinds)]
        super().__init__(library, "columns", places[0], table.longest, places[1], *table.texts)

    def aside(self) -> Iterator[tuple[int, bytes, int]]:
        """Values that it leaves over: column, value, and how often."""
        place = ctypes.c_void_p()
        size = checked(self._library.fm_columns_aside(self.handle, ctypes.byref(place)))
        return _values(ctypes.string_at(place, size) if size else b"")

    def state(self, column: int) -> tuple[list[int], bytes, bytes, tuple[bytes, bytes]]:
        """What is known of a column: numbers, what they say of, registers, and the least and the largest text
        (`fm_columns_state`)."""
        numbers, sizes = array("q", bytes(8 * 13)), array("q", bytes(16))
        place, registers, texts = ctypes.c_void_p(), ctypes.c_void_p(), (ctypes.c_void_p * 2)()
        size = checked(
            self._library.fm_columns_state(
                *(self.handle, column, numbers.buffer_info()[0], ctypes.byref(place), ctypes.byref(registers)),
                *(texts, sizes.buffer_info()[0]),
            )
        )
        data = ctypes.string_at(place, size) if size else b""
        least, largest = (ctypes.string_at(text, n) if n else b"" for text, n in zip(texts, sizes))
        held = ctypes.string_at(registers, 2 << 14) if numbers[0] else b""
        return numbers.tolist(), data, held, (least, largest)


class Moments(Rows):
    """Sums of products of terms in the library.

    Args:
        used: column and kind of each value that is read.
        terms: of each the numbers of the values whose product it is, at most 8.
    """

    def __init__(
        self, library: Any, table: Table, used: Sequence[tuple[int, int]], terms: Sequence[Sequence[int]]
    ) -> None:
        shape, flat = table.shape(len(used), len(terms)), array("i", chain(*used))
        factors = array("i", [n for some in terms for n in (len(some), *some, *[0] * (_FACTORS - len(some)))])
        places = [one.buffer_info()[0] for one in (shape, flat, factors)]
        super().__init__(library, "moments", places[0], table.longest, *places[1:], *table.texts)

    def sums(self) -> tuple[tuple[int, int], list[bytes]]:
        """How many rows were summed up and left out; the sum of the products of terms i and j, for each i those of j
        from i on, as `ExactSum.merge` takes them."""
        counts, place = array("q", bytes(16)), ctypes.c_void_p()
        size = checked(self._library.fm_moments_sums(self.handle, counts.buffer_info()[0], ctypes.byref(place)))
        return (counts[0], counts[1]), ctypes.string_at(place, size).split(b"\n")[:-1]


class Clusters(Rows):
    """Sums of rows by the nearest of some centres in the library.

    Args:
        used: column and kind of each dimension.
        scales: what the values of each dimension are multiplied with.
        centres: the points.
    """

    def __init__(
        self,
        library: Any,
        table: Table,
        used: Sequence[tuple[int, int]],
        scales: Sequence[float],
        centres: Sequence[Sequence[float]],
    ) -> None:
        shape, flat = table.shape(len(used), len(centres)), array("i", chain(*used))
        numbers, self._centres = array("d", chain(scales, *centres)), len(centres)
        places = [one.buffer_info()[0] for one in (shape, flat, numbers)]
        super().__init__(library, "clusters", places[0], table.longest, *places[1:], *table.texts)

    def sums(self) -> tuple[list[int], list[bytes]]:
        """The rows of each centre, and at last those left out; of each centre the sums of the dimensions and of the
        squared distances, as `ExactSum.merge` takes them."""
        counts, place = array("q", bytes(8 * (self._centres + 1))), ctypes.c_void_p()
        size = checked(self._library.fm_clusters_sums(self.handle, counts.buffer_info()[0], ctypes.byref(place)))
        return counts.tolist(), ctypes.string_at(place, size).split(b"\n")[:-1]


def _values(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    at = 0
    while at < len(data):
        column, size, times = _VALUE.unpack_from(data, at)
        at += _VALUE.size
        yield column, data[at : at + size], times
        at += size


def values(data: bytes) -> dict[bytes, int]:
    """The values of an exact column, and how often each is there, out of its state."""
    return {value: times for _, value, times in _values(data)}
