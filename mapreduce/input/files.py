"""Input files: finding them, keeping what can be read once, opening whatever their compression and encoding, and blocks
of lines.

A UTF-8 byte order mark at the start of an input file is dropped, as Hadoop's TextInputFormat does. Lines end at LF. A
file whose first bytes are those of UTF-16 or UTF-32 is read as such. A further compression is a line in OPENERS.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import shutil
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from glob import glob
from typing import IO, Any, BinaryIO, cast

from mapreduce.command import limit, require
from mapreduce.errors import PathError, UserError
from mapreduce.input import first_bytes
from mapreduce.paths import absolute, is_remote, plain

BLOCK = 1 << 20
BOM = b"\xef\xbb\xbf"


def _zstd(path: str, mode: str) -> Any:
    require("pyarrow")
    import pyarrow

    return io.BufferedReader(pyarrow.input_stream(path, compression="zstd"), BLOCK)


OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _zstd}
"""What opens a file, by its suffix; such a file is read whole, by one task."""
ON_CLUSTERS = (".gz", ".bz2")
"""The suffixes of those that Hadoop opens by itself; Spark, which has Hadoop's codecs, too."""
DAMAGED: tuple[type[BaseException], ...] = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading a file that is damaged, or no longer there, raises."""


def blocks(stream: Any, longest: int | None = None, marked: bool = True) -> Iterator[bytes]:
    """The lines of a stream, in blocks of about 1 MiB that end at a line end; the rest as in `Split`."""
    while block := stream.read(BLOCK):
        block, _ = finish(block, stream, longest)
        if marked and block.startswith(BOM):
            block = block[len(BOM) :]
        marked = False
        if block:
            yield ended(block)


def pieces(stream: Any, marked: bool = True) -> Iterator[bytes]:
    """The bytes of a stream in blocks of about 1 MiB that end anywhere, the last one at a line end."""
    last = b"\n"
    while block := stream.read(BLOCK):
        last = block[-1:]
        if marked and block.startswith(BOM):
            block = block[len(BOM) :]
        marked = False
        if block:
            yield block
    if last != b"\n":
        yield b"\n"


def finish(block: bytes, stream: Any, longest: int | None) -> tuple[bytes, int]:
    """Reads on to the end of the last line; returns the block and how many bytes of the line were left out."""
    if block.endswith(b"\n"):
        return block, 0
    if longest is None:
        return block + stream.readline(), 0
    rest = stream.readline(max(0, longest - (len(block) - block.rfind(b"\n") - 1)))
    return block + rest, 0 if rest.endswith(b"\n") else sum(map(len, rest_of_line(stream)))


def rest_of_line(stream: Any) -> Iterator[bytes]:
    """Reads to the end of the line in bounded memory."""
    while piece := stream.readline(BLOCK):
        yield piece
        if piece.endswith(b"\n"):
            return


def ended(block: bytes) -> bytes:
    return block if block.endswith(b"\n") else block + b"\n"


def is_whole(path: str, encoding: str | None = None) -> bool:
    """Whether a file is read whole: it is compressed, as those in OPENERS are, or not in UTF-8."""
    return os.path.splitext(path)[1] in OPENERS or is_transcoded(path, encoding)


def is_transcoded(path: str, encoding: str | None = None) -> bool:
    """Whether a file is not in UTF-8, by what is said of its encoding or by its first bytes."""
    if encoding:
        return not means_utf8(encoding)
    if os.path.splitext(path)[1] in OPENERS:
        try:
            with open_input(path, "utf-8") as file:
                return first_bytes.encoding(file.read(first_bytes.ENOUGH)) is not None
        except DAMAGED:
            return False
    return first_bytes.encoding(_head(path)) is not None


def means_utf8(encoding: str) -> bool:
    """Whether a name means UTF-8.

    Raises:
        UserError: it is the name of no encoding.
    """
    try:
        return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    except LookupError:
        raise UserError(f"--encoding {encoding}: no such text encoding; try utf-8, utf-16, cp1252 or latin-1") from None


def _head(path: str) -> bytes:
    try:
        with open(absolute(path), "rb") as file:
            return file.read(first_bytes.ENOUGH)
    except OSError:
        return b""  # who opens it says why


def open_input(path: str, encoding: str | None = None) -> BinaryIO:
    """Opens a file to read its decompressed bytes, every member of it, as UTF-8.

    Args:
        encoding: what its text is in, as `codecs` knows it; None is UTF-8 where its first bytes show no other one, and
            with UTF-8 they are not asked.

    Raises:
        UserError: it cannot be opened.
    """
    try:
        opener: Callable[..., Any] = OPENERS.get(os.path.splitext(path)[1], open)
        return as_utf8(cast(BinaryIO, opener(absolute(path), "rb")), encoding)
    except DAMAGED as error:
        reason = getattr(error, "strerror", None)
        said = f"cannot be read: {reason}" if reason else f"damaged or unreadable: {error}"
        raise PathError(f"{shown(path)}: {said}") from None


def as_utf8(stream: BinaryIO, encoding: str | None = None) -> BinaryIO:
    """A stream of the same text in UTF-8; the stream itself where it is so already."""
    if encoding is None and hasattr(stream, "peek"):
        encoding = first_bytes.encoding(stream.peek(first_bytes.ENOUGH)[: first_bytes.ENOUGH])
    if encoding is None or means_utf8(encoding):
        return stream
    return cast(BinaryIO, io.BufferedReader(_Transcoded(stream, encoding), BLOCK))


class _Transcoded(io.RawIOBase):
    """A stream's text in UTF-8; what the encoding does not know becomes U+FFFD."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._ready = stream, b""
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder(encoding)("replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and self._decoder is not None:
            piece = self._stream.read(BLOCK)
            self._ready = self._decoder.decode(piece, final=not piece).encode("utf-8", "replace")
            if not piece:
                self._decoder = None
        some, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(some)] = some
        return len(some)

    def close(self) -> None:
        self._stream.close()
        super().close()


class Lines(io.RawIOBase):
    """A stream of lines that a generator makes as they are read."""

    def __init__(self, lines: Generator[bytes, None, None]) -> None:
        self._lines, self._ready = lines, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all there are."""
        found, length = [self._ready], len(self._ready)
        for line in self._lines if size < 0 or length < size else ():
            found.append(line)
            length += len(line)
            if 0 <= size <= length:
                break
        data = b"".join(found)
        self._ready = data[size:] if size >= 0 else b""
        return data[:size] if size >= 0 else data

    def readline(self, size: int | None = -1) -> bytes:
        """The next line, or at most so many bytes of it."""
        line = self._ready or next(self._lines, b"")
        end = line.find(b"\n") + 1 or len(line)
        end = end if size is None or size < 0 else min(end, size)
        self._ready = line[end:]
        return line[:end]

    def close(self) -> None:
        """Ends the generator, which closes what it reads."""
        self._lines.close()
        super().close()


class Source:
    """An input file that is looked into before it is read.

    Args:
        path: of a file on this machine; "-" is standard input.
        keep: whether the file stays open after the look, so that it is opened once. It has to be where it can be
            read once only, and then it is whatever is said here.
        encoding: as `open_input` takes it.
    """

    def __init__(self, path: str, keep: bool = False, encoding: str | None = None) -> None:
        self.path, self.name, self._encoding = path, shown(path), encoding
        self._stream: IO[bytes] | None = None
        self._keep = keep or path == "-" or not os.path.isfile(absolute(path))
        self._head: bytes | None = None

    def head(self, size: int = BLOCK) -> bytes:
        """The first bytes, at most a MiB, without a byte order mark; decompressed, in UTF-8. Of a file that does not
        stay open nothing is kept.

        Raises:
            UserError: the file cannot be read.
        """
        return self._look(lambda stream: stream.read(size))[:size].removeprefix(BOM)

    def first(self) -> bytes:
        """The first line without its end, or the first MiB of it.

        Raises:
            UserError: the file cannot be read.
        """
        line = self._look(lambda stream: stream.readline(BLOCK)).removeprefix(BOM)
        return line.partition(b"\n")[0].removesuffix(b"\r")

    def _look(self, look: Callable[[IO[bytes]], bytes]) -> bytes:
        if self._head is not None:
            return self._head
        with self._explained():
            if self._keep:
                self._stream = self._open()
                self._head = self._stream.read(BLOCK)
                return self._head
            with self._open() as stream:
                return look(stream)

    def stream(self) -> Any:
        """The whole file, as `blocks` reads it.

        Raises:
            UserError: the file cannot be read.
        """
        if self._stream is None:
            self._stream, self._head = self._open(), b""
        return _Begun(self._head or b"", self._stream)

    def blocks(self, longest: int | None = None, cut: bool = True) -> Iterator[bytes]:
        """All lines of the file, in blocks as those of a `Split`; closes it.

        Raises:
            UserError: the file cannot be read.
        """
        try:
            with self._explained():
                yield from blocks(self.stream(), longest) if cut else pieces(self.stream())
        finally:
            self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._stream is not None and self.path != "-":
            self._stream.close()
        self._stream = None

    def __del__(self) -> None:
        self.close()  # one that was looked into and then not read

    def _open(self) -> BinaryIO:
        if self.path == "-":
            return as_utf8(sys.stdin.buffer, self._encoding)
        return open_input(self.path, self._encoding)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except DAMAGED as error:
            raise UserError(f"{self.name}: damaged or unreadable: {error}") from None


class _Begun:
    """A stream of which the first bytes have been read."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def read(self, size: int = -1) -> bytes:
        found = self._head.read(size)
        if size < 0 or len(found) < size:
            found += self._rest.read(size - len(found) if size >= 0 else -1)
        return found

    def readline(self, size: int = -1) -> bytes:
        found = self._head.readline(size)
        if not found.endswith(b"\n") and (size < 0 or len(found) < size):
            found += self._rest.readline(size - len(found) if size >= 0 else -1)
        return found


def expand(patterns: list[str]) -> list[str]:
    """The local files behind paths, folders and globs, sorted within each. Names with _ or . before them are left out
    of folders and globs, as on Hadoop; what is named itself is read whatever its name.

    Raises:
        PathError: a path does not exist, holds or matches nothing, or is not on this machine.
    """
    found: list[str] = []
    for pattern in patterns:
        pattern = plain(pattern)
        if is_remote(pattern):
            raise PathError(f"{pattern}: this runner reads local files; use -r hadoop for other file systems")
        if os.path.lexists(absolute(pattern)):
            paths = [pattern]
        else:
            paths = [path for path in _glob(pattern) if not _is_hidden(path)]
        if not paths:
            raise PathError(f"{pattern}: no such input file; give a file, a folder, a glob, or - for standard input")
        files = [file for path in paths for file in _files(path, () if path == pattern else (pattern,))]
        if not files:
            raise PathError(f"{pattern}: no files there to read (names with _ or . before them are left out)")
        found += files
    return found


def _glob(pattern: str) -> list[str]:
    found = sorted(glob(absolute(pattern)))
    if os.path.isabs(pattern):
        return found
    here = absolute(".")
    return [os.path.relpath(path, here) for path in found]


def _is_hidden(path: str) -> bool:
    return os.path.basename(path).startswith(("_", "."))


def _files(path: str, above: tuple[str, ...] = ()) -> list[str]:
    place = absolute(path)
    if not os.path.isdir(place):
        if not os.path.exists(place):
            raise PathError(f"{path}: a link to a file that is not there")
        if above and _is_read_once(place):
            raise PathError(f"{path}: a pipe, or a file of unknown size, is read where it is named itself")
        return [path]
    real = os.path.realpath(place)
    if real in above:
        raise PathError(f"{path}: a link back to a folder that it stands in")
    try:
        names = sorted(os.listdir(real))
    except OSError as error:
        raise PathError(f"{path}: cannot be read: {error.strerror or error}") from None
    return [f for n in names if not _is_hidden(n) for f in _files(os.path.join(path, n), (*above, real))]


_copies: dict[str, str] = {}
"""Copies of what can be read once only, and what the user calls it."""


def shown(path: str) -> str:
    """What the user calls an input file: of a copy the name of what it was made of, "-" for standard input."""
    return _copies.get(path, path)


def note_copy(copy: str, path: str) -> None:
    """Gives a copy the name that the user has for what it was made of."""
    _copies[copy] = path


def keep(paths: list[str], stdin: IO[bytes], folder: Callable[[], str]) -> list[str]:
    """The paths with a copy in place of each that can be read once only: standard input ("-"), a pipe, a device, or a
    file of a size that the system does not know, as those in /proc. It is read to its end now, as it is.

    Args:
        folder: makes a folder for copies, where one is needed.

    Raises:
        PathError: it cannot be read.
    """
    kept: dict[str, str] = {}
    real: dict[str, str] = {}  # a pipe that is named in two ways is one
    for path in dict.fromkeys(paths):
        if path == "-" or _is_read_once(absolute(path)):
            same = real.setdefault(path if path == "-" else os.path.realpath(absolute(path)), path)
            if same != path:
                kept[path] = kept[same]
                continue
            name = "stdin" if path == "-" else os.path.basename(plain(path))
            kept[path] = copy = os.path.join(folder(), name)
            _copies[copy] = path
            try:
                opened = nullcontext(stdin) if path == "-" else open(absolute(path), "rb")
                with open(copy, "wb") as target, opened as source:
                    shutil.copyfileobj(source, target, BLOCK)
            except OSError as error:
                if limit(error):  # the system's, not the input's
                    raise
                raise PathError(f"{path}: cannot be read: {error.strerror or error}") from None
    return [kept.get(path, path) for path in paths]


def _is_read_once(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False  # it may be a glob
    if not stat.S_ISREG(status.st_mode):
        return not stat.S_ISDIR(status.st_mode)
    if status.st_size and not os.path.realpath(path).startswith(("/proc/", "/sys/")):
        return False
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return True  # who reads it says what is wrong
