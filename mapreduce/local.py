"""The local runner: a job's steps on this machine with Hadoop's semantics, `-r inline` and `-r local`.

It plans splits, runs map tasks, hands their sorted runs to reduce tasks and commits the output. The two names
differ in the executor alone: one process, or a forked child an attempt. mrjob's own inline and local runners are
not used; they ignore partitioners and the number of reducers.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mrjob.compat import jobconf_from_dict
from mrjob.sim import SimMRJobRunner
from mrjob.util import save_current_environment, save_cwd, save_sys_path

from mapreduce import attempt, committer, executor, native
from mapreduce.attempt import Counters
from mapreduce.combiner import kind
from mapreduce.errors import UserError
from mapreduce.manifest import describe_input
from mapreduce.partitioner import hash_partition, key_field_partition
from mapreduce.progress import Progress
from mapreduce.split import Split, expand, plan

log = logging.getLogger(__name__)

REDUCE_BYTES = 64 << 20


def default_reduces(input_bytes: int) -> int:
    """Number of reduce tasks where none is asked for: one for every 64 MiB of input, rounded up, 1 to 100.

    It depends on the input alone, so every runner and every machine writes the same parts.
    """
    return min(max(1, -(-input_bytes // REDUCE_BYTES)), 100)


class InlineRunner(SimMRJobRunner):
    """Runs all tasks in this process, one after the other: the runner for debugging."""

    alias = "inline"
    _local_tmp_dir: str | None
    _output_dir: str

    def __init__(self, mrjob_cls: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job: Any = None  # set by Job.make_runner
        self._inputs: list[str] = []
        self._reduces = 1
        self._started = time.perf_counter()

    @classmethod
    def _default_opts(cls) -> dict[str, Any]:
        return {**super()._default_opts(), "cleanup_on_failure": ["ALL"]}

    def _executor(self) -> executor.Executor:
        return executor.run_inline

    def _check_input_paths(self) -> None:
        self._inputs = expand(self._get_input_paths())

    def _get_local_tmp_dir(self) -> str:
        if not self._local_tmp_dir and self._output_dir:
            self._local_tmp_dir = committer.temporary_folder(os.path.abspath(self._output_dir), self._job_key)
            os.makedirs(self._local_tmp_dir)
        return str(super()._get_local_tmp_dir())

    def _run(self) -> None:
        wanted = self._output_dir
        if wanted:
            committer.refuse_existing(wanted)
        parts = os.path.join(self._get_local_tmp_dir(), "output")
        self._output_dir = parts
        self._reduces = default_reduces(sum(map(os.path.getsize, self._inputs)))
        for number, step in enumerate(self._get_steps()):
            self._counters.append({})
            self._run_step(step, number)
        self._output_dir = wanted or parts
        self.job.check_counters(self.counters())
        options = self.job.options
        if wanted or options.manifest:
            committer.commit_job(parts, self._output_dir, self._describe(parts), self.job.side_files())
        if options.manifest:
            committer.copy_manifest(parts if not wanted else wanted, options.manifest)

    def _describe(self, parts: str) -> dict[str, Any]:
        from_stdin = self._stdin_path
        inputs = [describe_input(path, sha256=self.job.options.sha256) for path in self._inputs]
        for described in inputs:
            if described["path"] == from_stdin:
                described["path"] = "-"
        seconds = time.perf_counter() - self._started
        description: dict[str, Any] = self.job.describe(parts, inputs, self.counters(), seconds)
        return description

    def _run_streaming_step(self, step: dict[str, Any], step_num: int) -> None:
        _check_step(step, self._partitioner)
        output = self._output_dir_for_step(step_num)
        os.makedirs(output)
        self._create_dist_cache_dir(step_num)
        kinds = {task: kind(self.job, step_num, task) for task in ("combiner", "reducer")}
        if self._sort_values:  # runs are sorted by whole lines then, and no group is a key
            kinds = {task: found if found and found[0] == native.AS_IS else None for task, found in kinds.items()}
        combiner_kind, reducer_kind = kinds["combiner"], kinds["reducer"] if "reducer" in step else None
        settings = attempt.Settings(
            job=lambda task: type(self.job)(self._args_for_task(step_num, task)),
            has_mapper="mapper" in step,
            has_combiner="combiner" in step and "reducer" in step,
            has_reducer="reducer" in step,
            step=step_num,
            reduces=self._number("mapreduce.job.reduces", step_num, self._reduces) if "reducer" in step else 0,
            partition=key_field_partition if self._sort_values else hash_partition,
            sort_values=bool(self._sort_values),
            memory=self._sort_memory(),
            output=output,
            combiner_kind=combiner_kind[0] if combiner_kind else None,
            reducer_kind=reducer_kind,
        )
        paths = self._inputs if step_num == 0 else list(map(str, self._input_paths_for_step(step_num)))
        splits = plan(paths, self._number("mapreduce.job.maps", step_num, self._num_cores()))
        maps = self._run_tasks(
            "mapper",
            step_num,
            [
                (f"map task {i} over {s.path} (bytes {s.start} to {s.start + s.length})", s)
                for i, s in enumerate(splits)
            ],
            lambda split, number, folder: attempt.run_map(settings, split, number, folder),
            [split.length for split in splits],
        )
        if settings.has_reducer:
            runs = [[run for m in maps for run in m["runs"][p]] for p in range(settings.reduces)]
            self._run_tasks(
                "reducer",
                step_num,
                [(f"reduce task {i}", paths) for i, paths in enumerate(runs)],
                lambda paths, number, folder: attempt.run_reduce(settings, paths, number, folder),
                [sum(map(os.path.getsize, paths)) for paths in runs],
            )

    def _run_tasks(self, kind: str, step_num: int, named: list[Any], run: Any, sizes: list[int]) -> list[Any]:
        def task(number: int, what: Any) -> Any:
            def run_attempt(attempt_number: int) -> Any:
                split = what if isinstance(what, Split) else None
                with self._task_environment(kind, step_num, number, attempt_number, split) as folder:
                    return run(what, number, folder)

            return run_attempt

        tasks = [executor.Task(name, task(number, what)) for number, (name, what) in enumerate(named)]
        attempts = self._number("mapreduce.map.maxattempts", step_num, 4)
        label = f"{self._label()} {'map' if kind == 'mapper' else 'reduce'}"
        with Progress(label, sum(sizes), quiet=self.job.options.quiet) as progress:
            results = self._executor()(tasks, attempts, lambda number: progress.update(sizes[number]))
        for result in results:
            _add_counters(self._counters[step_num], result["counters"])
        return results

    @contextmanager
    def _task_environment(
        self, kind: str, step_num: int, number: int, attempt_number: int, split: Split | None
    ) -> Iterator[str]:
        """The working folder of an attempt, with the job's side files in it, as the current directory."""
        source = {"file": split.path, "start": split.start, "length": split.length} if split else None
        folder = os.path.join(self._task_dir(kind, step_num, number), f"attempt-{attempt_number}")
        self._attempt_folder = os.path.join(folder, "wd")
        os.makedirs(folder)
        self._setup_working_dir(kind, step_num, number)
        with save_current_environment(), save_cwd(), save_sys_path():
            os.environ["mapreduce_task_io_sort_mb"] = str(max(1, self._sort_memory() >> 20))
            os.environ.update({k: str(v) for k, v in self._env_for_task(kind, step_num, number, source).items()})
            os.chdir(self._attempt_folder)
            sys.path.insert(0, self._attempt_folder)
            yield folder

    def _task_working_dir(self, task_type: str, step_num: int, task_num: int) -> str:
        return self._attempt_folder

    def _number(self, name: str, step_num: int, default: int) -> int:
        value = jobconf_from_dict(self._jobconf_for_step(step_num), name)
        if value is None:
            return default
        if not str(value).isdigit() or int(value) < 1:
            raise UserError(f"jobconf {name} must be a whole number of at least 1. Received: {value}")
        return int(value)

    def _sort_memory(self) -> int:
        return 256 << 20


class LocalRunner(InlineRunner):
    """Runs tasks in forked children, as many at a time as the machine has cores (--num-cores)."""

    alias = "local"

    def _executor(self) -> executor.Executor:
        return executor.forked(self._num_cores())


def _check_step(step: dict[str, Any], partitioner: str | None) -> None:
    for name in ("mapper", "combiner", "reducer"):
        substep = step.get(name, {})
        if "command" in substep or "pre_filter" in substep:
            raise UserError(f"{name}: the local runner runs no commands and no filters; use -r hadoop")
    if step.get("input_manifest"):
        raise UserError("mapper_raw: not on the local runner; use -r hadoop")
    if partitioner and not partitioner.endswith((".HashPartitioner", ".KeyFieldBasedPartitioner")):
        raise UserError(
            f"partitioner {partitioner}: the local runner has Hadoop's HashPartitioner alone; use -r hadoop"
        )


def _add_counters(total: Counters, more: Counters) -> None:
    for group, names in more.items():
        for name, amount in names.items():
            total.setdefault(group, {})[name] = total.get(group, {}).get(name, 0) + amount
