"""The Spark runner, `-r spark`: a job's steps on Spark, by default on all cores of this machine (local[*]).

mrjob's runner calls spark-submit; this one adds what makes its output that of Hadoop: one line end, Hadoop's partitions
and order (`mapreduce.cluster.spark_harness`), the number of reducers, manifest and commit. Spark turns what is not
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
from mapreduce.cluster.remote import LEAST_SPLIT, RemoteRunner, importing_mrjob
from mapreduce.errors import PathError, TaskError, UserError
from mapreduce.output.manifest import Counters
from mapreduce.paths import absolute, is_remote

with importing_mrjob():
    from mrjob.spark.runner import SparkMRJobRunner

JOBCONF = {
    "spark.hadoop.textinputformat.record.delimiter": "\n",
    "spark.hadoop.mapreduce.input.fileinputformat.input.dir.recursive": "true",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.enabled": "false",
}

_WORKER = re.compile(r"PythonException: (Traceback \(most recent call last\):\n(?:[ \t].*\n)*\S.*)")


class SparkRunner(RemoteRunner, SparkMRJobRunner):
    """Runs a job's steps on Spark."""

    alias = "spark"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        here = self._spark_master().startswith("local")
        tmp_dir = self._opts["spark_tmp_dir"] or ("" if here else "/tmp")
        name = self._name_there()
        self._use_remote(
            kwargs.get("output_dir"),
            posixpath.join(tmp_dir, name) if tmp_dir else os.path.join(self._get_local_tmp_dir(), name),
        )
        self._here, self._spark_tmp_dir, self._upload_mgr = here, self._tmp_dir, None

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
        if self._local and not self._here:
            self._upload()
        elif self._local:
            self._inputs = [*self._inputs, *(f"file://{absolute(path)}" for path in self._local)]
            for path in self._local:
                if "," in path:
                    raise UserError(f"{path}: Spark takes no comma in a path; rename the file")
        self._create_setup_wrapper_scripts()
        self._upload_local_files()
        self._tmp_used |= not self._here
        self._output_begun = True
        self._run_steps_on_spark()
        self._commit()

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

    def _spark_harness_path(self) -> str:
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), "spark_harness.py")

    def _jobconf_for_step(self, step_num: int) -> dict[str, Any]:
        given = super()._jobconf_for_step(step_num)
        ours = {**JOBCONF, "mapreduce.job.reduces": str(self._reduces)}
        if step_num == 0 and self.job.one_task_a_file:
            ours[f"spark.hadoop.{LEAST_SPLIT}"] = str(2**62)
        return self._with_ours(given, ours)

    def _step_output_uri(self, step_num: int) -> str:
        path = str(self._output_dir) if step_num == self._num_steps() - 1 else self._remote(f"step-{step_num}")
        return f"file://{path}" if self._here and not is_remote(path) else path

    def _spark_script_args(self, step_num: int, last_step_num: int | None = None) -> list[str]:
        args: list[str] = super()._spark_script_args(step_num, last_step_num)
        if "--steps-desc" in args:  # mrjob describes the steps to run alone, and its harness counts from the first
            args[args.index("--steps-desc") + 1] = json.dumps(self._get_steps())
        return args

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
        if self._here and not is_remote(self._output_dir):
            for name in os.listdir(str(self._output_dir)):
                if name.startswith("part-"):
                    shutil.move(os.path.join(str(self._output_dir), name), target)
        else:
            super()._fetch(target)
