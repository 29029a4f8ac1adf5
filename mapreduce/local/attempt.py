"""One attempt at a task: runs the job's mapper with its combiner, or its reducer, in a folder of its own.

It does what Hadoop's task JVM does around a streaming script: input, output and counters. Environment and working
directory are there already. Which attempts run, and where, is the executor's business
(`mapreduce.local.executor`); how often a task is tried is said here.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mapreduce.errors import UserError
from mapreduce.input.splits import Split, Stream, TaskInput
from mapreduce.local.executor import Report
from mapreduce.local.streams import CounterStream, in_task
from mapreduce.native import library as native
from mapreduce.output.committer import commit_part
from mapreduce.shuffle.combine import PairCombiner, add_lines, kind
from mapreduce.shuffle.lines import with_tabs
from mapreduce.shuffle.memory import task_memory
from mapreduce.shuffle.merge import merge, merge_blocks
from mapreduce.shuffle.partition import hash_partition, key_field_partition
from mapreduce.shuffle.spill import Spill

ATTEMPTS = 4
"""How often a task is tried in all, unless mapreduce.map.maxattempts or its twin for reduce says otherwise."""
LINES = 1000  # of a reducer's input in a block
_PLACE = {name: (f"mapreduce_map_input_{name}", f"map_input_{name}") for name in ("file", "start", "length")}


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

    @property
    def order(self) -> int:
        """What lines are sorted by, as the native library calls it."""
        if self.sort_values:
            return native.BY_LINE
        return native.BY_VALUE if self.reducer_kind and self.reducer_kind[0] == native.IN_ORDER else native.BY_KEY

    def job(self, task: str) -> Any:
        """A job object for "mapper", "combiner" or "reducer"."""
        return self.job_class(self.arguments[task])


def settings(
    job: Any,
    step: dict[str, Any],
    number: int,
    arguments: dict[str, list[str]],
    *,
    reduces: int,
    sort_values: bool,
    output: str,
) -> StepSettings:
    """The settings of a step, as mrjob describes it.

    Args:
        job: one that knows its options, to look at.
        reduces: number of partitions, where there is a reducer.
    """
    has_reducer = "reducer" in step
    combiner, reducer = (kind(job, number, task) for task in ("combiner", "reducer"))
    if sort_values:  # runs are sorted by whole lines then, and no group is a key
        combiner, reducer = combiner if combiner and combiner[0] == native.AS_IS else None, None
    return StepSettings(
        job_class=type(job),
        arguments=arguments,
        has_mapper="mapper" in step,
        has_combiner="combiner" in step and has_reducer,
        has_reducer=has_reducer,
        step=number,
        reduces=reduces if has_reducer else 0,
        sort_values=sort_values,
        output=output,
        combiner_kind=combiner[0] if combiner else None,
        reducer_kind=reducer if has_reducer else None,
    )


def run_map(
    settings: StepSettings, splits: tuple[Split, ...], number: int, folder: str, report: Report
) -> dict[str, Any]:
    """Runs a map task; returns its counters, for each partition the paths of its sorted runs, and what it has read of
    each split (`TaskInput.sums`)."""
    counters = CounterStream()
    source = TaskInput(splits, report, enter)
    try:
        runs = map_input(settings, source, number, folder, counters)
        return {"runs": runs, "counters": counters.counters, "sums": source.sums}
    except Exception as error:
        if len(splits) > 1 and source.current and not isinstance(error, UserError):
            sys.stderr.write(f"the task was at {source.current.name}\n")
        raise


def map_input(
    settings: StepSettings, source: TaskInput, number: int, folder: str, counters: CounterStream
) -> list[list[str]]:
    """Runs a map task over an input and fills the counters; returns the paths of its sorted runs, by partition."""
    if not settings.reduces:
        _write_part(settings, "mapper", source, number, folder, counters)
        return []
    combine = _combine(settings, counters) if settings.has_combiner else None
    partition = key_field_partition if settings.sort_values else hash_partition
    spill = Spill(folder, settings.reduces, partition, combine, settings.order, kind=settings.combiner_kind)
    pairs = None
    if combine and settings.combiner_kind is None:
        pairs = PairCombiner.of(settings.job("mapper"), settings.job("combiner"), settings.step)
    if pairs:
        with in_task(counters):
            pairs.run(source, spill, counters, task_memory())
    else:
        _run(settings, "mapper", source, spill, counters)
    spill.close()
    return spill.runs


def place(split: Split) -> dict[str, str]:
    """What the environment says of the file that the next records are of, as Hadoop streaming has it."""
    file = split.name if split.name == "-" else f"file://{split.name}"
    return named(file=file, start=str(split.start), length=str(split.length))


def named(**found: str) -> dict[str, str]:
    """The variables of the environment that hold the `file`, `start` or `length` of what is read."""
    return {name: value for which, value in found.items() for name in _PLACE[which]}


def enter(split: Split) -> None:
    """Says in the environment which file the next records are of."""
    os.environ.update(place(split))


def run_reduce(settings: StepSettings, runs: list[str], number: int, folder: str, report: Report) -> dict[str, Any]:
    """Runs a reduce task over the runs of its partition and commits its part; returns its counters."""
    counters = CounterStream()
    if not _reduce_natively(settings, runs, number, folder, report):
        if native.load() and not settings.sort_values:
            blocks = merge_blocks(runs, folder, native.AS_IS, settings.order)
        else:
            lines = merge(runs, folder, settings.order, task_memory())
            blocks = _blocks(map(_with_second_tab, lines) if settings.sort_values else lines)
        _write_part(settings, "reducer", Stream(_reported(blocks, report)), number, folder, counters)
    return {"counters": counters.counters}


def _with_second_tab(line: bytes) -> bytes:
    """A line as Hadoop gives it where the key is all up to the second tab: behind a key without a value is a tab."""
    return line if line.count(b"\t") > 1 else line + b"\t"


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    lines = iter(lines)
    while some := list(islice(lines, LINES)):
        yield b"\n".join(some) + b"\n"


def _reduce_natively(settings: StepSettings, runs: list[str], number: int, folder: str, report: Report) -> bool:
    """Merges and reduces in the native library, where it is there and knows the reducer; returns whether it did."""
    known = settings.reducer_kind
    if known is None or settings.sort_values or not native.load():
        return False
    written = os.path.join(folder, "part")
    try:
        with open(written, "wb") as file:
            for block in merge_blocks(runs, folder, known[0], settings.order, known[1]):
                file.write(block)
                report(len(block))
    except native.Unsupported:
        return False
    commit_part(written, settings.output, number)
    return True


def _reported(blocks: Iterable[bytes], report: Report) -> Iterator[bytes]:
    for block in blocks:
        report(len(block))
        yield block


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

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        view = memoryview(with_tabs(b"".join(self._pieces)))
        self._pieces, self._pending = [], 0
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        self.flush()
        self._file.close()


def _write_part(
    settings: StepSettings, task: str, source: Stream, number: int, folder: str, counters: CounterStream
) -> None:
    written = os.path.join(folder, "part")
    part = _Part(written)
    _run(settings, task, source, part, counters)
    part.close()
    commit_part(written, settings.output, number)


def _run(settings: StepSettings, task: str, source: Stream, output: Any, counters: CounterStream) -> None:
    if isinstance(source, TaskInput) and not settings.has_mapper:
        for block in source.blocks():
            output.write(block)
    elif task == "reducer" and settings.order == native.BY_VALUE:  # it is what was sorted
        for line in source:
            output.write(line)
    elif task == "reducer" and settings.reducer_kind and settings.reducer_kind[0] == native.ADD:
        for line in add_lines(line[:-1] for line in source):
            output.write(line + b"\n")
    else:
        _run_job(settings, task, source, output, counters)


def _run_job(settings: StepSettings, task: str, source: Stream, output: Any, counters: CounterStream) -> None:
    job = settings.job(task)
    job.sandbox(stdin=source, stdout=output, stderr=counters)
    with in_task(counters):
        getattr(job, f"run_{task}")(settings.step)


def _combine(settings: StepSettings, counters: CounterStream) -> Callable[[Iterable[bytes]], Iterator[bytes]] | None:
    if settings.combiner_kind == native.ADD:
        return add_lines
    if settings.combiner_kind is not None and native.load():
        return None  # the library combines

    def combine(lines: Iterable[bytes]) -> Iterator[bytes]:
        output = io.BytesIO()
        if settings.sort_values:
            lines = map(_with_second_tab, lines)
        _run_job(settings, "combiner", Stream(_blocks(lines)), output, counters)
        return iter(with_tabs(output.getvalue()).split(b"\n")[:-1])

    return combine
