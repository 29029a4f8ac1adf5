"""The local runner: a job's steps on this machine with Hadoop's semantics, `-r inline` and `-r local`.

It plans splits, runs map tasks, hands their sorted runs to reduce tasks and commits the output. The two names
differ in the executor alone: one process, or a forked child an attempt. mrjob's own inline and local runners are
not used; they ignore partitioners and the number of reducers.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from mrjob.compat import jobconf_from_dict
from mrjob.sim import SimMRJobRunner

from mapreduce import ROOT
from mapreduce.command import limit
from mapreduce.errors import PathError, UserError
from mapreduce.input.files import expand, shown
from mapreduce.input.splits import Split, plan, refuse_changed, states
from mapreduce.local import attempt, executor, machine
from mapreduce.local.folder import PrivateFolder
from mapreduce.output import committer
from mapreduce.output.kept_steps import KeptSteps, LocalFolder
from mapreduce.output.manifest import describe_input, describe_inputs
from mapreduce.paths import absolute, is_remote
from mapreduce.progress import Progress
from mapreduce.shuffle.reducers import default_reduces

log = logging.getLogger(__name__)

MOST_TASKS = 10_000  # at a time, or of a step

# What Hadoop would do differently if it were set, and this runner does not do.
REFUSED = (
    "mapreduce.job.inputformat.class",
    "mapreduce.job.outputformat.class",
    "mapreduce.job.output.group.comparator.class",
    "mapreduce.output.basename",
    "mapreduce.output.textoutputformat.separator",
    "mapreduce.partition.keycomparator.options",
    "mapreduce.partition.keypartitioner.options",
    "mapred.partitioner.class",
    "stream.map.input",
    "stream.map.input.ignoreKey",
    "stream.map.output",
    "stream.reduce.input",
    "stream.reduce.input.field.separator",
    "stream.reduce.output",
    "mapreduce.job.partitioner.class",
    "mapreduce.job.output.key.comparator.class",
    "mapreduce.job.combine.class",
    "stream.num.map.output.key.fields",
    "stream.map.output.field.separator",
    "stream.reduce.output.field.separator",
    "stream.map.input.field.separator",
    "textinputformat.record.delimiter",
    "mapreduce.map.failures.maxpercent",
    "mapreduce.reduce.failures.maxpercent",
)
# The same of a switch, and the side on which this runner has it.
SWITCHES = {"mapreduce.output.fileoutputformat.compress": "false", "stream.non.zero.exit.is.failure": "true"}


class InlineRunner(PrivateFolder, SimMRJobRunner):
    """Runs all tasks in this process, one after the other: the runner for debugging."""

    alias = "inline"
    _output_dir: Any
    # Of mrjob's options those that are its own local runner's, to be refused by name.
    OPT_NAMES = SimMRJobRunner.OPT_NAMES | {"sort_bin", "task_python_bin"}

    def __init__(self, mrjob_cls: Any = None, **kwargs: Any) -> None:
        self._beside = None if is_remote(kwargs.get("output_dir")) else kwargs.get("output_dir")
        super().__init__(**kwargs)
        self.job: Any = None  # set by Job.make_runner
        self._inputs: list[str] = []
        self._reduces = 1
        self._writes_manifest = False
        self._described: list[dict[str, Any]] = []
        self._read: dict[str, list[tuple[int, int]]] = {}
        self._started = time.perf_counter()

    @classmethod
    def _default_opts(cls) -> dict[str, Any]:
        return {**super()._default_opts(), "cleanup_on_failure": ["ALL"]}

    def _executor(self) -> executor.Executor:
        return executor.run_inline

    def _check_input_paths(self) -> None:
        self._inputs = expand(self._get_input_paths())
        self._states = states(self._inputs)

    def _run(self) -> None:
        wanted = self._output_dir
        for path in (wanted, self._step_output_dir):
            if is_remote(path):
                raise PathError(f"{path}: this runner writes to this machine; use -r hadoop for other file systems")
        if wanted:
            committer.refuse_existing(wanted)
        self._refuse()
        with executor.terminated_as_interrupted():
            try:
                self._run_steps(wanted)
            except OSError as error:
                raise limit(error) or error from None

    def _run_steps(self, wanted: str) -> None:
        options = self.job.options
        self._writes_manifest = bool(wanted or options.manifest)
        parts = os.path.join(self._get_local_tmp_dir(), "output")
        self._output_dir = parts
        self._reduces = default_reduces(sum(size for size, _ in self._states))
        folder = LocalFolder(self._step_output_dir) if self._step_output_dir else None
        with KeptSteps(folder, self.job, lambda: list(map(describe_input, self._inputs))) as kept:
            for number, step in enumerate(self._get_steps()):
                is_last = number == self._num_steps() - 1
                reduces = self._number("mapreduce.job.reduces", number, self._reduces)
                found = None if is_last else kept.counters(number, reduces)
                self._counters.append(found or {})
                if found is None:
                    self._run_step(step, number)
                    if not is_last:
                        kept.complete(number, reduces, self._counters[number])
        self._output_dir = wanted or parts
        self.job.check_counters(self.counters())
        self._describe_inputs()
        description = self._describe(parts) if self._writes_manifest else None
        refuse_changed(self._inputs, self._states)
        if description:
            committer.commit_job(parts, self._output_dir, description, self.job.side_files())
        if options.manifest:
            committer.copy_manifest(parts if not wanted else wanted, options.manifest)

    def _refuse(self) -> None:
        """Raises UserError where the job asks for what this runner does not do."""
        asked = {
            "setup commands": self._opts.get("setup"),
            "libjars": self._opts.get("libjars"),
            "another input format": self._hadoop_input_format,
            "another output format": self._hadoop_output_format,
            "another Python for tasks (--task-python-bin)": not self._is_this_python(),
            "another sort (--sort-bin)": self._opts.get("sort_bin"),
            "unchecked input (--no-check-input-paths)": not self._opts["check_input_paths"],
            "another partitioner": not (self._partitioner or ".HashPartitioner").endswith(".HashPartitioner"),
        }
        own, packages = self._sort_values_jobconf() or {}, map(absolute, self._opts["py_files"])
        asked["packages that are not there (--py-files)"] = not all(map(os.path.exists, packages))
        for number, step in enumerate(self._get_steps()):
            asked[f"steps of type {step['type']}"] = step["type"] != "streaming"
            asked["mapper_raw"] = asked.get("mapper_raw") or step.get("input_manifest")
            for name in ("mapper", "combiner", "reducer"):
                substep = step.get(name, {})
                asked[f"commands ({name}_cmd)"] = "command" in substep
                asked[f"filters ({name}_pre_filter)"] = "pre_filter" in substep
            jobconf = self._jobconf_for_step(number)
            for name in REFUSED:
                value = jobconf_from_dict(jobconf, name)
                asked[f"jobconf {name}"] = value is not None and str(value) != str(jobconf_from_dict(own, name))
            for name, side in SWITCHES.items():
                asked[f"jobconf {name}"] = str(jobconf_from_dict(jobconf, name, side)).lower() != side
        for what, is_asked in asked.items():
            if is_asked:
                other = "derive the job from mrjob.job.MRJob itself" if what == "mapper_raw" else "use -r hadoop"
                raise UserError(f"the local runner does not do {what}; {other}")

    def _is_this_python(self) -> bool:
        """Whether tasks are to run in the Python that runs this."""
        asked = self._opts.get("task_python_bin")
        found = shutil.which(asked[0]) if asked else sys.executable
        return found is not None and os.path.samefile(found, sys.executable) and len(asked or [""]) == 1

    def _create_dir_archives(self) -> None:
        with _side_files():
            super()._create_dir_archives()

    def _create_dist_cache_dir(self, step_num: int) -> None:
        with _side_files():
            super()._create_dist_cache_dir(step_num)

    def _describe(self, parts: str) -> dict[str, Any]:
        seconds = time.perf_counter() - self._started
        description: dict[str, Any] = self.job.describe(parts, self._described, self.counters(), seconds)
        return description

    def _describe_inputs(self) -> None:
        """Takes the checksums of the inputs as the map tasks have read them; reads what they have not, while the last
        tasks run, which seldom need all cores."""
        if self._writes_manifest and not self._described:
            sha256 = self.job.options.sha256
            self._described = describe_inputs(self._inputs, shown, sha256=sha256, read=self._read)

    def _note_read(self, planned: list[tuple[Split, ...]], results: list[Any]) -> None:
        """Keeps what the map tasks of the first step have read of each file, where it was all of it."""
        pieces: dict[str, list[tuple[int, int]]] = {}
        whole = dict.fromkeys(map(absolute, self._inputs), True)
        for splits, result in zip(planned, results):
            sums = [*result["sums"], *[(-1, 0)] * len(splits)]
            for split, (size, crc) in zip(splits, sums):
                if split.start == 0:  # once more, for a file that is named twice
                    pieces[split.path] = []
                pieces[split.path].append((size, crc))
                whole[split.path] &= size == split.length
        self._read = {path: pieces[absolute(path)] for path in self._inputs if whole[absolute(path)]}

    def _run_streaming_step(self, step: dict[str, Any], step_num: int) -> None:
        output = self._output_dir_for_step(step_num)
        os.makedirs(output)
        self._create_dist_cache_dir(step_num)
        settings = self._settings(step, step_num, output)
        paths = self._inputs if step_num == 0 else list(map(str, self._input_paths_for_step(step_num)))
        wanted, first = self._number("mapreduce.job.maps", step_num, self._num_cores()), step_num == 0
        planned = plan(paths, wanted, marked=first, format=self.job.input_format if first else None)
        names = [f"map task {i} over {_named(splits)}" for i, splits in enumerate(planned)]
        size = sum(split.length for splits in planned for split in splits)
        maps = self._run_tasks("mapper", settings, dict(zip(names, planned)), size)
        if step_num == 0:
            self._note_read(planned, maps)
        if settings.has_reducer:
            runs = [[run for m in maps for run in m["runs"][p]] for p in range(settings.reduces)]
            size = sum(os.path.getsize(run) for paths in runs for run in paths)
            self._run_tasks("reducer", settings, {f"reduce task {i}": paths for i, paths in enumerate(runs)}, size)
            for path in (run for paths in runs for run in paths):
                os.remove(path)

    def _settings(self, step: dict[str, Any], step_num: int, output: str) -> attempt.StepSettings:
        return attempt.settings(
            self.job,
            step,
            step_num,
            {task: self._args_for_task(step_num, task) for task in ("mapper", "combiner", "reducer")},
            reduces=self._number("mapreduce.job.reduces", step_num, self._reduces),
            sort_values=bool(self._sort_values),
            output=output,
        )

    def _run_tasks(self, kind: str, settings: attempt.StepSettings, named: dict[str, Any], size: int) -> list[Any]:
        run: Any = attempt.run_map if kind == "mapper" else attempt.run_reduce
        driver = os.getpid()
        state = os.path.join(self._get_local_tmp_dir(), "state")

        def task(number: int, what: Any) -> tuple[Any, Any]:
            def here(attempt_number: int, report: executor.Report) -> Any:
                if os.getpid() != driver:
                    os.close(self._lock)  # it is held until every process that has it open is gone
                with executor.one_task:
                    folder, place = self._prepare(kind, settings.step, number, attempt_number, what)
                    with executor.as_task(*place):
                        return run(settings, what, number, folder, report)

            def command(attempt_number: int) -> tuple[list[str], dict[str, str], str]:
                from mapreduce.local import interpreter

                with executor.one_task:
                    if not os.path.exists(state):
                        unsent = interpreter.write_state(state, settings.job_class)
                        if unsent and not self.job.options.quiet:
                            said = "has several threads; in its tasks these are what an import makes of them"
                            print(f"{self._label()}: this program {said}: {', '.join(unsent)}", file=sys.stderr)
                    folder, place = self._prepare(kind, settings.step, number, attempt_number, what)
                    python_path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
                    environment = {**os.environ, "PYTHONPATH": python_path}
                file = os.path.join(folder, "task")
                return interpreter.write(file, state, settings, place, what, number, folder), environment, place[0]

            return here, command

        tasks = [executor.Task(name, *task(number, what)) for number, (name, what) in enumerate(named.items())]
        attempts = self._number(
            f"mapreduce.{'map' if kind == 'mapper' else 'reduce'}.maxattempts", settings.step, attempt.ATTEMPTS
        )
        last = settings.step == self._num_steps() - 1 and (kind == "reducer" or not settings.has_reducer)
        label = f"{self._label()} {'map' if kind == 'mapper' else 'reduce'}"
        with Progress(label, size, quiet=self.job.options.quiet) as progress:
            meanwhile = self._describe_inputs if last and kind == "reducer" else lambda: None
            results = self._executor()(tasks, attempts, progress.update, meanwhile)
        for result in results:
            for group, names in result["counters"].items():
                self._counters[settings.step].setdefault(group, Counter()).update(names)
        return results

    def _prepare(
        self, kind: str, step_num: int, number: int, attempt_number: int, what: Any
    ) -> tuple[str, tuple[str, dict[str, str], list[str]]]:
        """Makes the folder of an attempt, and in it the working folder with the job's side files; returns it and what
        `executor.as_task` needs."""
        folder = os.path.join(self._task_dir(kind, step_num, number), f"attempt-{attempt_number}")
        self._attempt_folder = os.path.join(folder, "wd")
        shutil.rmtree(folder, ignore_errors=True)  # that of an attempt that could not begin
        os.makedirs(folder)
        self._setup_working_dir(kind, step_num, number)
        environment = {k: str(v) for k, v in self._env_for_task(kind, step_num, number).items()}
        environment.update(attempt.place(what[0]) if kind == "mapper" else {})
        environment["mapreduce_task_io_sort_mb"] = str(self._sort_memory >> 20)
        for name in ("mapreduce_task_attempt_id", "mapred_task_id"):
            if name in environment:
                environment[name] = f"{environment[name].rpartition('_')[0]}_{attempt_number}"
        added = list(map(absolute, self._opts["py_files"]))
        asked = self._opts["cmdenv"].get("PYTHONPATH", "").split(os.pathsep)
        if added:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [*added, environment.get("PYTHONPATH")]))
        added += map(absolute, filter(None, asked))
        return folder, (self._attempt_folder, environment, [self._attempt_folder, *added])

    def cat_output(self) -> Iterator[bytes]:
        """The output in blocks, part after part."""
        return committer.cat(self.get_output_dir())

    def _task_working_dir(self, task_type: str, step_num: int, task_num: int) -> str:
        return self._attempt_folder

    def _number(self, name: str, step_num: int, default: int) -> int:
        return number_of_tasks(self._jobconf_for_step(step_num), name, default)

    def _num_cores(self) -> int:
        return self._cores

    @cached_property
    def _cores(self) -> int:
        """How many tasks run at a time, and over how many the memory is shared out."""
        asked = self._opts["num_cores"]
        if asked is not None and not 1 <= asked <= MOST_TASKS:
            raise UserError(f"--num-cores is from 1 to {MOST_TASKS}. Received: {asked}")
        return int(asked or machine.cores())

    @cached_property
    def _sort_memory(self) -> int:
        """Bytes for each of the two things that a task keeps in memory: what it counts, and what it sorts."""
        return machine.memory_of_each(self.job.options.sort_memory, self._cores)


def number_of_tasks(jobconf: dict[str, Any], name: str, default: int) -> int:
    """What a property of a jobconf says.

    Raises:
        UserError: it is no whole number, or too many.
    """
    value = jobconf_from_dict(jobconf, name)
    if value is None:
        return default
    if not (str(value).isascii() and str(value).isdigit()) or not 1 <= int(value) <= MOST_TASKS:
        raise UserError(f"jobconf {name} is a whole number from 1 to {MOST_TASKS}. Received: {value}")
    return int(value)


@contextmanager
def _side_files() -> Iterator[None]:
    """While the block brings the job's side files, one that cannot be had is the user's error."""
    try:
        yield
    except Exception as error:  # of mrjob's, and of whatever unpacks an archive
        raise PathError(f"a file, folder or archive that goes with the job: {error}") from None


def _named(splits: tuple[Split, ...]) -> str:
    first, last = splits[0], splits[-1]
    if len(splits) > 1:
        return f"{len(splits)} files, {first.name} to {last.name}"
    return f"{first.name} (bytes {first.start} to {first.start + first.length})"


class LocalRunner(InlineRunner):
    """Runs tasks in children, as many at a time as the machine has cores (--num-cores)."""

    alias = "local"

    def _executor(self) -> executor.Executor:
        return executor.in_children(self._num_cores())
