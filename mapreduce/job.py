"""The base class of every job: an mrjob job that runs on our local runner, maps whole blocks, and reports its errors.

Derive from `Job` in place of `mrjob.job.MRJob`; nothing else in a script has to change. A job that can work on
many lines at once defines `map_blocks` instead of a mapper. Input formats and tokenizers are in `mapreduce.textjob`.
"""

from __future__ import annotations

import codecs
import copy
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from mapreduce import command, mrjob_compat

with mrjob_compat.stand_ins():
    from mrjob.job import MRJob
    from mrjob.protocol import StandardJSONProtocol
    from mrjob.step import MRStep, StepFailedException

from mapreduce.cluster import node
from mapreduce.errors import PathError, TaskError, UserError
from mapreduce.flag_values import memory_size
from mapreduce.input import rejections
from mapreduce.input.files import blocks, expand, keep, pieces
from mapreduce.input.formats import Format
from mapreduce.input.splits import TaskInput
from mapreduce.output import atomic, manifest
from mapreduce.output.manifest import Counters
from mapreduce.paths import absolute, is_remote, plain
from mapreduce.runners import RUNNERS

__all__ = ["Job", "MRStep", "in_blocks", "reduced_in_blocks", "whole_lines"]

_HELP = {
    "output_dir": "where the output goes, a folder that is not there yet; default: stdout",
    "step_output_dir": "where the output of all steps but the last is kept, to --resume from",
}
OnBlocks = Callable[[Iterable[bytes]], Iterator[bytes]]


def in_blocks(map_blocks: OnBlocks) -> Callable[[Any, bytes], Iterator[tuple[bytes, bytes]]]:
    """The mapper of a step that works on blocks of whole lines, as `Job.map_blocks` does."""

    def mapper(_: Any, line: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _pairs(map_blocks([line + b"\n"]))

    mapper.map_blocks = map_blocks  # type: ignore[attr-defined]
    return mapper


def reduced_in_blocks(reduce_blocks: OnBlocks) -> Callable[[Any, Any, Any], Iterator[Any]]:
    """The reducer of a step that takes its whole input as blocks of lines `key TAB value`, in order of their keys."""

    def reducer(_: Any, key: Any, values: Any) -> Iterator[Any]:
        raise TypeError("it takes blocks of lines, no keys: run_reducer gives it them")

    reducer.reduce_blocks = reduce_blocks  # type: ignore[attr-defined]
    return reducer


class Job(MRJob):
    """A MapReduce job.

    Attributes:
        KIND: what its output is called in the manifest.
        EXAMPLE: a command to paste, shown at the end of --help.

    Example:
        class CountLines(Job):
            def mapper(self, _, line):
                yield "lines", 1

            def reducer(self, key, values):
                yield key, sum(values)

        if __name__ == "__main__":
            CountLines.run()
    """

    KIND = "job"
    EXAMPLE = ""
    # mrjob's default is whichever JSON library is installed, and their outputs differ.
    INTERNAL_PROTOCOL = StandardJSONProtocol
    OUTPUT_PROTOCOL = StandardJSONProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self._driver_args: dict[str, tuple[str, bool]] = {}
        add = self.arg_parser.add_argument
        self.arg_parser.prog = command.called(self.arg_parser.prog)
        self.arg_parser.error = partial(command.refuse, self.arg_parser)
        for action in self.arg_parser._actions:  # of mrjob's, what is another matter here
            if action.dest == "runner":
                action.choices = sorted({*action.choices, *RUNNERS})
            action.help = _HELP.get(action.dest, action.help)
        add("--sha256", action="store_true", help="the manifest gets the sha256 of inputs, and HDFS's sums of parts")
        add("--manifest", metavar="FILE", help="write a manifest also where the output goes to stdout")
        add("--resume", action="store_true", help="go on from the completed steps in --step-output-dir")
        add("--sort-memory", type=memory_size, metavar="SIZE", help="what local tasks may take together, as 512M or 4G")

    def load_args(self, args: list[str]) -> None:
        """Makes the paths of outputs absolute."""
        super().load_args(command.files_named(args or []))
        for name in ("output_dir", "step_output_dir", "manifest"):
            if path := getattr(self.options, name):
                setattr(self.options, name, absolute(path))
        if is_remote(self.options.manifest):
            raise PathError(f"{self.options.manifest}: --manifest is a file of this machine")

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Maps blocks of whole input lines to blocks of whole output lines, `key TAB value`; each ends with LF.

        Define it in place of `mapper`, or name `in_blocks(self.map_blocks)` as the mapper of a step in `steps()`.
        """
        raise NotImplementedError

    @property
    def longest_line(self) -> int | None:
        """The first step's blocks hold longer lines cut to so many bytes; None cuts none."""
        return None

    @property
    def cuts_anywhere(self) -> bool:
        """Whether the first step's blocks may end anywhere, and not at line ends alone."""
        return False

    one_task_a_file = False
    """Whether a cluster is not to cut the input's files, as their records may hold line ends."""

    @property
    def input_format(self) -> Format | None:
        """How the first step's files are opened; None opens them as lines."""
        return None

    def steps(self) -> list[MRStep]:
        """One step of the methods that are defined, as in mrjob; `map_blocks` counts as the mapper."""
        if type(self).map_blocks is Job.map_blocks:
            return list(super().steps())
        defined = {
            name: getattr(self, name)
            for name in ("combiner", "reducer", "reducer_init", "reducer_final")
            if getattr(type(self), name) is not getattr(MRJob, name)
        }
        return [MRStep(mapper=in_blocks(self.map_blocks), **defined)]

    def block_mapper(self, step_num: int) -> OnBlocks | None:
        """What maps blocks in a step; None where the mapper takes single records."""
        return getattr(self.steps()[step_num]["mapper"], "map_blocks", None)

    def block_reducer(self, step_num: int) -> OnBlocks | None:
        """What reduces blocks in a step; None where the reducer takes a key and its values."""
        return getattr(self.steps()[step_num]["reducer"], "reduce_blocks", None)

    def run_mapper(self, step_num: int = 0) -> None:
        """Runs the mapper of a step on stdin, in blocks where it can."""
        map_blocks = self.block_mapper(step_num)
        if map_blocks is None:
            super().run_mapper(step_num)
            return
        longest = self.longest_line if step_num == 0 else None
        if isinstance(self.stdin, TaskInput):
            source = self.stdin.blocks(longest)
        else:  # Hadoop has taken a byte order mark off already
            marked = step_num == 0 and "mapreduce_map_input_start" not in os.environ
            cut = step_num == 0 and self.cuts_anywhere
            source = pieces(self.stdin, marked) if cut else blocks(self.stdin, longest, marked)
        for block in map_blocks(source):
            self.stdout.write(block)

    def run_reducer(self, step_num: int = 0) -> None:
        """Runs the reducer of a step on stdin, in blocks where it can."""
        reduce_blocks = self.block_reducer(step_num)
        if reduce_blocks is None:
            super().run_reducer(step_num)
            return
        for block in reduce_blocks(blocks(self.stdin, marked=False)):
            self.stdout.write(block)

    def make_runner(self) -> Any:
        """The runner that -r names."""
        if command.replays:
            raise command.Replayed
        try:
            with mrjob_compat.stand_ins():
                runner = super().make_runner()
        except UserError:
            raise
        except OSError as error:  # mrjob's, of a side file or of its configuration
            raise PathError(str(error)) from None
        runner.job = self
        runner.run = partial(_run, runner.run)
        return runner

    def _runner_class(self) -> Any:
        with mrjob_compat.stand_ins():
            known = RUNNERS.get(self.options.runner or "inline")
            return known.load() if known else super()._runner_class()

    def add_driver_arg(self, *args: Any, file: bool = False, **kwargs: Any) -> None:
        """Declares a flag whose value the driver settles (`settle`) before tasks get it; `file` sends them the file."""
        action = self.arg_parser.add_argument(*args, **kwargs)
        self._driver_args[action.dest] = (action.option_strings[-1], file)

    def settle(self) -> None:
        """Finds out what the tasks have to know of the input, and sets the options to it. Only the driver calls it.

        Raises:
            UserError: the flags do not go with the input, or with each other.
        """

    def _non_option_kwargs(self) -> dict[str, Any]:
        """Adds to the tasks' arguments those that the driver has settled."""
        self.keep_input()
        self.settle()
        kwargs: dict[str, Any] = super()._non_option_kwargs()
        for name, (flag, file) in self._driver_args.items():
            if (value := getattr(self.options, name)) is not None:
                kwargs["extra_args"] += [flag, task_file(value)] if file else [f"{flag}={value}"]
        return kwargs

    @property
    def carried(self) -> tuple[str, ...]:
        """The options that a `round` takes over as the driver has settled them."""
        return ("args",)

    def round(self, *flags: str) -> Iterator[bytes]:
        """The output lines, without their ends, of a run of this job over the same input with further flags, on the
        same runner: for what the job has to know of all its input before it begins. The driver calls it in `settle`."""
        job = type(self)(args=[*command.files_named(self._cl_args), *flags])
        given = {flag[2:].replace("-", "_") for flag in flags if flag.startswith("--")}
        for name in set(self.carried) - given:
            setattr(job.options, name, copy.copy(getattr(self.options, name)))
        job.options.output_dir = job.options.step_output_dir = job.options.manifest = None
        job.options.resume, job.options.quiet = False, True
        job.sandbox(stdin=self.stdin, stdout=self.stdout, stderr=self.stderr)
        with job.make_runner() as runner:
            runner.run()
            self.counted = runner.counters()
            yield from whole_lines(runner.cat_output())

    counted: list[Counters] = []
    """What the tasks of the last `round` have counted, by step."""

    def kept(self, lines: Iterable[bytes]) -> str:
        """The path of a file of lines, for an option that sends it to the tasks; it is there as long as the program
        runs."""
        handle, path = tempfile.mkstemp(dir=atomic.scratch())
        with os.fdopen(handle, "wb") as file:
            file.writelines(line + b"\n" for line in lines)
        return path

    def keep_input(self) -> None:
        """Puts a copy in the place of input that can be read once only, so that whoever needs it reads it."""
        named = self.options.args or ["-"]
        if "-" in named:
            if 0 in command.closed:
                raise PathError("standard input is closed; name input files")
            if sys.stdin.isatty() and self.stdin is sys.stdin.buffer:
                print(f"{self._name()}: reading standard input; Ctrl-D ends it", file=sys.stderr)
        self.options.args = keep(named, self.stdin, atomic.scratch)

    def run_job(self) -> None:
        """Runs the whole job; an error of the user's is one line on stderr and an exit code."""
        said = "interrupted; nothing was written"
        if code := command.run(self._name(), self._run_job, interrupted=said, runs_users_code=True):
            sys.exit(code)

    def _run_job(self) -> None:
        stream = codecs.getwriter("utf-8")(self.stderr)
        self.set_up_logging(quiet=self.options.quiet, verbose=self.options.verbose, stream=stream)
        if self._should_cat_output() and 1 in command.closed:
            raise PathError("standard output is closed; give --output-dir")
        with self.make_runner() as runner:
            runner.run()
            if self._should_cat_output():
                with command.printing():
                    for block in self.printed(runner.cat_output()):
                        self.stdout.write(block)
                    self.stdout.flush()

    def printed(self, blocks: Iterable[bytes]) -> Iterable[bytes]:
        """What is printed of the output, which comes in blocks of whole lines."""
        return blocks

    @classmethod
    def run(cls) -> None:
        """Runs the script: the job, or on a node the task that its flags name."""
        if command.replays:
            raise command.Replayed
        if node.names_task(sys.argv):
            node.run_task(cls, sys.argv[1:])
        elif code := command.run(cls.KIND, super().run, runs_users_code=True):
            sys.exit(code)

    def _usage(self) -> str:
        return f"{command.called('%(prog)s')} [options] [input files]"

    def _name(self) -> str:
        return self.KIND if self.KIND != "job" else type(self).__name__

    @classmethod
    def set_up_logging(cls, quiet: bool = False, verbose: bool = False, stream: Any = None) -> None:
        """mrjob's own words are shown at -v, or where a cluster is at work; ours always, unless -q."""
        quiet = quiet or not (verbose or {"emr", "dataproc"}.intersection(sys.argv))
        super().set_up_logging(quiet=quiet, verbose=verbose, stream=stream)

    def files_behind(self, paths: list[str]) -> list[str]:
        """The files behind paths of the input; those on a cluster are looked for there."""
        there = tuple(filter(is_remote, paths))
        if not self._reads_clusters or not there:
            return expand(paths)
        from mapreduce.cluster import remote

        command = tuple(self._hadoop())
        found = remote.find_files(command, there, self.options.output_dir)
        return [*expand([path for path in paths if path not in there]), *(file.path for file in found)]

    def header(self, path: str) -> str:
        """A file here that begins as one on the cluster does."""
        from mapreduce.cluster import remote

        return remote.header(path, tuple(self._hadoop()))

    def fetched(self, outputs: list[str]) -> list[str]:
        """Where outputs are on this machine; those on a cluster are fetched, whole, for as long as the program runs."""
        there = list(filter(is_remote, outputs))
        if there and not self._reads_clusters:
            expand(there)
        from mapreduce.cluster import hdfs

        places = []
        for output in outputs:
            places.append(plain(output))
            if output in there:
                places[-1] = os.path.join(atomic.scratch(), os.path.basename(output.rstrip("/")) or "fetched")
                hdfs.Hdfs(self._hadoop()).get(output, places[-1])
        return places

    @property
    def _reads_clusters(self) -> bool:
        known = RUNNERS.get(self.options.runner or "inline")
        return known is not None and known.reads_clusters

    def _hadoop(self) -> list[str]:
        from mapreduce.cluster import hdfs

        return hdfs.find_hadoop(shlex.split(self.options.hadoop_bin or ""))

    def check_counters(self, counters: list[Counters]) -> None:
        """Looks at the counters of all steps before the output is committed; raises to stop that."""

    def side_files(self) -> dict[str, bytes]:
        """Files that stand beside the parts in the output, by name (with _ before it)."""
        return {}

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """What a job adds to its manifest, any keyword of `manifest.build`; `parts` is the folder of its parts."""
        return {}

    def arguments(self) -> dict[str, Any]:
        """The job's own flags, those that its output depends on."""
        own = self._passthru_arg_dests | self._file_arg_dests | self._driver_args.keys()
        return {name: getattr(self.options, name) for name in sorted(own) if hasattr(self.options, name)}

    def describe(
        self, parts: str, inputs: list[dict[str, Any]], counters: list[Counters], seconds: float
    ) -> dict[str, Any]:
        """The manifest of a finished run, without its parts."""
        total: Counters = {}
        for step in counters:
            for group, names in step.items():
                if group == rejections.GROUP:
                    continue  # they are in a file of their own
                for name, amount in names.items():
                    total.setdefault(group, {})[name] = total.get(group, {}).get(name, 0) + amount
        return manifest.build(
            self.KIND,
            arguments=self.arguments(),
            inputs=inputs,
            counters=total,
            seconds=seconds,
            **self.manifest_fields(parts),
        )

    def _print_help(self, options: Any) -> None:
        print(f"{(type(self).__doc__ or '').strip()}\n")
        super()._print_help(options)
        if self.EXAMPLE:
            program = " ".join(self.EXAMPLE.split()[:2])
            print(f"\nExample:\n  {self.EXAMPLE.replace(program, command.called(program), 1)}")


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of blocks that end anywhere, without their ends."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from whole


class StepFailed(TaskError, StepFailedException):
    """A step has failed: what mrjob's runners raise for it, and a line for the user."""

    def __str__(self) -> str:
        return str(self.args[0])


def _run(run: Callable[[], None]) -> None:
    """Runs a runner; a failed task is raised as the programs that call mrjob's runners expect it."""
    try:
        run()
    except TaskError as error:
        raise StepFailed(str(error)) from None


def task_file(path: str) -> dict[str, Any]:
    """An argument that is a file: it is sent to the nodes, and the task gets the name that it has there."""
    return {"type": "file", "path": absolute(path), "name": None}


def _pairs(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for block in blocks:
        for line in block.split(b"\n")[:-1]:
            key, _, value = line.partition(b"\t")
            yield key, value
