"""Tables for people: columns one below the other, numbers to the right. It cuts what is too wide, and knows no job."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

WIDEST, MOST = 32, 1000
"""Characters of a field, and rows, that are shown."""


def table(names: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool]) -> Iterator[bytes]:
    """The lines of a table with a header, in UTF-8.

    Args:
        names: of the columns.
        rows: their fields.
        right: for each column, whether it is set to the right.
    """
    rows = iter(rows)
    cells = [[cut(field) for field in row] for row in (names, *islice(rows, MOST))]
    widths = [max(map(_width, column)) for column in zip(*cells)]
    for number, row in enumerate(cells):
        parts = (_set(field, width, side) for field, width, side in zip(row, widths, right))
        yield ("  ".join(parts).rstrip() + "\n").encode()
        if number == 0:
            yield ("  ".join("-" * width for width in widths) + "\n").encode()
    if more := sum(1 for _ in rows):
        yield f"... and {more} more\n".encode()


def cut(field: str, widest: int = WIDEST) -> str:
    """A field of at most so many characters, each of them printable."""
    plain = "".join(one if one.isprintable() else "?" for one in field)
    return plain if len(plain) <= widest else plain[: widest - 1] + "\u2026"


def _width(field: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else not unicodedata.combining(one) for one in field)


def _set(field: str, width: int, right: bool) -> str:
    room = " " * (width - _width(field))
    return room + field if right else field + room
