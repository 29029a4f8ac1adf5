"""The map side of the shuffle: takes a map task's output lines, combines and sorts them, and spills sorted runs.

A run is a file of lines in order of their keys' bytes, one run a partition and spill. Runs are merged in
`mapreduce.shuffle.merge`. Values of one key keep the order in which they came, or are sorted too. The native library
sorts where it is there and knows the combiner; a Python combiner gets its lines from Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from mapreduce.native import library as native
from mapreduce.shuffle.combine import add_lines
from mapreduce.shuffle.lines import key_of, long_run, with_tabs
from mapreduce.shuffle.memory import OVERHEAD, task_memory
from mapreduce.shuffle.partition import seed_of

Combine = Callable[[Iterable[bytes]], Iterator[bytes]]
Partition = Callable[[bytes, int], int]


class Spill:
    """Where the mapper writes: a binary stream to it, sorted runs to the reducers.

    Args:
        directory: where runs go.
        reduces: number of partitions.
        partition: (key, reduces) -> partition.
        combine: sorted lines to combined lines, or None; not with BY_VALUE, whose order it would not keep.
        order: what lines are sorted by: BY_KEY, BY_LINE or BY_VALUE of `mapreduce.native.library`.
        memory: bytes that lines may take, with what it costs to sort them, before a spill; None is `task_memory`.
        kind: what the native library calls the combiner, or None (see `mapreduce.shuffle.combine.kind`).

    Attributes:
        runs: for every partition the paths of its runs.
    """

    def __init__(
        self,
        directory: str,
        reduces: int,
        partition: Partition,
        combine: Combine | None = None,
        order: int = native.BY_KEY,
        memory: int | None = None,
        kind: int | None = None,
    ) -> None:
        self.runs: list[list[str]] = [[] for _ in range(reduces)]
        self._directory, self._partition, self._combine = directory, partition, combine
        self._order, self._memory = order, memory or task_memory()
        self._pieces: list[bytes] = []
        self._pending = 0
        self._groups: dict[bytes, bytes | list[bytes]] = {}  # a line that is alone needs no list
        self._used = 0
        self._sorter: native.Sorter | None = None
        if kind is not None and (library := native.load()):
            self._sorter = native.Sorter(library, reduces, seed_of(partition), kind, order, self._memory)

    def write(self, data: bytes) -> int:
        """Takes output, any number of bytes at a time."""
        self._pieces.append(data)
        self._pending += len(data)
        if self._pending > 1 << 20 and data.endswith(b"\n"):
            self._take()
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Takes pieces of output."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing: lines are kept until they are spilled."""

    def close(self) -> None:
        """Spills what is left."""
        self._take()
        if self._sorter is not None:
            self._spill_sorter(self._sorter)
        elif self._groups:
            self._spill()

    def _take(self) -> None:
        data = b"".join(self._pieces)
        self._pieces, self._pending = [], 0
        if data and not data.endswith(b"\n"):
            data += b"\n"
        if self._sorter is not None:
            try:
                is_time = self._sorter.write(data)
            except native.Unsupported:
                is_time = self._sorter.write(with_tabs(data))
            if is_time:
                self._spill_sorter(self._sorter)
            return
        data = data if self._order == native.BY_LINE else with_tabs(data)
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        groups = self._groups
        for line in lines:
            key = line.partition(b"\t")[0]
            if key not in groups:
                groups[key] = line
            elif isinstance(group := groups[key], list):
                group.append(line)
            else:
                groups[key] = [group, line]
        self._used += sum(map(len, lines)) + OVERHEAD * len(lines)
        if self._used > self._memory:
            self._spill()

    def _sorted_lines(self) -> Iterator[bytes]:
        keys = self._groups if self._order == native.BY_LINE else sorted(self._groups)
        groups = ([group] if isinstance(group, bytes) else group for group in map(self._groups.__getitem__, keys))
        lines = chain.from_iterable(map(sorted, groups) if self._order == native.BY_VALUE else groups)
        return iter(sorted(lines)) if self._order == native.BY_LINE else lines

    def _added(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys in order, each with its one line."""
        for key in sorted(self._groups):
            group = self._groups[key]
            yield key, group if isinstance(group, bytes) else next(add_lines(group))

    def _spill(self) -> None:
        reduces = len(self.runs)
        partitions: list[list[bytes]] = [[] for _ in range(reduces)]
        if self._combine is add_lines:
            for key, line in self._added():
                partitions[self._partition(key, reduces)].append(line)
        else:
            lines = self._sorted_lines()
            last_key, target = None, partitions[0]
            for line in self._combine(lines) if self._combine is not None else lines:
                key = key_of(line)
                if key != last_key:
                    last_key, target = key, partitions[self._partition(key, reduces)]
                target.append(line)
        for number, run in enumerate(partitions):
            if run:
                path = long_run(self._path(number), max(map(len, run)))
                with open(path, "wb") as file:
                    run.append(b"")
                    file.write(b"\n".join(run))
                self.runs[number].append(path)
        self._groups, self._used = {}, 0

    def _spill_sorter(self, sorter: native.Sorter) -> None:
        paths = [self._path(number) for number in range(len(self.runs))]
        written, longest = sorter.spill(paths)
        for number in filter(written.__getitem__, range(len(paths))):
            path = long_run(paths[number], longest)
            if path != paths[number]:
                os.rename(paths[number], path)
            self.runs[number].append(path)

    def _path(self, partition: int) -> str:
        return os.path.join(self._directory, f"spill-{len(self.runs[partition]):05d}-{partition:05d}")
