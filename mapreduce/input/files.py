"""Input splits: byte ranges of files, cut at line ends, and the blocks of whole lines that are read from them.

A range owns the lines that begin in it, so nothing is copied or split on disk. Compressed files are one split
each. A UTF-8 byte order mark at the start of an input file is dropped, as Hadoop's TextInputFormat does. Lines end
at LF.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from typing import IO, Any, BinaryIO, cast

from mapreduce.errors import UserError
from mapreduce.paths import absolute, is_remote, plain

BLOCK = 1 << 20
REDUCE_BYTES = 64 << 20  # of input for each reduce task
_BOM = b"\xef\xbb\xbf"
DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading a file that is damaged, or no longer there, raises."""
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Split:
    """A byte range of a file; of a compressed file always the whole."""

    path: str
    start: int
    length: int
    marked: bool = True
    """Whether a byte order mark at the start of the file is none of its text; in what a job has written it is."""
    report: Callable[[int], None] | None = field(default=None, compare=False)
    """Is told of the bytes that were read."""

    def blocks(self, longest: int | None = None) -> Iterator[bytes]:
        """The lines that begin in this range, in blocks of about 1 MiB that end at a line end.

        Lines of more than `longest` bytes may come cut, but no shorter than that.
        """
        try:
            yield from self._blocks(longest)
        except DAMAGED as error:
            raise UserError(f"{self.path}: damaged or unreadable: {error}") from None

    def _blocks(self, longest: int | None) -> Iterator[bytes]:
        end = self.start + self.length
        with open_input(self.path) as file:
            if is_compressed(self.path):
                yield from blocks(file, longest, self.marked)
                self._report(self.length)
                return
            position = self.start
            if position:
                file.seek(position - 1)
                position += _skip_line(file) - 1
            while position < end:
                block = file.read(min(BLOCK, end - position))
                if not block:
                    return  # the file has become shorter
                block, skipped = _finish(block, file, longest)
                drop = len(_BOM) if self.marked and position == 0 and block.startswith(_BOM) else 0
                position += len(block) + skipped
                self._report(len(block) + skipped)
                if len(block) > drop:
                    yield _ended(block[drop:])

    def _report(self, amount: int) -> None:
        if self.report is not None:
            self.report(amount)

    def __iter__(self) -> Iterator[bytes]:
        """The lines that begin in this range, without their LF."""
        for block in self.blocks():
            yield from block.split(b"\n")[:-1]


def blocks(stream: Any, longest: int | None = None, marked: bool = True) -> Iterator[bytes]:
    """The lines of a stream, in blocks of about 1 MiB that end at a line end; the rest as in `Split`."""
    while block := stream.read(BLOCK):
        block, _ = _finish(block, stream, longest)
        if marked and block.startswith(_BOM):
            block = block[len(_BOM) :]
        marked = False
        if block:
            yield _ended(block)


def _finish(block: bytes, stream: Any, longest: int | None) -> tuple[bytes, int]:
    """Reads on to the end of the last line; returns the block and how many bytes of the line were left out."""
    if block.endswith(b"\n"):
        return block, 0
    if longest is None:
        return block + stream.readline(), 0
    rest = stream.readline(max(0, longest - (len(block) - block.rfind(b"\n") - 1)))
    return block + rest, 0 if rest.endswith(b"\n") else _skip_line(stream)


def _skip_line(stream: Any) -> int:
    """Reads to the end of the line in bounded memory; returns the number of bytes."""
    skipped = 0
    while piece := stream.readline(BLOCK):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def _ended(block: bytes) -> bytes:
    return block if block.endswith(b"\n") else block + b"\n"


def is_compressed(path: str) -> bool:
    """Whether the suffix is .gz, .bz2 or .xz."""
    return os.path.splitext(path)[1] in _OPENERS


def open_input(path: str) -> BinaryIO:
    """Opens a file to read its decompressed bytes, every member of it.

    Raises:
        UserError: it cannot be opened.
    """
    try:
        opener: Callable[..., Any] = _OPENERS.get(os.path.splitext(path)[1], open)
        return cast(BinaryIO, opener(path, "rb"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


class Source:
    """An input file that is looked into before it is read.

    Args:
        path: of a file on this machine; "-" is standard input.
        keep: whether the file stays open after the look, so that it is opened once. It has to be where it can be
            read once only, and then it is whatever is said here.
    """

    def __init__(self, path: str, keep: bool = False) -> None:
        self.path = path
        self._keep = keep or not os.path.isfile(path)
        self._stream: IO[bytes] | None = None
        self._head: bytes | None = None

    def first(self) -> bytes:
        """The first line without its end and without a byte order mark, or the first MiB of it.

        Raises:
            UserError: the file cannot be read.
        """
        if self._head is None:
            self._stream = sys.stdin.buffer if self.path == "-" else open_input(self.path)
            with self._explained():
                self._head = self._stream.readline(BLOCK)
            if not self._keep:
                self.close()
        return self._head.removeprefix(_BOM).rstrip(b"\r\n")

    def blocks(self, longest: int | None = None) -> Iterator[bytes]:
        """All lines of the file, in blocks as those of a `Split`; closes it.

        Raises:
            UserError: the file cannot be read.
        """
        try:
            self.first()
            if self._stream is None:
                self._stream, self._head = open_input(self.path), b""
            with self._explained():
                yield from blocks(_Begun(self._head or b"", self._stream), longest)
        finally:
            self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._stream is not None and self.path != "-":
            self._stream.close()
        self._stream = None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DAMAGED as error:
            raise UserError(f"{self.path}: damaged or unreadable: {error}") from None


class _Begun:
    """A stream of which the first bytes have been read."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._rest.read(size)

    def readline(self, size: int = -1) -> bytes:
        return self._rest.readline(size)


def plan(paths: list[str], maps: int, marked: bool = True) -> list[Split]:
    """Cuts files into about `maps` splits, none smaller than 1 MiB; at least one, so that a job has a task."""
    sizes = [(absolute(path), os.path.getsize(path)) for path in paths]
    total = sum(size for _, size in sizes)
    target = max(BLOCK, -(-total // max(maps, 1)))
    splits = []
    for path, size in sizes:
        pieces = 1 if is_compressed(path) else max(1, round(size / target))
        edges = [size * i // pieces for i in range(pieces + 1)]
        splits += [Split(path, a, b - a, marked) for a, b in zip(edges, edges[1:])]
    return splits


def default_reduces(input_bytes: int) -> int:
    """Number of reduce tasks where none is asked for: one for every 64 MiB of input, rounded up, 1 to 100.

    It depends on the input alone, so every runner and every machine writes the same parts.

    Example:
        >>> default_reduces(0), default_reduces(100_000_000)
        (1, 2)
    """
    return min(max(1, -(-input_bytes // REDUCE_BYTES)), 100)


def states(paths: list[str]) -> list[tuple[int, int]]:
    """Size and time of the last change, in ns, of files: two calls tell whether one was changed between them.

    Raises:
        UserError: one is not there.
    """
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}; nothing was written") from None
        found.append((status.st_size, status.st_mtime_ns))
    return found


def refuse_changed(paths: list[str], before: list[tuple[int, int]]) -> None:
    """Raises UserError where the state of a file is not what `states` found before."""
    for path, then, now in zip(paths, before, states(paths)):
        if then != now:
            raise UserError(f"{path}: changed while it was read; nothing was written; run the job again")


def expand(patterns: list[str]) -> list[str]:
    """The local files behind paths, globs and folders, sorted within each; names with _ or . before them are left
    out of folders and globs, as on Hadoop.

    Raises:
        UserError: a path does not exist, matches nothing, or is not on this machine.
    """
    found: list[str] = []
    for pattern in patterns:
        pattern = plain(pattern)
        if is_remote(pattern):
            raise UserError(f"{pattern}: this runner reads local files; use -r hadoop for other file systems")
        if os.path.isfile(pattern):
            found.append(pattern)
            continue
        files = [f for path in sorted(glob(pattern)) for f in _visible(path)]
        if not files:
            raise UserError(f"{pattern}: no such input file; give a file, a folder, a glob, or - for standard input")
        found += files
    return found


def _visible(path: str) -> list[str]:
    if os.path.basename(path).startswith(("_", ".")):
        return []
    if not os.path.isdir(path):
        return [path]
    return [f for name in sorted(os.listdir(path)) for f in _visible(os.path.join(path, name))]
