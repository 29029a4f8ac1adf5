"""Joining two tables: rows to keys and rests, keys to the rows of the other table, and both to joined rows.

A key is a row's values in the columns that are joined on, in their one form (`types.canonical`) and with tabs between
them; a rest is the row's other fields, each with a tab before it. So key + rest of the left + rest of the right is a
joined row. A key with a missing value matches nothing. Nothing here knows a job.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from itertools import chain, compress, groupby, repeat
from typing import Any

from mapreduce.errors import UserError
from mapreduce.input import rows
from mapreduce.input.records import RecordReader
from mapreduce.shuffle.lines import key_of
from mapreduce.shuffle.memory import OVERHEAD, sorted_lines, task_memory
from mapreduce.tables import types
from mapreduce.tables.misfits import Misfit, no_value, used
from mapreduce.tables.schema import Column, Schema

INNER, LEFT, OUTER, ANTI = "inner", "left", "outer", "anti"
HOW = (INNER, LEFT, OUTER, ANTI)
ENTRY = 250
"""Bytes that a row takes in a table in memory beside its own, about."""
_OF_RIGHT, _OF_LEFT, _DONE = b"0", b"1", b"2"  # in this order: what a row is in the shuffle
_MOST_KNOWN = 1 << 16
_LINES = 1000  # in a block of output
_AT_ONCE = 1 << 15  # bytes: rows that a core's cache holds in all their forms


@dataclass(frozen=True)
class Joining:
    """What is joined with what.

    Attributes:
        left, right: the schemas.
        left_on, right_on: the places of the columns that are joined on.
        how: one of `HOW`.
        suffix: stands behind the name of a column of the right table where the left one has it, too.
    """

    left: Schema
    right: Schema
    left_on: tuple[int, ...]
    right_on: tuple[int, ...]
    how: str = INNER
    suffix: str = "_right"

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The types of the key's columns, which hold the values of both tables.

        Raises:
            UserError: values of two such types are never equal.
        """
        found = []
        for mine, other in zip(self.left_on, self.right_on):
            left, right = self.left.columns[mine], self.right.columns[other]
            kind = types.join(left.type, right.type)
            if kind == types.TEXT and not {left.type, right.type} <= {types.TEXT, types.NULL}:
                raise UserError(
                    f"{left.name} of the left table has the type {left.type}, and {right.name} of the right one "
                    f"{right.type}; their values are never equal; read both as one type, as --types {left.name}:text "
                    f"and --right-types {right.name}:text"
                )
            found.append(kind)
        return tuple(found)

    def table(self, is_right: bool) -> Arranged:
        """What arranges the rows of one of the tables; of the right one of an anti join only keys are wanted."""
        schema, on = (self.right, self.right_on) if is_right else (self.left, self.left_on)
        return Arranged(schema, on, self.kinds, keys_alone=is_right and self.how == ANTI)

    @property
    def output(self) -> Schema:
        """The schema of what comes out: the key's columns as the left table calls them, its others, the right one's.

        Raises:
            UserError: two columns would have one name.
        """
        names = self.left.names
        keys = [Column(names[place], kind) for place, kind in zip(self.left_on, self.kinds)]
        lefts = [column for place, column in enumerate(self.left.columns) if place not in self.left_on]
        rights = [column for place, column in enumerate(self.right.columns) if place not in self.right_on]
        renamed = [Column(one.name + self.suffix * (one.name in names), one.type) for one in rights]
        found = Schema((*keys, *lefts, *(renamed if self.how != ANTI else ())))
        if len(set(found.names)) < len(found.names):
            twice = next(name for name in found.names if found.names.count(name) > 1)
            raise UserError(f"two columns of the output are called {twice!r}; give another --suffix")
        return found

    @property
    def renamed(self) -> list[str]:
        """The columns of the right table whose names the left one has, too."""
        rights = [name for place, name in enumerate(self.right.names) if place not in self.right_on]
        return [name for name in rights if name in self.left.names and self.how != ANTI]

    @property
    def no_left(self) -> bytes:
        """The rest of a row of the left table that is not there."""
        return b"\t" * (len(self.left.columns) - len(self.left_on))

    @property
    def no_right(self) -> bytes:
        """The same of the right table."""
        return b"" if self.how == ANTI else b"\t" * (len(self.right.columns) - len(self.right_on))


class Arranged:
    """Brings the rows of a table into keys and rests.

    Args:
        schema: of the table.
        on: the places of the key's columns.
        kinds: the types that the key's values are brought to.
        keys_alone: whether the rests are of no use.
    """

    def __init__(self, schema: Schema, on: Sequence[int], kinds: Sequence[str], keys_alone: bool = False) -> None:
        self._width = len(schema.columns)
        self._header = schema.names[0].encode("utf-8", "surrogateescape")
        others = [place for place in range(self._width) if place not in on]
        self._others = [] if keys_alone else others
        self._nulls = frozenset(null.encode() for null in schema.nulls)
        alternatives = b"|".join(map(re.escape, sorted(self._nulls, reverse=True)))
        self._null = re.compile(rb"(?<![^\t\n])(?:%s)(?![^\t\n])" % alternatives) if self._nulls else None
        self._keys = [_KeyColumn(place, schema.columns[place].type, kind) for place, kind in zip(on, kinds)]

    @property
    def has_rest(self) -> bool:
        """Whether a row has other fields than those of its key."""
        return bool(self._others)

    def row(self, fields: Sequence[bytes]) -> tuple[bytes, bytes]:
        """The key and the rest of a row.

        Raises:
            Misfit: a value of the key is none of its column's type.
        """
        fields = [b"" if field in self._nulls else field for field in fields] if self._nulls else fields
        key = b"\t".join([rows.escape(column.value(fields[column.place])) for column in self._keys])
        return key, b"".join([b"\t" + rows.escape(fields[place]) for place in self._others])

    def line(self, row: bytes) -> tuple[bytes, bytes]:
        """The same of a row's line."""
        return self.row(rows.split(row))

    def lines(self, data: bytes) -> tuple[Sequence[bytes], Sequence[bytes]] | None:
        """The keys and the rests of many rows at once.

        Args:
            data: lines of fields between tabs, with nothing escaped.

        Returns:
            None where they have to be taken row by row, as something is odd about one of them.
        """
        if self._null is not None:
            data = self._null.sub(b"", data)
        step = self._width + 1
        flat = data.replace(b"\n", b"\t\n\t").split(b"\t")
        flat.pop()
        if len(flat) % step or set(flat[self._width :: step]) != {b"\n"} or self._header in flat[::step]:
            return None
        if self._width == 1 and not all(map(bytes.strip, flat[::step])):
            return None  # a line of spaces is no row
        keys = []
        for column in self._keys:
            values = column.values(flat[column.place :: step])
            if values is None:
                return None
            keys.append(values)
        rests: Sequence[bytes] = [b""] * (len(flat) // step)
        if self._others:
            rests = list(map(b"\t".join, zip(rests, *(flat[place::step] for place in self._others))))
        return keys[0] if len(keys) == 1 else list(map(b"\t".join, zip(*keys))), rests


class _KeyColumn:
    """A column of a key: the place that it has in its table, and the one form of its values."""

    def __init__(self, place: int, kind: str, wanted: str) -> None:
        self.place, self._kind = place, kind
        self._is_text = wanted in (types.TEXT, types.NULL)
        self._is_whole = {kind, wanted} <= set(types.WHOLE)
        self._canonical = _converted(kind, wanted)
        self._known: dict[bytes, bytes] = {}

    def value(self, value: bytes) -> bytes:
        """A value in its one form; a missing one is b"".

        Raises:
            Misfit: it is none of the column's type.
        """
        if self._is_text or not value:
            return value
        try:
            return self._canonical(value)
        except ValueError:
            raise no_value(self._kind, self.place) from None

    def values(self, values: list[bytes]) -> list[bytes] | None:
        """Many of them; None where one is none of the type."""
        if self._is_text or (self._is_whole and _are_plain(values)):
            return values
        found = list(map(self._known.get, values))
        if None in found:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            try:
                self._known.update({value: self.value(value) for value in {*values}.difference(self._known)})
            except Misfit:
                return None
            found = list(map(self._known.get, values))
        return found  # type: ignore[return-value]


def _are_plain(values: list[bytes]) -> bool:
    """Whether whole numbers are short, without a sign and without zeros before them."""
    together = b"\n" + b"\n".join(values)
    is_short = max(map(len, values), default=0) < 10
    return is_short and together.replace(b"\n", b"").isdigit() and not _ZERO_BEFORE.search(together)


_ZERO_BEFORE = re.compile(rb"\n0[0-9]")


def _converted(kind: str, wanted: str) -> Callable[[bytes], bytes]:
    """What brings a value of a type into the one form that it has as one of another type that holds it."""
    read, to = types.reader(kind), _TO.get(wanted)
    if to is None or kind == wanted:
        return types.canonical(kind)
    return lambda value: types.write(to(read(value)))


_TO: dict[str, Callable[[Any], Any]] = {
    types.DOUBLE: float,
    types.TIMESTAMP: lambda day: datetime(day.year, day.month, day.day),
}


def arranged(
    blocks: Iterable[tuple[RecordReader, bytes]], table: Callable[[], Arranged]
) -> Iterator[tuple[Sequence[bytes], Sequence[bytes]]]:
    """Keys and rests of blocks of rows, each with its reader; a row with a key that is none of its type is rejected.

    Args:
        table: says what arranges the rows of the block that was read last.
    """
    for reader, block in blocks:
        arrange = table()
        found: list[tuple[Sequence[bytes], Sequence[bytes]]] = []
        take = partial(_take, reader, arrange, found)
        at_once = reader.delimited and reader.rule.split == "all"
        entries = reader.offer(block, take) if at_once else reader.entries(block)
        pairs = list(used(reader, entries, arrange.line))
        yield from (*found, ([key for key, _ in pairs], [rest for _, rest in pairs]))


def _take(
    reader: RecordReader,
    arrange: Arranged,
    found: list[tuple[Sequence[bytes], Sequence[bytes]]],
    data: bytes,
    start: int,
    skip: bool,
) -> tuple[int, int, int, list[tuple[int, int, int, int]]]:
    """Takes the rows of the next bytes, or where one of them is odd none of these; a first line that may be a header
    is left over, too."""
    end = data.find(b"\n", start) + 1
    if not skip:
        end = max(end, data.rfind(b"\n", start, start + _AT_ONCE) + 1)
    some, plain = data[start:end], None
    if not skip and (plain := _plain(reader, some)) is not None:
        if (both := arrange.lines(plain)) is not None:
            found.append(both)
            return len(some), len(both[0]), len(both[0]), []
    return len(some), 0, 0, [(0, len(some), 0, 0)]


def _plain(reader: RecordReader, data: bytes) -> bytes | None:
    """Lines of a delimited format as fields between tabs; None where one of them holds more than that."""
    assert reader.delimited is not None
    delimiter, quotes, _ = reader.delimited
    if len(data) > reader.max_line or b"\\" in data or (quotes and b'"' in data) or delimiter == b" ":
        return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if b"\r" in data or (delimiter != b"\t" and b"\t" in data):
        return None
    return data.replace(delimiter, b"\t")


def is_missing(key: bytes) -> bool:
    """Whether a value of a key is missing."""
    return not key or key[:1] == b"\t" or key[-1:] == b"\t" or b"\t\t" in key


class Table:
    """A table in memory, in a file of lines key + rest.

    Args:
        columns: how many a key has.
        has_rest: whether there are further fields; else a tab may stand behind the key.

    Attributes:
        one: the rest of the one row of a key.
        several: the rests of the rows of a key that more have.
    """

    def __init__(self, path: str, columns: int, has_rest: bool) -> None:
        self.one: dict[bytes, bytes] = {}
        self.several: dict[bytes, list[bytes]] = {}
        one, several = self.one, self.several
        with open(path, "rb") as file:
            for line in file:
                key = key_in(line := line[:-1], columns)
                rest = line[len(key) :] if has_rest else b""
                if key in several:
                    several[key].append(rest)
                elif key in one:
                    several[key] = [one.pop(key), rest]
                else:
                    one[key] = rest


def key_in(line: bytes, columns: int) -> bytes:
    """The key of a line key + rest, of so many columns."""
    if columns == 1:
        return line.partition(b"\t")[0]
    return b"\t".join(line.split(b"\t", columns)[:columns])


def matched(joining: Joining, held: Table, holds_right: bool, keys: Sequence[bytes], rests: Sequence[bytes]) -> bytes:
    """The joined rows, as lines, of rows of one table, where the other one is held in memory. That is the right one,
    but for an inner join, where it may be either."""
    one, several = held.one, held.several
    if joining.how == ANTI:
        found = zip(keys, rests)
        return b"".join([key + rest + b"\n" for key, rest in found if key not in one and key not in several])
    missing = joining.no_right if joining.how == LEFT else None
    others: Sequence[Any] = list(map(one.get, keys, repeat(None if several else missing)))
    lines: list[bytes] = []
    if None in others:
        alone = () if missing is None else (missing,)
        odd = [(key, rest) for key, rest, other in zip(keys, rests, others) if other is None]
        pairs = ((key, rest, other) for key, rest in odd for other in several.get(key, alone))
        lines = [key + (rest + other if holds_right else other + rest) + b"\n" for key, rest, other in pairs]
        even = [other is not None for other in others]
        keys, rests, others = (list(compress(some, even)) for some in (keys, rests, others))
    pieces = [b"\n"] * (4 * len(keys))  # faster than a concatenation for each row
    pieces[0::4] = keys
    pieces[1 if holds_right else 2 :: 4] = rests
    pieces[2 if holds_right else 1 :: 4] = others
    return b"".join(pieces + lines)


def marked(joining: Joining, is_right: bool, keys: Sequence[bytes], rests: Sequence[bytes]) -> list[bytes]:
    """Lines of the shuffle: the key's first value is what a line is sorted by, behind the others stand a mark of the
    table and the rest. What can match nothing has its final form already, or is left out."""
    mark = b"\t" + (_OF_RIGHT if is_right else _OF_LEFT)
    lines = [key + mark + rest for key, rest in zip(keys, rests) if not is_missing(key)]
    if len(lines) < len(keys) and joining.how in ((OUTER,) if is_right else (LEFT, OUTER, ANTI)):
        before, behind = (joining.no_left, b"") if is_right else (b"", joining.no_right)
        alone = ((key, rest) for key, rest in zip(keys, rests) if is_missing(key))
        lines += [b"%b\t%b%b%b%b" % (key, _DONE, before, rest, behind) for key, rest in alone]
    return lines


def joined(joining: Joining, blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The joined rows, as blocks of lines in their order, of sorted lines as `marked` makes them.

    Args:
        most: how many rows of output a key may come to.

    Raises:
        UserError: one comes to more, and has several rows in both tables.
    """
    lines, room = chain.from_iterable(block.split(b"\n")[:-1] for block in blocks), task_memory() // 4
    found: list[bytes] = []
    for first, group in groupby(lines, key_of):
        cut = len(first) + 1
        for row in sorted_lines(_of_group(joining, first, (line[cut:] for line in group), most, room)):
            found.append(b"%b\t%b\n" % (first, row))
            if len(found) >= _LINES:
                yield b"".join(found)
                found = []
    if found:
        yield b"".join(found)


def _of_group(joining: Joining, first: bytes, lines: Iterable[bytes], most: int, room: int) -> Iterator[bytes]:
    """The joined rows, without the key's first value, of lines that share it."""
    more = len(joining.left_on) - 1
    if more:
        lines = sorted_lines(lines)
    for others, same in groupby(lines, (lambda line: line.split(b"\t", more)[:more]) if more else lambda _: []):
        key = b"".join([other + b"\t" for other in others])
        at = len(key)
        with Kept(room) as lefts, Kept(room) as rights:
            for line in same:
                mark, rest = line[at : at + 1], line[at + 1 :]
                if mark == _OF_LEFT:
                    lefts.add(rest)
                elif mark == _OF_RIGHT:
                    rights.add(rest)
                else:
                    yield _row(key, rest)
            if min(len(lefts), len(rights)) > 1 and len(lefts) * len(rights) > most and joining.how != ANTI:
                raise _too_many(joining, [first, *others], len(lefts), len(rights), most)
            for row in _pairs(joining, lefts, rights):
                yield _row(key, row)


def _row(key: bytes, rest: bytes) -> bytes:
    """The further values of a key, each with a tab behind it, and a rest, in which each field has one before it."""
    return key + rest[1:] if rest else key[:-1]


def _pairs(joining: Joining, lefts: Kept, rights: Kept) -> Iterator[bytes]:
    """What the rows of one key come to."""
    if joining.how == ANTI or not rights:
        if joining.how == INNER or rights:
            return
        for left in lefts:
            yield left + joining.no_right
    elif not lefts:
        for right in rights if joining.how == OUTER else ():
            yield joining.no_left + right
    else:
        for left in lefts:
            for right in rights:
                yield left + right


def _too_many(joining: Joining, key: list[bytes], lefts: int, rights: int, most: int) -> UserError:
    names = ", ".join(joining.left.columns[place].name for place in joining.left_on)
    value = ", ".join(repr(rows.unescape(part).decode("utf-8", "replace")[:60]) for part in key)
    return UserError(
        f"{names} is {value} in {lefts} rows of the left table and in {rights} of the right one, which is "
        f"{lefts * rights} joined rows, and --max-matches is {most}; nothing was written; drop rows, join on more "
        "columns, or give a higher --max-matches"
    )


class Kept:
    """Lines without their ends that can be read again and again: in memory, and what is beyond in a temporary file.

    Args:
        room: bytes that they may take in memory.
    """

    def __init__(self, room: int) -> None:
        self._room, self._lines, self._count = room, list[bytes](), 0
        self._file: Any = None

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: bytes) -> None:
        """Adds a line."""
        self._count += 1
        self._room -= len(line) + OVERHEAD
        if self._room >= 0:
            self._lines.append(line)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()
        self._file.write(line + b"\n")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        yield from self._lines
        if self._file is not None:
            self._file.seek(0)
            for line in self._file:
                yield line[:-1]
