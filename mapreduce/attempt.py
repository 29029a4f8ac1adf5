"""One attempt at a task: runs the job's mapper with its combiner, or its reducer, in a folder of its own.

It does what Hadoop's task JVM does around a streaming script: environment, working directory, input, output and
counters. Which attempts run, where and how often is the executor's business (`mapreduce.executor`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Callable

from mapreduce import native
from mapreduce.combiner import add_lines
from mapreduce.committer import commit_part
from mapreduce.merge import merge, merge_blocks
from mapreduce.spill import Partition, Spill
from mapreduce.split import Split

Counters = dict[str, dict[str, int]]
JobFactory = Callable[[str], Any]


class CounterStream:
    """A task's stderr: counter and status lines are taken out, all else passes on."""

    def __init__(self) -> None:
        self.counters: Counters = {}

    def write(self, data: bytes) -> int:
        for line in data.splitlines(True):
            if line.startswith(b"reporter:counter:"):
                group, name, amount = line.decode().split(":", 2)[2].rsplit(",", 2)
                names = self.counters.setdefault(group, {})
                names[name] = names.get(name, 0) + int(amount)
            elif not line.startswith(b"reporter:status:"):
                sys.stderr.write(line.decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


@dataclass
class Settings:
    """What all tasks of a step share.

    Attributes:
        job: makes the job object for "mapper", "combiner" or "reducer".
        has_mapper, has_combiner, has_reducer: which of them the step has.
        step: number of the step, from 0.
        reduces: number of partitions; 0 for a step without a reducer.
        output: folder for the parts of this step.
        combiner_kind, reducer_kind: what the native library calls them (see `mapreduce.combiner.kind`), or None.
    """

    job: JobFactory
    has_mapper: bool
    has_combiner: bool
    has_reducer: bool
    step: int
    reduces: int
    partition: Partition
    sort_values: bool
    memory: int
    output: str
    combiner_kind: int | None
    reducer_kind: tuple[int, int] | None


def run_map(settings: Settings, split: Split, number: int, folder: str) -> dict[str, Any]:
    """Runs a map task; returns its counters and, for each partition, the paths of its sorted runs."""
    counters = CounterStream()
    if not settings.reduces:
        return {"counters": _write_part(settings, "mapper", split, number, folder, counters).counters, "runs": []}
    spill = Spill(
        folder,
        settings.reduces,
        settings.partition,
        _combine(settings, counters),
        settings.sort_values,
        settings.memory,
        settings.combiner_kind,
    )
    _run(settings, "mapper", split, spill, counters)
    spill.close()
    return {"counters": counters.counters, "runs": spill.runs}


def run_reduce(settings: Settings, runs: list[str], number: int, folder: str) -> dict[str, Any]:
    """Runs a reduce task over the runs of its partition and commits its part; returns its counters."""
    counters = CounterStream()
    if not _reduce_natively(settings, runs, number, folder):
        lines = merge(runs, folder, settings.sort_values, settings.memory)
        _write_part(settings, "reducer", lines, number, folder, counters)
    return {"counters": counters.counters}


def _reduce_natively(settings: Settings, runs: list[str], number: int, folder: str) -> bool:
    """Merges and reduces in the native library, where it is there and knows the reducer; returns whether it did."""
    known = settings.reducer_kind
    if known is None or not native.load():
        return False
    written = os.path.join(folder, "part")
    try:
        with open(written, "wb", buffering=0) as file:
            for block in merge_blocks(runs, folder, known[0], settings.sort_values, known[1]):
                _write_all(file, block)
    except native.Unsupported:
        return False
    commit_part(written, settings.output, number)
    return True


def _write_all(file: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _write_part(
    settings: Settings, task: str, lines: Iterable[bytes], number: int, folder: str, counters: CounterStream
) -> CounterStream:
    written = os.path.join(folder, "part")
    with open(written, "wb", buffering=1 << 20) as file:
        _run(settings, task, lines, file, counters)
    commit_part(written, settings.output, number)
    return counters


def _run(settings: Settings, task: str, lines: Iterable[bytes], output: Any, counters: CounterStream) -> None:
    if task == "mapper" and not settings.has_mapper:
        output.writelines(line + b"\n" for line in lines) if hasattr(output, "writelines") else _copy(lines, output)
        return
    if task == "reducer" and settings.reducer_kind and settings.reducer_kind[0] == native.ADD:
        output.writelines(line + b"\n" for line in add_lines(lines))
        return
    job = settings.job(task)
    job.sandbox(stdin=lines, stdout=output, stderr=counters)
    with redirect_stdout(sys.stderr):  # a print() in a job is words, not data
        getattr(job, f"run_{task}")(settings.step)


def _copy(lines: Iterable[bytes], output: Any) -> None:
    for line in lines:
        output.write(line + b"\n")


def _combine(settings: Settings, counters: CounterStream) -> Callable[[Iterable[bytes]], Iterator[bytes]] | None:
    if not settings.has_combiner:
        return None
    if settings.combiner_kind == native.ADD:
        return add_lines
    if settings.combiner_kind is not None and native.load():
        return None  # the library combines
    job = settings.job("combiner")

    def combine(lines: Iterable[bytes]) -> Iterator[bytes]:
        output = _Lines()
        job.sandbox(stdin=lines, stdout=output, stderr=counters)
        with redirect_stdout(sys.stderr):
            job.run_combiner(settings.step)
        return iter(b"".join(output.pieces).split(b"\n")[:-1])

    return combine


class _Lines:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(data)
        return len(data)
