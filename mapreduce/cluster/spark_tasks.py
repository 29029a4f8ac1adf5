"""What Spark's tasks do on a node: the local runner's tasks, whose input and output are in Spark's hands.

`mapreduce.cluster.spark_driver` says which tasks there are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from mapreduce.input.files import BLOCK, BOM
from mapreduce.input.splits import Split, TaskInput
from mapreduce.input.splits import plan as plan_splits
from mapreduce.local import attempt
from mapreduce.local.streams import CounterStream
from mapreduce.output.manifest import Counters


def plan(job: Any, names: dict[str, str], maps: int) -> list[tuple[Split, ...]]:
    """What each of about so many map tasks reads of files that every node has; `names` are what the user calls them."""
    planned = plan_splits([*names], maps, format=job.input_format)
    return [tuple(replace(split, name=names[split.path]) for split in splits) for splits in planned]


class _Noted(TaskInput):
    """A map task's input that knows what was read last, as `mapreduce.cluster.node.Watched` does.

    Attributes:
        counters: of the steps before.
    """

    counters: list[Any]
    _before, _last = 0, b""

    def blocks(self, longest: int | None = None) -> Iterator[bytes]:
        """The lines in blocks; none holds lines of two files."""
        for block in self._given(longest):
            self._before += self._last.count(b"\n")
            self._last = block
            yield block

    def _given(self, longest: int | None) -> Iterator[bytes]:
        raise NotImplementedError

    def _entered(self) -> None:
        self._before, self._last = 0, b""

    @property
    def lines(self) -> list[bytes]:
        """The line that was read last, or those of the block."""
        return self._read()[-1:] or self._last.splitlines(True)

    @property
    def before(self) -> int:
        """How many lines of the file, or of the task's part of it, are before them."""
        return self._before + max(0, len(self._read()) - 1)

    def _read(self) -> list[bytes]:
        """The lines of the block that were read one by one."""
        return self._block.getvalue()[: self._block.tell()].splitlines(True)


class RowInput(_Noted):
    """A map task's input from Spark: rows (file, place in it, line) or blocks that a step has written, and counters."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self.counters = []
        super().__init__(())

    def _given(self, longest: int | None) -> Iterator[bytes]:
        lines: list[bytes] = []
        size, last = 0, None
        for item in self._items:
            if item[0] == "block":
                yield item[1]
            elif item[0] == "counters":
                self.counters += json.loads(item[1])
            elif item[0] not in ("part", "sum"):
                path, start, line = item
                if (path, start) != last:
                    if lines:
                        yield b"\n".join([*lines, b""])
                    lines, size, last = [], 0, (path, start)
                    self._entered()
                    os.environ.update(attempt.named(file=path, start=str(start)))
                    line = line.removeprefix(BOM) if start == 0 else line
                lines.append(line)
                size += len(line) + 1
                if size > BLOCK:
                    yield b"\n".join([*lines, b""])
                    lines, size = [], 0
        if lines:
            yield b"\n".join([*lines, b""])


class SplitInput(_Noted):
    """A map task's input that it reads itself."""

    def __init__(self, splits: Iterable[Split]) -> None:
        self.counters = []
        super().__init__(splits, enter=self._enter_split)

    def _given(self, longest: int | None) -> Iterator[bytes]:
        return TaskInput.blocks(self, longest)

    def _enter_split(self, split: Split) -> None:
        self._entered()
        attempt.enter(split)


def source(items: Iterable[Any]) -> RowInput | SplitInput:
    """What a map task reads."""
    items = iter(items)
    first = next(items, None)
    if first is None:
        return RowInput(items)
    if isinstance(first[0], Split):
        return SplitInput(chain(first, *items))
    return RowInput(chain([first], items))


def run_map(settings: attempt.StepSettings, given: TaskInput, number: int, folder: str) -> tuple[list[Any], Counters]:
    """Runs a map task; returns for each partition the paths of its sorted runs, and the counters."""
    counters = CounterStream()
    runs = attempt.map_input(settings, given, number, folder, counters)
    if isinstance(given, RowInput):
        for _ in given.blocks():
            pass  # a mapper may leave lines unread, and behind them are counters
    return runs, counters.counters


def run_reduce(settings: attempt.StepSettings, items: Iterable[Any], number: int, folder: str) -> Counters:
    """Runs a reduce task over runs from the shuffle; returns its counters. They are merged in the order of tasks."""
    paths = []
    for _, (task, run, data) in items:
        paths.append(os.path.join(folder, f"run-{task:08d}-{run:08d}"))
        with open(paths[-1], "wb") as file:
            file.write(data)
    found: Counters = attempt.run_reduce(settings, sorted(paths), number, folder, lambda amount: None)["counters"]
    return found


def part(folder: str, number: int, sums: bool) -> Iterator[tuple[int, tuple[str, Any]]]:
    """A part as items: its number, its lines in blocks, and with `sums` what a manifest says of it, and its lines."""
    yield 1, ("part", number)
    size, lines, digest = 0, 0, hashlib.sha256()
    with open(os.path.join(folder, f"part-{number:05d}"), "rb") as file:
        while block := file.read(BLOCK):
            block += b"" if block.endswith(b"\n") else file.readline()
            if sums:
                digest.update(block)
                size, lines = size + len(block), lines + block.count(b"\n")
            yield 1, ("block", block)
    if sums:
        yield 1, ("sum", ({"name": f"part-{number:05d}", "size": size, "sha256": digest.hexdigest()}, lines))
