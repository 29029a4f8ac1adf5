"""Cuts the bytes of a delimited file (CSV, TSV) into records: at line ends that stand in no quotes, as RFC 4180 has it.

A quote opens a field only where the field begins: in `a,5" disk` it is a character. What a record holds is found out by
`mapreduce.input.formats.csv`; here is only where it ends.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import repeat

from mapreduce.input.files import BLOCK, BOM, open_input
from mapreduce.native import library as native
from mapreduce.paths import absolute

BEGINS, PLAIN, QUOTED, LEFT = range(4)
"""What a field is: not begun, without quotes, within them, behind a closing one."""
ROOM = 1 << 16


def ends(data: bytes, delimiter: bytes, state: int = BEGINS, room: int = ROOM) -> tuple[list[int], int, int]:
    """The offsets behind the first `room` records that end in the data; the state and the place it has come to."""
    if library := native.load():
        return native.csv_cut(library, data, delimiter[0], state, room)
    return _ends(data, delimiter, state, room)


def _state(data: bytes, delimiter: bytes, state: int) -> int:
    """The state that the data leaves."""
    if library := native.load():
        return native.csv_state(library, data, delimiter[0], state)
    at = 0
    while at < len(data):
        _, state, done = _ends(data[at:], delimiter, state, ROOM)
        at += done
    return state


@cache
def _marks(delimiter: bytes) -> re.Pattern[bytes]:
    return re.compile(b'["\n' + re.escape(delimiter) + b"]")


def _ends(data: bytes, delimiter: bytes, state: int, room: int) -> tuple[list[int], int, int]:
    """The twin of `fm_csv_cut`."""
    found: list[int] = []
    at, size, marks = 0, len(data), _marks(delimiter)
    while at < size and len(found) < room:
        if state == QUOTED:
            quote = data.find(b'"', at)
            at, state = (quote + 1, LEFT) if quote >= 0 else (size, QUOTED)
            continue
        mark = marks.search(data, at)
        if mark is None:
            return found, PLAIN, size
        state = PLAIN if mark.start() > at else state
        at = mark.end()
        if mark[0] == b'"':
            state = PLAIN if state == PLAIN else QUOTED
        else:
            state = BEGINS
            if mark[0] == b"\n":
                found.append(at)
    return found, state, at


class Cut:
    """Records out of blocks of bytes, in bounded memory.

    Args:
        delimiter: between fields.
        longest: a longer record comes cut, to one byte more than this.

    Attributes:
        lines: how many lines the record that has not ended yet has had so far.
    """

    def __init__(self, delimiter: bytes, longest: int) -> None:
        self._delimiter, self._longest = delimiter, longest
        self._state = BEGINS
        self._begun: list[bytes] = []
        self._size = self.lines = 0

    @property
    def is_between(self) -> bool:
        """Whether no record has begun and not ended."""
        return not self._size and self._state == BEGINS

    def records(self, block: bytes) -> Iterator[tuple[bytes, int]]:
        """The records that end in the block, without their line ends, and how many lines each has."""
        start = 0
        if self._state == BEGINS and not self._size and b'"' not in block:  # then lines are records
            whole = block.split(b"\n")
            start = len(block) - len(whole.pop())
            yield from zip(whole, repeat(1))
        while start < len(block):
            rest = block[start:] if start else block
            found, self._state, done = ends(rest, self._delimiter, self._state)
            begin = 0
            for end in found:
                record, lines = rest[begin : end - 1], 1
                if self._size:
                    self._keep(record)
                    record, lines = b"".join(self._begun), self.lines + 1
                    self._begun, self._size, self.lines = [], 0, 0
                elif b"\n" in record:
                    lines = record.count(b"\n") + 1
                yield record, lines
                begin = end
            if begin < done:
                self._keep(rest[begin:done])
            start += done

    def _keep(self, piece: bytes) -> None:
        self.lines += piece.count(b"\n")
        if (room := self._longest + 1 - self._size) > 0:
            self._begun.append(piece[:room])
        self._size += len(piece)

    def rest(self) -> tuple[bytes, int]:
        """What has begun and not ended where the input has, and its lines."""
        return b"".join(self._begun), self.lines


def closing(data: bytes, at: int) -> int:
    """Where the quote stands that closes the one at `at`, or -1; two of them are a character of the field."""
    end = data.find(b'"', at + 1)
    while end >= 0 and data[end + 1 : end + 2] == b'"':
        end = data.find(b'"', end + 2)
    return end


def edges(path: str, delimiter: bytes, wanted: list[int]) -> list[int]:
    """Where records begin in a file that is not compressed: for each of the wanted offsets, which ascend, the first
    place there or behind it. Looks at all bytes up to the last of them."""
    found: list[int] = []
    state, position, last, left = BEGINS, 0, b"\n", deque(wanted)
    with open_input(path) as file:
        while left and (block := file.read(BLOCK)):
            rest = block[len(BOM) :] if position == 0 and block.startswith(BOM) else block
            position += len(block) - len(rest)
            while left and rest:
                before = left[0] - position
                if before > 0:  # nothing but the state is wanted of what stands before it
                    passed, rest = rest[:before], rest[before:]
                    state, position, last = _state(passed, delimiter, state), position + len(passed), passed[-1:]
                elif state == BEGINS and last == b"\n":
                    found.append(position)
                    left.popleft()
                else:
                    _, state, done = ends(rest, delimiter, state, room=1)
                    position, last, rest = position + done, rest[done - 1 : done], rest[done:]
    return found + [os.path.getsize(absolute(path))] * len(left)
