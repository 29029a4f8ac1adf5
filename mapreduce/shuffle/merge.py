"""The reduce side of the shuffle: merges the sorted runs of one partition into one sorted stream of lines.

Runs are merged a few at a time, so any number of them takes bounded memory and few open files; the next line of each is
in memory, so where lines are long they are fewer. The native library
merges where it is there; `heapq` does else. Lines that are equal by what is sorted by come in the order of the runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from heapq import merge as heap_merge
from typing import Any, BinaryIO

from mapreduce.native import library as native
from mapreduce.shuffle.combine import LEAST
from mapreduce.shuffle.lines import key_of, longest_line
from mapreduce.shuffle.memory import files_at_once, task_memory

_KEYS: dict[int, Any] = {
    native.BY_KEY: key_of,
    native.BY_LINE: None,
    native.BY_VALUE: lambda line: line.partition(b"\t"),  # they all have a tab
}


def merge(runs: list[str], directory: str, order: int = native.BY_KEY, memory: int = 256 << 20) -> Iterator[bytes]:
    """Lines of all runs in their order, without line ends.

    Args:
        runs: paths; lines of equal keys come in the order of the paths.
        directory: where runs of runs may be written.
        order: what the runs are sorted by: BY_KEY, BY_LINE or BY_VALUE of `mapreduce.native.library`.
        memory: runs that fit are sorted in memory where there is no native library, which is faster than a heap.
    """
    if native.load():
        return _lines_of(merge_blocks(runs, directory, native.AS_IS, order))
    if sum(map(os.path.getsize, runs)) * (12 if order == native.BY_VALUE else 6) <= memory:
        return _sort(runs, order)
    runs = _few(runs, directory, lambda group: (line + b"\n" for line in _heap(group, order)))
    return _heap(runs, order)


def merge_blocks(
    runs: list[str], directory: str, kind: int, order: int = native.BY_KEY, minimum: int = LEAST
) -> Iterator[bytes]:
    """Blocks of merged lines by the native library, which adds the lines of one key as `kind` says.

    Raises:
        native.Unsupported: values that the library cannot add; nothing before it was wrong.
    """
    library = native.load()
    runs = _few(runs, directory, lambda group: native.merged(library, group, kind, order))
    yield from native.merged(library, runs, kind, order, minimum)


def _few(runs: list[str], directory: str, merged: Callable[[list[str]], Iterable[bytes]]) -> list[str]:
    """Runs that can be merged at a time: the same, or runs of runs."""
    most, generation = max(2, min(files_at_once(), 2 * task_memory() // longest_line(runs))), 0
    while len(runs) > most:
        groups = [runs[i : i + most] for i in range(0, len(runs), most)]
        runs = [os.path.join(directory, f"merge-{generation:02d}-{number:05d}") for number in range(len(groups))]
        for path, group in zip(runs, groups):
            with open(path, "wb") as file:
                file.writelines(merged(group))
        generation += 1
    return runs


def _sort(runs: list[str], order: int) -> Iterator[bytes]:
    lines: list[bytes] = []
    for path in runs:
        with open(path, "rb") as file:
            lines += file.read().split(b"\n")
            lines.pop()
    if len(runs) > 1:
        lines.sort(key=_KEYS[order])
    return iter(lines)


def _heap(runs: list[str], order: int) -> Iterator[bytes]:
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "rb")) for path in runs]
        yield from heap_merge(*map(_lines, files), key=_KEYS[order])


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        yield line[:-1]


def _lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        lines = block.split(b"\n")
        lines.pop()
        yield from lines
