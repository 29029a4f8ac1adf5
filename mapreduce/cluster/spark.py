"""The Spark runner, `-r spark`: a job's steps on Spark, by default on all cores of this machine (local[*]).

mrjob's runner calls spark-submit. This one has it run a program of ours (`mapreduce.cluster.spark_driver`) that a file
tells what to do, and adds the number of reducers, progress, the causes of failures, manifest and commit. It keeps no
steps to go on from.
"""

from __future__ import annotations

import importlib.util
import json
import os
import posixpath
import re
import shutil
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from mapreduce import ROOT
from mapreduce.cluster import archive, failures
from mapreduce.cluster.remote import RemoteRunner, importing_mrjob
from mapreduce.errors import PathError, TaskError, UserError
from mapreduce.input.files import shown
from mapreduce.local.runner import number_of_tasks
from mapreduce.output.manifest import Counters
from mapreduce.paths import absolute, is_remote
from mapreduce.progress import Progress

with importing_mrjob():
    from mrjob.compat import jobconf_from_dict
    from mrjob.logs.step import _log_log4j_record
    from mrjob.spark.runner import SparkMRJobRunner

JOBCONF = {
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.enabled": "false",
}

_DONE = re.compile(r"Finished task .* in stage (\d+)\S* .*\(\d+/(\d+)\)")
_GLOB = re.compile(r"([\[\]{}*?\\])")
"""Characters that mean something in a path that Spark gets."""


class SparkRunner(RemoteRunner, SparkMRJobRunner):
    """Runs a job's steps on Spark."""

    alias = "spark"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._here = self._spark_master().startswith("local")
        tmp_dir = self._opts["spark_tmp_dir"] or "/tmp"
        self._use_remote(kwargs.get("output_dir"), posixpath.join(tmp_dir, self._name_there()))
        if not is_remote(self._wanted):
            self._output_dir = os.path.join(self._get_local_tmp_dir(), "output")
        self._spark_tmp_dir, self._upload_mgr = self._tmp_dir, None
        self._written: list[tuple[dict[str, Any], int]] = []

    @property
    def _opens_files(self) -> bool:  # type: ignore[override]
        """Whether Spark's nodes have this machine's files: it runs here, or --spark-tmp-dir is a plain folder."""
        return self._here or not is_remote(self._opts["spark_tmp_dir"] or "hdfs:///")

    def _default_python_bin(self, local: bool = False) -> list[str]:
        return list(super()._default_python_bin(local=local or self._spark_master().startswith("local")))

    def _spark_submit_bin_dirs(self) -> Iterator[str | None]:
        found = importlib.util.find_spec("pyspark")
        if not os.environ.get("SPARK_HOME") and found and found.origin:
            yield os.path.join(os.path.dirname(found.origin), "bin")
        yield from super()._spark_submit_bin_dirs()

    def _check_input_paths(self) -> None:
        if not shutil.which(self.get_spark_submit_bin()[0]):
            raise UserError("no spark-submit on this machine: pip install 'featuremill[spark]', or set SPARK_HOME")
        if self.job.options.resume or self.job.options.step_output_dir:
            raise UserError("--resume and --step-output-dir are not for Spark, which keeps no steps; use -r hadoop")
        self._find_inputs()
        self._refuse()
        for step_num in range(self._num_steps()):
            self._reduces_of(step_num)
        if is_remote(self._wanted) and not self._files:  # else it was looked at with the input
            _, missing = self._hdfs.list([str(self._wanted)])
            if self._wanted not in missing:
                raise PathError(f"{self._wanted}: output already exists; give another --output-dir")

    def _add_input_files_for_upload(self) -> None:
        """They go to the cluster in `_run`; on this machine Spark reads them where they are."""

    def _run(self) -> None:
        if self._local and not self._opens_files:
            self._upload()
        self._create_setup_wrapper_scripts()
        self._output_begun = True
        self._run_plan()
        self._commit()

    def _run_plan(self) -> None:
        """Writes down what is to be run, lets Spark run it, and reads the counters."""
        folder = self._get_local_tmp_dir()
        files = os.path.join(folder, "files")
        os.makedirs(files)
        for name, path in self._working_dir_mgr.name_to_path("file").items():
            os.symlink(absolute(path), os.path.join(files, name))
        if not self._here:
            archive.write_archive(os.path.join(files, "code.zip"), self._script_path)
        fetched = not is_remote(self._output_dir)
        if fetched:
            os.makedirs(str(self._output_dir))
        plan = {
            "job": f"{self._job_script_module_name()}.{self._mrjob_cls.__name__}",
            "arguments": self._mr_job_extra_args(),
            "steps": [{"description": one, "reduces": self._reduces_of(n)} for n, one in enumerate(self._get_steps())],
            "sort_values": bool(self._sort_values),
            "here": {absolute(path): shown(path) for path in self._local} if self._opens_files else {},
            "there": [_GLOB.sub(r"\\\1", path) for path in (*(file.path for file in self._files), *self._uploaded)],
            "one_task_a_file": self.job.one_task_a_file,
            "environment": dict(self._opts["cmdenv"]),
            "scratch": folder if self._opens_files else None,
            "output": str(self._output_dir),
            "output_here": self._opens_files and fetched,
            "fetch": fetched,
            "code": "" if self._here else "code.zip",
            "files": sorted(os.path.join(files, name) for name in os.listdir(files)),
        }
        path = os.path.join(folder, "plan")
        with open(path, "w", encoding="ascii") as file:
            json.dump(plan, file)
        driver = os.path.join(os.path.dirname(os.path.abspath(__file__)), "spark_driver.py")
        program = [*self.get_spark_submit_bin(), *self._spark_submit_args(0), driver, path]
        python_path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
        ours = {"PYTHONPATH": python_path, "PYSPARK_DRIVER_PYTHON": sys.executable}
        environment = {**os.environ, **self._spark_cmdenv(0), **ours}
        self._run_spark_submit(program, environment, record_callback=_log_log4j_record)
        with open(f"{path}.results", encoding="ascii") as file:
            found = json.load(file)
        self._counters, self._written = found["counters"], sorted(found["parts"], key=lambda one: str(one[0]["name"]))

    def _reduces_of(self, step_num: int) -> int:
        """How many partitions a step has; 0 for one without a reducer."""
        if "reducer" not in self._get_step(step_num):
            return 0
        return number_of_tasks(self._jobconf_for_step(step_num), "mapreduce.job.reduces", self._reduces)

    def _refuse(self) -> None:
        """Raises UserError where the job asks for what this runner does not do."""
        compressed = jobconf_from_dict(self._jobconf_for_step(0), "mapreduce.output.fileoutputformat.compress", "false")
        asked = {
            "another input format": self._hadoop_input_format,
            "another output format": self._hadoop_output_format,
            "compressed output": str(compressed).lower() != "false",
            "another partitioner": not (self._partitioner or ".HashPartitioner").endswith(".HashPartitioner"),
            "setup commands": self._opts.get("setup"),
        }
        asked.update({f"steps of type {step['type']}": step["type"] != "streaming" for step in self._get_steps()})
        for what, is_asked in asked.items():
            if is_asked:
                raise UserError(f"the Spark runner does not do {what}; use -r hadoop")

    def _py_files(self) -> list[str]:
        """The job's script and the modules beside it; this package is where it is, or in an archive."""
        script = self._create_job_script_zip()
        with zipfile.ZipFile(script, "a") as added:
            for path in archive.modules_beside(self._script_path) if self._here else []:
                name = os.path.relpath(path, os.path.dirname(os.path.abspath(self._script_path)))
                if name not in added.namelist():
                    added.write(path, name)
        return [*self._opts["py_files"], script]

    def _cmdenv(self) -> dict[str, str]:
        given: dict[str, str] = super()._cmdenv()
        if not self._here:
            return given
        known = [given.get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
        return {**given, "PYTHONPATH": os.pathsep.join([ROOT, *filter(None, known)])}

    def _jobconf_for_step(self, step_num: int) -> dict[str, Any]:
        given = super()._jobconf_for_step(step_num)
        ours = {**JOBCONF, "mapreduce.job.reduces": str(self._reduces)}
        return self._with_ours(given, ours)

    def _run_spark_submit(
        self, spark_submit_args: list[str], env: dict[str, str], record_callback: Callable[[Any], None]
    ) -> tuple[int, dict[str, Any]]:
        words = deque[str](maxlen=4000)
        with ExitStack() as bars:
            progress: dict[str, Progress] = {}

            def hear(record: dict[str, Any]) -> None:
                words.append(record["message"])
                record_callback(record)
                if done := _DONE.search(record["message"]):
                    stage, total = done.groups()
                    if stage not in progress:
                        bars.close()
                        name = f"{self._label()} stage {len(progress) + 1}"
                        bar = Progress(name, int(total), unit="tasks", quiet=self.job.options.quiet)
                        progress[stage] = bars.enter_context(bar)
                    progress[stage].update(1)

            code, found = super()._run_spark_submit(spark_submit_args, env, hear)
        if code:
            trace, line = failures.of_spark("\n".join(words))
            sys.stderr.write(trace)
            raise TaskError(f"Spark failed: {line}")
        return code, found

    def counters(self) -> list[Counters]:
        """The job's counters, a step each."""
        return [self._in_users_files(counters) for counters in self._counters]

    def _parts(self) -> list[dict[str, Any]] | None:
        return [part for part, _ in self._written]

    def _records_out(self) -> int | None:
        return sum(lines for _, lines in self._written)

    def _fetch(self, target: str) -> None:
        for name in os.listdir(str(self._output_dir)):
            shutil.move(os.path.join(str(self._output_dir), name), target)
