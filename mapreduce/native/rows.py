"""The native twins of what `mapreduce.tables.counting` does row by row: wraps the library's functions for tables.

What they leave over, rows and values, the twins in Python do. Nothing here knows readers or jobs.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Iterator, Sequence
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


class Rows(Held):
    """What takes rows in the library."""

    _kind = ""

    def __init__(self, library: Any, *arguments: Any) -> None:
        super().__init__(library, self._kind, *arguments)
        self._counts = array("q", bytes(8 * _COUNTS))
        self._take = getattr(library, f"fm_{self._kind}_take")

    def take(self, data: bytes, start: int, skip: bool) -> tuple[int, int, int, Odd, bool]:
        """Takes rows of data, from a place on; `skip` leaves the first one over.

        Returns:
            The bytes, the rows and the lines taken; of each row left over its begin, its end, and the rows and lines
            taken before it; whether it is full.
        """
        counts, place = self._counts, ctypes.c_void_p()
        view = data if not start else data[start:]
        taken = checked(self._take(self.handle, view, len(view), skip, counts.buffer_info()[0], ctypes.byref(place)))
        rows, lines, number, full = counts
        odd = list(_ODD.iter_unpack(ctypes.string_at(place, number * _ODD.size))) if number else []
        return taken, rows, lines, odd, bool(full)


def nulls_of(nulls: Sequence[bytes]) -> bytes:
    """What is a missing value, as the library takes it."""
    return b"".join(bytes([len(one)]) + one for one in nulls)


class Groups(Rows):
    """Groups of rows and the states of their figures in the library.

    Args:
        table: delimiter, quotes, escapes and number of columns.
        longest: bytes of the longest row that is taken.
        used: column and kind of each value that is read.
        lists: numbers of the values that make the group, that are summed, that are extremes; for each of these 1 where
            it is a largest one; those that are counted once each; the columns that have to have a value.
        needs_all: whether a row is left out only where all of these are missing.
        conditions: op, value, sign, operands, whole, real and text of each, operands first.
        nulls: as `nulls_of` gives them.
        header: the name of the first column.
        memory: bytes it may take.
    """

    _kind = "groups"

    def __init__(
        self,
        library: Any,
        table: tuple[int, bool, bool, int],
        longest: int,
        used: Sequence[tuple[int, int]],
        lists: Sequence[Sequence[int]],
        needs_all: bool,
        conditions: Sequence[tuple[int, int, int, int, int, float, bytes]],
        nulls: bytes,
        header: bytes,
        memory: int,
    ) -> None:
        by, sums, extremes, largest, distinct, required = lists
        sizes = [len(used), len(by), len(sums), len(extremes), len(distinct), len(required), needs_all, len(conditions)]
        shape = array("i", [*map(int, table), *map(int, sizes)])
        flat = array("i", [number for pair in used for number in pair])
        for some in (by, sums, extremes, largest, distinct, required):
            flat.extend(some)
        texts, packed = bytearray(), bytearray()
        for op, value, sign, operands, whole, real, text in conditions:
            packed += _CONDITION.pack(op, value, sign, operands, whole, real, len(texts), len(text))
            texts += text
        super().__init__(
            library,
            shape.buffer_info()[0],
            longest,
            flat.buffer_info()[0],
            bytes(packed),
            *(bytes(texts), len(texts), nulls, len(nulls), header, len(header), memory),
        )

    def drain(self) -> Iterator[bytes]:
        """The states as lines, in pieces; there are no groups then."""
        place = ctypes.c_void_p()
        while size := checked(self._library.fm_groups_drain(self.handle, ctypes.byref(place))):
            yield ctypes.string_at(place, size)


class Columns(Rows):
    """What is known of the columns of a table in the library.

    Args:
        table: delimiter, quotes, escapes and number of columns.
        longest: bytes of the longest row that is taken.
        types: of each column, 0 where it is to be found.
        nulls, header: as `Groups` has them.
    """

    _kind = "columns"

    def __init__(
        self,
        library: Any,
        table: tuple[int, bool, bool, int],
        longest: int,
        types: Sequence[int],
        nulls: bytes,
        header: bytes,
    ) -> None:
        shape, kinds = array("i", map(int, table)), array("i", types)
        places = [one.buffer_info()[0] for one in (shape, kinds)]
        super().__init__(library, places[0], longest, places[1], nulls, len(nulls), header, len(header))

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
        table: delimiter, quotes, escapes and number of columns.
        longest: bytes of the longest row that is taken.
        used: column and kind of each value that is read.
        terms: of each the numbers of the values whose product it is, at most 8.
        nulls, header: as `Groups` has them.
    """

    _kind = "moments"

    def __init__(
        self,
        library: Any,
        table: tuple[int, bool, bool, int],
        longest: int,
        used: Sequence[tuple[int, int]],
        terms: Sequence[Sequence[int]],
        nulls: bytes,
        header: bytes,
    ) -> None:
        shape = array("i", [*map(int, table), len(used), len(terms)])
        flat = array("i", [number for pair in used for number in pair])
        factors = array("i", [n for some in terms for n in (len(some), *some, *[0] * (_FACTORS - len(some)))])
        places = [one.buffer_info()[0] for one in (shape, flat, factors)]
        super().__init__(library, places[0], longest, *places[1:], nulls, len(nulls), header, len(header))

    def sums(self) -> tuple[tuple[int, int], list[bytes]]:
        """How many rows were summed up and left out; the sum of the products of terms i and j, for each i those of j
        from i on, as `ExactSum.merge` takes them."""
        counts, place = array("q", bytes(16)), ctypes.c_void_p()
        size = checked(self._library.fm_moments_sums(self.handle, counts.buffer_info()[0], ctypes.byref(place)))
        return (counts[0], counts[1]), ctypes.string_at(place, size).split(b"\n")[:-1]


class Clusters(Rows):
    """Sums of rows by the nearest of some centres in the library.

    Args:
        table: delimiter, quotes, escapes and number of columns.
        longest: bytes of the longest row that is taken.
        used: column and kind of each dimension.
        scales: what the values of each dimension are multiplied with.
        centres: the points.
        nulls, header: as `Groups` has them.
    """

    _kind = "clusters"

    def __init__(
        self,
        library: Any,
        table: tuple[int, bool, bool, int],
        longest: int,
        used: Sequence[tuple[int, int]],
        scales: Sequence[float],
        centres: Sequence[Sequence[float]],
        nulls: bytes,
        header: bytes,
    ) -> None:
        shape = array("i", [*map(int, table), len(used), len(centres)])
        flat = array("i", [number for pair in used for number in pair])
        numbers = array("d", [*scales, *(value for centre in centres for value in centre)])
        self._centres = len(centres)
        places = [one.buffer_info()[0] for one in (shape, flat, numbers)]
        super().__init__(library, places[0], longest, *places[1:], nulls, len(nulls), header, len(header))

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
