"""What a task may keep in memory and open, and a sort that keeps to it whatever the data: the rest is in files."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import Any, BinaryIO

OVERHEAD = 160
"""Bytes that a line costs beside its own: two bytes objects, its place in a list and in a table."""
FILES = 64
"""Runs that are merged at a time, and files that are open for it, where the system lets so many be open."""


def files_at_once() -> int:
    """How many files a merge may have open: `FILES`, and no more than half of what the process may open at all."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return FILES if most < 0 else max(2, min(FILES, most // 2))


def task_memory() -> int:
    """Bytes that a task may take to count, and again to sort: Hadoop's mapreduce.task.io.sort.mb, which a task finds in
    its environment (100 MB unless set); the local runner sets it by --sort-memory."""
    return int(os.environ.get("mapreduce_task_io_sort_mb", "100")) << 20


def sorted_lines(
    lines: Iterable[bytes], key: Callable[[bytes], Any] | None = None, reverse: bool = False
) -> Iterator[bytes]:
    """Like `sorted`, for lines without their ends, however many: memory holds `task_memory` of them.

    Example:
        >>> list(sorted_lines([b"b", b"a"]))
        [b'a', b'b']
    """
    room = most = task_memory()
    held: list[bytes] = []
    files: list[BinaryIO] = []
    for line in lines:
        held.append(line)
        room -= len(line) + OVERHEAD
        if room < 0:
            held.sort(key=key, reverse=reverse)
            files.append(_written(held))
            held, room = [], most
            if len(files) >= files_at_once():
                files = [_written(merge(*map(_read, files), key=key, reverse=reverse))]
    held.sort(key=key, reverse=reverse)
    return merge(*map(_read, files), held, key=key, reverse=reverse) if files else iter(held)


def _written(lines: Iterable[bytes]) -> BinaryIO:
    file = tempfile.TemporaryFile()
    file.writelines(line + b"\n" for line in lines)
    file.seek(0)
    return file


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        for line in file:
            yield line[:-1]
