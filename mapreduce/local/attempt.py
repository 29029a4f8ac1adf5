"""One attempt at a task: runs the job's mapper with its combiner, or its reducer, in a folder of its own.

It does what Hadoop's task JVM does around a streaming script: input, output and counters. Environment and working
directory are there already. Which attempts run, and where, is the executor's business
(`mapreduce.local.executor`); how often a task is tried is said here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any, Callable

from mapreduce.input.splits import Split
from mapreduce.local.executor import Report
from mapreduce.native import library as native
from mapreduce.output.committer import commit_part
from mapreduce.output.manifest import Counters
from mapreduce.shuffle.combine import PairCombiner, add_lines
from mapreduce.shuffle.lines import with_tabs
from mapreduce.shuffle.merge import merge, merge_blocks
from mapreduce.shuffle.partition import hash_partition, key_field_partition
from mapreduce.shuffle.spill import Spill, task_memory

ATTEMPTS = 4
"""How often a task is tried in all, unless mapreduce.map.maxattempts or its twin for reduce says otherwise."""


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


@dataclass(frozen=True)
class StepSettings:
    """What all tasks of a step share: data that can be written down, save the class.

    Attributes:
        job_class: the job's.
        arguments: of the job for "mapper", "combiner" and "reducer".
        has_mapper, has_combiner, has_reducer: which of them the step has.
        step: number of the step, from 0.
        reduces: number of partitions; 0 for a step without a reducer.
        sort_values: values are sorted too, and partitioned as Hadoop then does.
        output: folder for the parts of this step.
        combiner_kind, reducer_kind: what the native library calls them (see `mapreduce.shuffle.combine.kind`), or None.
    """

    job_class: Any
    arguments: dict[str, list[str]]
    has_mapper: bool
    has_combiner: bool
    has_reducer: bool
    step: int
    reduces: int
    sort_values: bool
    output: str
    combiner_kind: int | None
    reducer_kind: tuple[int, int] | None

    def job(self, task: str) -> Any:
        """A job object for "mapper", "combiner" or "reducer"."""
        return self.job_class(self.arguments[task])


def run_map(settings: StepSettings, split: Split, number: int, folder: str, report: Report) -> dict[str, Any]:
    """Runs a map task; returns its counters and, for each partition, the paths of its sorted runs."""
    counters = CounterStream()
    split = replace(split, report=report)
    if not settings.reduces:
        _write_part(settings, "mapper", split, number, folder, counters)
        return {"counters": counters.counters, "runs": []}
    combine = _combine(settings, counters) if settings.has_combiner else None
    partition = key_field_partition if settings.sort_values else hash_partition
    spill = Spill(folder, settings.reduces, partition, combine, settings.sort_values, kind=settings.combiner_kind)
    pairs = None
    if combine and settings.combiner_kind is None:
        pairs = PairCombiner.of(settings.job("mapper"), settings.job("combiner"), settings.step)
    if pairs:
        with redirect_stdout(sys.stderr):
            pairs.run(split, spill, counters, task_memory())
    else:
        _run(settings, "mapper", split, spill, counters)
    spill.close()
    return {"counters": counters.counters, "runs": spill.runs}


def run_reduce(settings: StepSettings, runs: list[str], number: int, folder: str, report: Report) -> dict[str, Any]:
    """Runs a reduce task over the runs of its partition and commits its part; returns its counters."""
    counters = CounterStream()
    if not _reduce_natively(settings, runs, number, folder, report):
        lines = _reported(merge(runs, folder, settings.sort_values, task_memory()), report)
        if settings.sort_values:  # the whole line was the key, and the value is empty
            lines = (line + b"\t" for line in lines)
        _write_part(settings, "reducer", lines, number, folder, counters)
    return {"counters": counters.counters}


def _reduce_natively(settings: StepSettings, runs: list[str], number: int, folder: str, report: Report) -> bool:
    """Merges and reduces in the native library, where it is there and knows the reducer; returns whether it did."""
    known = settings.reducer_kind
    if known is None or settings.sort_values or not native.load():
        return False
    written = os.path.join(folder, "part")
    try:
        with open(written, "wb") as file:
            for block in merge_blocks(runs, folder, known[0], minimum=known[1]):
                file.write(block)
                report(len(block))
    except native.Unsupported:
        return False
    commit_part(written, settings.output, number)
    return True


def _reported(lines: Iterable[bytes], report: Report) -> Iterator[bytes]:
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > 1 << 22:
            report(size)
            size = 0
        yield line
    report(size)


class _Part:
    """A part that is being written: lines without a tab get one, as from Hadoop, which splits them and joins them."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=0)
        self._pieces: list[bytes] = []
        self._pending = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(data)
        self._pending += len(data)
        if self._pending > 1 << 20 and data.endswith(b"\n"):
            self.flush()
        return len(data)

    def flush(self) -> None:
        view = memoryview(with_tabs(b"".join(self._pieces)))
        self._pieces, self._pending = [], 0
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        self.flush()
        self._file.close()


def _write_part(
    settings: StepSettings, task: str, lines: Iterable[bytes], number: int, folder: str, counters: CounterStream
) -> None:
    written = os.path.join(folder, "part")
    part = _Part(written)
    _run(settings, task, lines, part, counters)
    part.close()
    commit_part(written, settings.output, number)


def _run(settings: StepSettings, task: str, lines: Iterable[bytes], output: Any, counters: CounterStream) -> None:
    if task == "mapper" and not settings.has_mapper:
        for line in lines:
            output.write(line + b"\n")
        return
    if task == "reducer" and settings.reducer_kind and settings.reducer_kind[0] == native.ADD:
        for line in add_lines(lines):
            output.write(line + b"\n")
        return
    job = settings.job(task)
    job.sandbox(stdin=lines, stdout=output, stderr=counters)
    with redirect_stdout(sys.stderr):  # a print() in a job is words, not data
        getattr(job, f"run_{task}")(settings.step)


def _combine(settings: StepSettings, counters: CounterStream) -> Callable[[Iterable[bytes]], Iterator[bytes]] | None:
    if settings.combiner_kind == native.ADD:
        return add_lines
    if settings.combiner_kind is not None and native.load():
        return None  # the library combines
    job = settings.job("combiner")

    def combine(lines: Iterable[bytes]) -> Iterator[bytes]:
        output = _Lines()
        if settings.sort_values:
            lines = (line + b"\t" for line in lines)
        job.sandbox(stdin=lines, stdout=output, stderr=counters)
        with redirect_stdout(sys.stderr):
            job.run_combiner(settings.step)
        return iter(with_tabs(b"".join(output.pieces)).split(b"\n")[:-1])

    return combine


class _Lines:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(data)
        return len(data)
