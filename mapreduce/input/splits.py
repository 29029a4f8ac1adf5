"""Input splits: byte ranges of files, those that one map task reads, and what must not change while they are read.

A range owns the lines that begin in it, so nothing is copied or cut on disk. A compressed file is one split. A task
reads several small files, one after the other, as with Hadoop's CombineFileInputFormat.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from mapreduce.errors import PathError, UserError
from mapreduce.input.files import (
    BLOCK,
    BOM,
    DAMAGED,
    blocks,
    ended,
    finish,
    is_whole,
    open_input,
    pieces,
    rest_of_line,
    shown,
)
from mapreduce.paths import absolute

if TYPE_CHECKING:
    from mapreduce.input.formats.format import Format


@dataclass(frozen=True)
class Split:
    """A byte range of a file; always the whole of one that is compressed, or not of lines of UTF-8."""

    path: str
    start: int
    length: int
    marked: bool = True
    """Whether a byte order mark at the start of the file is none of its text; in what a job has written it is."""
    report: Callable[[int], None] | None = field(default=None, compare=False)
    """Is told of the bytes that were read."""
    passed: Callable[[bytes], None] | None = field(default=None, compare=False)
    """Gets the bytes of the range, in their order, as they pass; not those of a compressed file, nor of lines cut."""
    name: str = ""
    """What the user calls the file."""
    format: Format | None = field(default=None, compare=False)
    """How the file is opened; None opens what a job has written."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or shown(self.path))

    def blocks(self, longest: int | None = None) -> Iterator[bytes]:
        """The lines that begin in this range, in blocks of about 1 MiB that end at a line end.

        Lines of more than `longest` bytes may come cut, but no shorter than that. Where records may hold line ends,
        blocks end anywhere.
        """
        try:
            yield from self._blocks(longest)
        except UserError:
            raise
        except DAMAGED as error:
            raise UserError(f"{self.name}: damaged or unreadable: {error}") from None

    def _blocks(self, longest: int | None) -> Iterator[bytes]:
        cuts = self.format is not None and self.format.cuts is not None
        given = self.format
        if given.open is not None or given.reads_whole(self.path) if given else is_whole(self.path, "utf-8"):
            opened = given.open_part(self.path, self.start, self.length) if given else open_input(self.path, "utf-8")
            with opened as file:
                yield from pieces(file, self.marked) if cuts else blocks(file, longest, self.marked)
            self._report(self.length)
            return
        with open_input(self.path, "utf-8") as file:
            yield from self._pieces(file) if cuts else self._lines(file, longest)

    def _pieces(self, file: BinaryIO) -> Iterator[bytes]:
        """The bytes of the range, which begins and ends where records do."""
        file.seek(self.start)
        left, last = self.length, b"\n"
        while left and (block := file.read(min(BLOCK, left))):
            self._pass(block, left)
            self._report(len(block))
            left -= len(block)
            last = block[-1:]
            if self.marked and self.start == 0 and left + len(block) == self.length:
                block = block.removeprefix(BOM)
            if block:
                yield block
        if last != b"\n":
            yield b"\n"

    def _lines(self, file: BinaryIO, longest: int | None) -> Iterator[bytes]:
        end = self.start + self.length
        position = self.start
        if position:
            file.seek(position - 1)
            if file.read(1) != b"\n":  # the line is that of the range before
                for piece in rest_of_line(file):
                    self._pass(piece, end - position)
                    position += len(piece)
        while position < end:
            block = file.read(min(BLOCK, end - position))
            if not block:
                return  # the file has become shorter
            block, skipped = finish(block, file, longest)
            self._pass(block, end - position)
            drop = len(BOM) if self.marked and position == 0 and block.startswith(BOM) else 0
            position += len(block) + skipped
            self._report(len(block) + skipped)
            if len(block) > drop:
                yield ended(block[drop:])

    def _pass(self, data: bytes, left: int) -> None:
        if self.passed is not None and left > 0:
            self.passed(data if len(data) <= left else data[:left])

    def _report(self, amount: int) -> None:
        if self.report is not None:
            self.report(amount)


class Stream(io.BufferedIOBase):
    """A stream of bytes whose lines end with LF, as an mrjob task has it for standard input.

    Args:
        blocks: of whole lines. The next one is asked for when the lines of the one before have been read, no sooner.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._block = io.BytesIO()

    def readable(self) -> bool:
        """It is."""
        return True

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield from iter(self._block.readline, b"")  # not the block itself, which would close with the generator
            if (block := next(self._blocks, None)) is None:
                return
            self._block = io.BytesIO(block)

    def readline(self, size: int | None = -1) -> bytes:
        """The next line with its LF, or at most `size` bytes of it; b"" at the end."""
        line = self._block.readline(size)
        while not line and size != 0 and (block := next(self._blocks, None)) is not None:
            self._block = io.BytesIO(block)
            line = self._block.readline(size)
        return line

    def __next__(self) -> bytes:
        if line := self.readline():
            return line
        raise StopIteration

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, or all that is left."""
        wanted = -1 if size is None else size
        pieces = [self._block.read(wanted)]
        while wanted < 0 or (left := wanted - sum(map(len, pieces))) > 0:
            block = next(self._blocks, None)
            if block is None:
                break
            self._block = io.BytesIO(block)
            pieces.append(self._block.read(-1 if wanted < 0 else left))
        return b"".join(pieces)

    def peek(self, size: int = 0) -> bytes:
        """The next bytes, which stay to be read."""
        at = self._block.tell()
        found = self._block.read()
        self._block.seek(at)
        if not found and (block := next(self._blocks, None)) is not None:
            self._block, found = io.BytesIO(block), block
        return found

    def read1(self, size: int = -1) -> bytes:
        """Some of the next bytes."""
        return self.readline(size)


class TaskInput(Stream):
    """What one map task reads: splits, one after the other.

    Args:
        splits: of one file, or of several small ones.
        report: is told of the bytes that were read.
        enter: is told of each split before its first line is read.

    Attributes:
        sums: of each split how many of its bytes have been read, and their crc32.
    """

    def __init__(
        self,
        splits: Iterable[Split],
        report: Callable[[int], None] | None = None,
        enter: Callable[[Split], None] | None = None,
    ) -> None:
        self.sums: list[tuple[int, int]] = []
        self.splits = [replace(split, report=report, passed=self._add) for split in splits]
        self.current: Split | None = None
        self._enter = enter
        super().__init__(self.blocks())

    def blocks(self, longest: int | None = None) -> Iterator[bytes]:
        """The lines in blocks, as those of a `Split`; none holds lines of two files."""
        for split in self.splits:
            self.current = split
            if self._enter is not None:
                self._enter(split)
            self.sums.append((0, 0))
            yield from split.blocks(longest)

    def _add(self, data: bytes) -> None:
        size, crc = self.sums[-1]
        self.sums[-1] = size + len(data), zlib.crc32(data, crc)


def plan(paths: list[str], maps: int, marked: bool = True, format: Format | None = None) -> list[tuple[Split, ...]]:
    """What each of about `maps` map tasks reads, none less than 1 MiB where there is as much: a piece of a large file,
    or small files, in their order. At least one task for one path, so that a job has a task.

    Args:
        marked: as a `Split` has it.
        format: of the files, where it is known; `Format.at` says it for each.
    """
    sizes = [(path, os.path.getsize(path)) for path in map(absolute, paths)]
    total = sum(size for _, size in sizes)
    target = max(BLOCK, -(-total // max(maps, 1)))
    tasks: list[list[Split]] = []
    room = 0
    for path, size in sizes:
        number = max(1, round(size / target))
        one = format.at(path) if format else None
        if number > 1 and (one.reads_whole(path) if one else is_whole(path, "utf-8")):
            number = 1
        inner = [size * i // number for i in range(1, number)]
        edges = [0, *(one.edges(path, inner) if one and inner else inner), size]
        for begin, end in zip(edges, edges[1:]):
            if number > 1 and begin == end:
                continue  # a record is longer than a piece
            if not tasks or room < end - begin:
                tasks.append([])
                room = target
            tasks[-1].append(Split(path, begin, end - begin, marked, format=one))
            room -= end - begin
    return list(map(tuple, tasks))


def states(paths: list[str]) -> list[tuple[int, int]]:
    """Size and time of the last change, in ns, of files: two calls tell whether one was changed between them.

    Raises:
        UserError: one is not there.
    """
    found = []
    for path in paths:
        try:
            status = os.stat(absolute(path))
        except OSError as error:
            raise PathError(f"{path}: cannot be read: {error.strerror or error}; nothing was written") from None
        found.append((status.st_size, status.st_mtime_ns))
    return found


def refuse_changed(paths: list[str], before: list[tuple[int, int]]) -> None:
    """Raises UserError where the state of a file is not what `states` found before."""
    for path, then, now in zip(paths, before, states(paths)):
        if then != now:
            raise UserError(f"{path}: changed while it was read; nothing was written; run the job again")
