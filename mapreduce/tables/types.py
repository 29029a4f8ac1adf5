"""Types of columns: which one a value shows, which one holds the values of several, and what a value then is.

The rules are those of Spark's inferSchema, but for what docs/tables.md names. A type is found value by value, and types
are joined, so neither the order of the rows nor their splits matter. Nothing here knows files or jobs.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import reduce
from typing import Any, Callable

NULL = "null"
BOOLEAN, INT, LONG, DECIMAL, DOUBLE = "boolean", "int", "long", "decimal", "double"
DATE, TIMESTAMP, TEXT = "date", "timestamp", "text"
TYPES = (BOOLEAN, INT, LONG, DECIMAL, DOUBLE, DATE, TIMESTAMP, TEXT)
"""What a column may be. `null` is one without a value; it is written as text."""
NUMBERS = (INT, LONG, DECIMAL, DOUBLE)
WHOLE = (INT, LONG, DECIMAL)
MOST_DIGITS = 38
"""Of a decimal, as in Spark; a whole number of more is a double."""

_INTEGER = re.compile(rb"[+-]?[0-9]+")
_DOUBLE = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NAMED = {
    **dict.fromkeys((b"NaN", b"+NaN", b"-NaN"), float("nan")),
    **dict.fromkeys((b"Inf", b"+Inf", b"Infinity", b"+Infinity"), float("inf")),
    **dict.fromkeys((b"-Inf", b"-Infinity"), float("-inf")),
}
_DATE = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIMESTAMP = re.compile(
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?)?"
    rb"(?: ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_MOST_AHEAD = timedelta(hours=18)
_BOOLEANS = {b"true": True, b"false": False}


class Unfit(ValueError):
    """A value is none of its column's type."""


def of(value: bytes) -> str:
    """The narrowest type of a value; `null` of an empty one.

    Example:
        >>> [of(value) for value in (b"007", b"1e3", b"2020-01-31", b"x", b"")]
        ['int', 'double', 'date', 'text', 'null']
    """
    if not value:
        return NULL
    first = value[:1]
    if first not in _MAY_BEGIN:
        return BOOLEAN if first in b"tTfF" and value.lower() in _BOOLEANS else TEXT
    for kind in (INT, LONG, DECIMAL, DOUBLE, DATE, TIMESTAMP):
        try:
            _READ[kind](value)
            return kind
        except ValueError:
            continue
    return TEXT


_MAY_BEGIN = frozenset(b"%c" % byte for byte in b"0123456789+-. \tNI")


def join(one: str, other: str) -> str:
    """The narrowest type that holds the values of both.

    Example:
        >>> join("int", "double"), join("date", "timestamp"), join("boolean", "int")
        ('double', 'timestamp', 'text')
    """
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    for chain in (NUMBERS, (DATE, TIMESTAMP)):
        if one in chain and other in chain:
            return max(one, other, key=chain.index)
    return TEXT


def join_all(types: Any) -> str:
    """The same of any number."""
    return reduce(join, types, NULL)


def _integer(value: bytes, least: int, most: int) -> int:
    if not _INTEGER.fullmatch(value):
        raise Unfit
    number = int(value) if len(value) < 400 else most + 1
    if not least <= number <= most:
        raise Unfit
    return number


def _decimal(value: bytes) -> int:
    return _integer(value, 1 - 10**MOST_DIGITS, 10**MOST_DIGITS - 1)


def _double(value: bytes) -> float:
    stripped = value.strip(b" \t")
    if stripped in _NAMED:
        return _NAMED[stripped]
    if not _DOUBLE.fullmatch(stripped):
        raise Unfit
    number = float(stripped)
    if number - number != 0:  # it overflows, and the written number is none that a double holds
        raise Unfit
    return number


def _boolean(value: bytes) -> bool:
    found = _BOOLEANS.get(value.lower())
    if found is None:
        raise Unfit
    return found


def _date(value: bytes) -> date:
    found = _DATE.fullmatch(value)
    if not found:
        raise Unfit
    return date(*map(int, found.groups()))


def _timestamp(value: bytes) -> datetime:
    """In UTC: an offset is taken off, and where there is none it is taken as it stands."""
    found = _TIMESTAMP.fullmatch(value)
    if not found:
        whole = _date(value)
        return datetime(whole.year, whole.month, whole.day)
    day, hour, minute, second, fraction, zone = found.groups()
    when = datetime(
        int(day[:4]),
        int(day[5:7]),
        int(day[8:]),
        int(hour),
        int(minute),
        int(second or 0),
        int((fraction or b"").ljust(6, b"0")),
    )
    if zone and zone not in (b"Z", b"UTC"):
        minutes = int(zone[-2:]) if len(zone) > 3 else 0
        ahead = timedelta(hours=int(zone[1:3]), minutes=minutes)
        if ahead > _MOST_AHEAD or minutes > 59:
            raise Unfit
        try:
            when = when - ahead if zone[:1] == b"+" else when + ahead
        except OverflowError:
            raise Unfit from None
    return when


_READ: dict[str, Callable[[bytes], Any]] = {
    BOOLEAN: _boolean,
    INT: lambda value: _integer(value, -(2**31), 2**31 - 1),
    LONG: lambda value: _integer(value, -(2**63), 2**63 - 1),
    DECIMAL: _decimal,
    DOUBLE: _double,
    DATE: _date,
    TIMESTAMP: _timestamp,
    TEXT: bytes,
    NULL: bytes,
}


def reader(kind: str) -> Callable[[bytes], Any]:
    """What reads the values of a type: bool, int, float, date, datetime (UTC, without a zone) or bytes.

    It raises ValueError for what is none, and is not asked for empty values, which are missing.
    """
    return _READ[kind]


def write(value: Any) -> bytes:
    """A value in the one form that it has in what jobs write; None is b"".

    Example:
        >>> write(reader("double")(b"1e3")), write(reader("timestamp")(b"2020-01-31T10:00+02:00"))
        (b'1000.0', b'2020-01-31 08:00:00')
    """
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        if value != value:
            return b"NaN"
        if value - value != 0:
            return b"Infinity" if value > 0 else b"-Infinity"
        return repr(value + 0.0).encode()  # -0.0 is 0.0
    if isinstance(value, datetime):
        return value.isoformat(" ").encode()
    return str(value).encode()


def canonical(kind: str) -> Callable[[bytes], bytes]:
    """What brings the values of a type into their one form; it raises as their reader does."""
    if kind in (TEXT, NULL):
        return bytes
    read = reader(kind)
    if kind == DATE:
        return lambda value: value if read(value) else b""
    return lambda value: write(read(value))


_EPOCH = datetime(1970, 1, 1)


def number(value: Any) -> int | float:
    """A value as a number: days since 1970 for dates, seconds for time stamps, 0 or 1 for booleans."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=timezone.utc) - _EPOCH.replace(tzinfo=timezone.utc)).total_seconds()
    if isinstance(value, date):
        return value.toordinal() - _EPOCH.toordinal()
    found: int | float = value
    return int(found) if isinstance(found, bool) else found
