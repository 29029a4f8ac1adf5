"""Input splits: byte ranges of files, one a map task, and what must not change while they are read.

A range owns the lines that begin in it, so nothing is copied or cut on disk. A compressed file is one split.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mapreduce.errors import UserError
from mapreduce.input.files import BLOCK, BOM, DAMAGED, blocks, ended, finish, is_whole, open_input, skip_line
from mapreduce.paths import absolute


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
            if is_whole(self.path):
                yield from blocks(file, longest, self.marked)
                self._report(self.length)
                return
            position = self.start
            if position:
                file.seek(position - 1)
                position += skip_line(file) - 1
            while position < end:
                block = file.read(min(BLOCK, end - position))
                if not block:
                    return  # the file has become shorter
                block, skipped = finish(block, file, longest)
                drop = len(BOM) if self.marked and position == 0 and block.startswith(BOM) else 0
                position += len(block) + skipped
                self._report(len(block) + skipped)
                if len(block) > drop:
                    yield ended(block[drop:])

    def _report(self, amount: int) -> None:
        if self.report is not None:
            self.report(amount)

    def __iter__(self) -> Iterator[bytes]:
        """The lines that begin in this range, without their LF."""
        for block in self.blocks():
            yield from block.split(b"\n")[:-1]


def plan(paths: list[str], maps: int, marked: bool = True) -> list[Split]:
    """Cuts files into about `maps` splits, none smaller than 1 MiB; at least one, so that a job has a task."""
    sizes = [(absolute(path), os.path.getsize(path)) for path in paths]
    total = sum(size for _, size in sizes)
    target = max(BLOCK, -(-total // max(maps, 1)))
    splits = []
    for path, size in sizes:
        pieces = 1 if is_whole(path) else max(1, round(size / target))
        edges = [size * i // pieces for i in range(pieces + 1)]
        splits += [Split(path, a, b - a, marked) for a, b in zip(edges, edges[1:])]
    return splits


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
