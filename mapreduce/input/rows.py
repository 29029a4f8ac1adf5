"""The line of a row, as the table jobs write and pass it: fields between tabs, nothing in quotes.

A tab, a line end or a backslash in a field is written as `\\t`, `\\n`, `\\r` or `\\\\`, as PostgreSQL's COPY and Hive
have it, so a row is a line whatever its fields hold. An empty field is a missing value. What the fields mean is the
business of `mapreduce.tables`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SPECIAL = re.compile(rb"[\t\n\r\\]")
"""What is escaped in a field."""
_WRITTEN = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b"\\": b"\\\\"}
_READ = {b"t": b"\t", b"n": b"\n", b"r": b"\r"}
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def escape(field: bytes) -> bytes:
    """A field as a row has it.

    Example:
        >>> escape(b"a\\tb")
        b'a\\\\tb'
    """
    return SPECIAL.sub(lambda found: _WRITTEN[found[0]], field) if SPECIAL.search(field) else field


def unescape(field: bytes) -> bytes:
    """What `escape` has escaped."""
    return _ESCAPED.sub(lambda found: _READ.get(found[1], found[1]), field) if b"\\" in field else field


def join(fields: Iterable[bytes]) -> bytes:
    """The line of a row, without its end."""
    return b"\t".join(map(escape, fields))


def split(line: bytes) -> list[bytes]:
    """The fields of such a line."""
    fields = line.split(b"\t")
    return list(map(unescape, fields)) if b"\\" in line else fields
