"""The Spark runner, `-r spark`: a job's steps on Spark, by default on all cores of this machine (local[*]).

mrjob's runner calls spark-submit; this one adds what makes its output that of Hadoop: one line end, Hadoop's partitions
and order (`mapreduce.cluster.spark_driver`), the number of reducers, manifest and commit. Spark turns what is not
UTF-8 into U+FFFD.
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
from collections.abc import Callable, Iterator
from typing import Any

from mapreduce import ROOT
from mapreduce.cluster import archive, failures
from mapreduce.cluster.remote import RemoteRunner, importing_mrjob
from mapreduce.errors import PathError, TaskError, UserError
from mapreduce.input.files import shown
from mapreduce.output.manifest import Counters
from mapreduce.paths import absolute, is_remote

with importing_mrjob():
    from mrjob.compat import jobconf_from_dict
    from mrjob.logs.step import _log_log4j_record
    from mrjob.spark.runner import SparkMRJobRunner

JOBCONF = {
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.enabled": "false",
}

_WORKER = re.compile(r"PythonException: (Traceback \(most recent call last\):\n(?:[ \t].*\n)*\S.*)")


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

    @property
    def _shares_files(self) -> bool:
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
        if is_remote(self._wanted) and not self._files:  # else it was looked at with the input
            _, missing = self._hdfs.list([str(self._wanted)])
            if self._wanted not in missing:
                raise PathError(f"{self._wanted}: output already exists; give another --output-dir")

    def _add_input_files_for_upload(self) -> None:
        """They go to the cluster in `_run`; on this machine Spark reads them where they are."""

    def _run(self) -> None:
        if self._local and not self._shares_files:
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
        fetched = not is_remote(self._output_dir)
        if fetched:
            os.makedirs(str(self._output_dir))
        plan = {
            "job": f"{self._job_script_module_name()}.{self._mrjob_cls.__name__}",
            "arguments": self._mr_job_extra_args(),
            "steps": [{"description": one, "reduces": self._reduces_of(n)} for n, one in enumerate(self._get_steps())],
            "sort_values": bool(self._sort_values),
            "here": {absolute(path): shown(path) for path in self._local} if self._shares_files else {},
            "there": self._inputs,
            "one_task_a_file": self.job.one_task_a_file,
            "environment": dict(self._opts["cmdenv"]),
            "scratch": folder if self._here else None,
            "output": str(self._output_dir),
            "output_here": self._here and fetched,
            "fetch": fetched,
            "files": sorted(os.path.join(files, name) for name in os.listdir(files)),
        }
        path = os.path.join(folder, "plan")
        with open(path, "w", encoding="ascii") as file:
            json.dump(plan, file)
        driver = os.path.join(os.path.dirname(os.path.abspath(__file__)), "spark_driver.py")
        program = [*self.get_spark_submit_bin(), *self._spark_submit_args(0), driver, path]
        self._run_spark_submit(program, {**os.environ, **self._spark_cmdenv(0)}, record_callback=_log_log4j_record)
        with open(f"{path}.counters", encoding="ascii") as file:
            self._counters = json.load(file)

    def _reduces_of(self, step_num: int) -> int:
        """How many partitions a step has; 0 for one without a reducer."""
        if "reducer" not in self._get_step(step_num):
            return 0
        return int(jobconf_from_dict(self._jobconf_for_step(step_num), "mapreduce.job.reduces", self._reduces))

    def _py_files(self) -> list[str]:
        # On this machine the package is used where it is, with its native library.
        files = list(self._opts["py_files"])
        if not self._here:
            code = os.path.join(self._get_local_tmp_dir(), "code.zip")
            archive.write_archive(code, self._script_path)
            files.append(code)
        script = self._create_job_script_zip()
        with zipfile.ZipFile(script, "a") as added:
            for path in archive.modules_beside(self._script_path) if self._here else []:
                name = os.path.relpath(path, os.path.dirname(os.path.abspath(self._script_path)))
                if name not in added.namelist():
                    added.write(path, name)
        return [*files, script]

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
        words: list[str] = []

        def hear(record: dict[str, Any]) -> None:
            words.append(record["message"])
            record_callback(record)

        code, found = super()._run_spark_submit(spark_submit_args, env, hear)
        if code:
            said = "\n".join(words)
            found_traces = _WORKER.findall(said)
            shown = found_traces[0] + "\n" if found_traces else failures.last_traceback(said) or said[-2000:]
            sys.stderr.write(shown)
            last = shown.strip().splitlines()[-1].strip() if shown.strip() else f"exit status {code}"
            raise TaskError(f"Spark failed: {last}; try it on a few lines with -r inline, or see more with -v")
        return code, found

    def counters(self) -> list[Counters]:
        """The job's counters, a step each."""
        return [self._in_users_files(counters) for counters in self._counters]

    def _fetch(self, target: str) -> None:
        for name in os.listdir(str(self._output_dir)):
            shutil.move(os.path.join(str(self._output_dir), name), target)
