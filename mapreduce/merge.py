"""The reduce side of the shuffle: merges the sorted runs of one partition into one sorted stream of lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge as heap_merge
from typing import BinaryIO

from mapreduce.combiner import key_of

FILES = 64  # merged at a time; more runs go through runs of runs


def merge(runs: list[str], directory: str, sort_values: bool = False, memory: int = 256 << 20) -> Iterator[bytes]:
    """Lines of all runs in order of their keys' bytes, without line ends.

    Args:
        runs: paths; lines of equal keys come in the order of the paths.
        directory: where runs of runs may be written.
        sort_values: the runs are sorted by the whole line.
        memory: runs that fit are sorted in memory, which is faster than a heap.
    """
    if sum(map(os.path.getsize, runs)) * 4 <= memory:
        return _sort(runs, sort_values)
    generation = 0
    while len(runs) > FILES:
        merged = []
        for number, start in enumerate(range(0, len(runs), FILES)):
            path = os.path.join(directory, f"merge-{generation:02d}-{number:05d}")
            with open(path, "wb") as file:
                file.writelines(line + b"\n" for line in _heap(runs[start : start + FILES], sort_values))
            merged.append(path)
        runs, generation = merged, generation + 1
    return _heap(runs, sort_values)


def _sort(runs: list[str], sort_values: bool) -> Iterator[bytes]:
    data = []
    for path in runs:
        with open(path, "rb") as file:
            data.append(file.read())
    whole = b"".join(data)
    del data
    lines = whole.split(b"\n")
    lines.pop()
    if len(runs) > 1 or sort_values:
        lines.sort(key=None if sort_values else key_of)
    return iter(lines)


def _heap(runs: list[str], sort_values: bool) -> Iterator[bytes]:
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "rb")) for path in runs]
        yield from heap_merge(*map(_lines, files), key=None if sort_values else key_of)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        yield line[:-1]
