"""The Hadoop runner, `-r hadoop`: packs a job and runs its steps by Hadoop streaming.

mrjob gives the streaming arguments; its own runner is not used beyond that, because it starts `hadoop` a dozen times
and hides why a task failed. Files are the business of `mapreduce.cluster.remote`, the client that of
`mapreduce.cluster.hadoop_client`.
"""

from __future__ import annotations

import os
import posixpath
from typing import Any

from mapreduce.cluster import archive
from mapreduce.cluster.hadoop_client import Client, parts, user_counters
from mapreduce.cluster.hdfs import STREAMING_JAR, find_streaming_jar
from mapreduce.cluster.kept_steps import ClusterFolder
from mapreduce.cluster.remote import LEAST_SPLIT, RemoteRunner, importing_mrjob
from mapreduce.errors import RecordError, UserError
from mapreduce.local.executor import terminated_as_interrupted
from mapreduce.output.kept_steps import KeptSteps
from mapreduce.output.manifest import RECORDS, Counters
from mapreduce.paths import is_remote

with importing_mrjob():
    from mrjob.compat import jobconf_from_dict
    from mrjob.hadoop import HadoopJobRunner

JOBCONF = {
    "textinputformat.record.delimiter": "\n",  # by itself Hadoop ends a line at a lone CR too
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",  # _SUCCESS follows the manifest
    "mapreduce.input.fileinputformat.input.dir.recursive": "true",
    "mapreduce.output.fileoutputformat.compress": "false",
    "mapreduce.client.progressmonitor.pollinterval": "200",
}
"""What a job gets where the user gives nothing else."""


class HadoopRunner(RemoteRunner, HadoopJobRunner):
    """Runs a job's steps on a Hadoop cluster."""

    alias = "hadoop"
    _hadoop_streaming_jar: str | None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._use_remote(kwargs.get("output_dir"), posixpath.join(self._opts["hadoop_tmp_dir"], self._name_there()))
        self._upload_mgr = None  # Hadoop's client sends side files by itself
        self._client: Client | None = None
        self._counted: list[Counters] = []
        self._last_reduces = 0
        self._kept: ClusterFolder | None = None

    @classmethod
    def _default_opts(cls) -> dict[str, Any]:
        return {**super()._default_opts(), "hadoop_tmp_dir": "/tmp"}

    def get_hadoop_version(self) -> str:
        """By the name of the streaming jar, which costs no start of `hadoop`; the names of properties depend on it."""
        found = STREAMING_JAR.search(os.path.realpath(self.get_hadoop_streaming_jar()))
        return found["version"] if found and found["version"] else "3.0"

    def get_hadoop_streaming_jar(self) -> str:
        """The path of the streaming jar.

        Raises:
            UserError: there is none.
        """
        if not self._hadoop_streaming_jar:
            self._hadoop_streaming_jar = find_streaming_jar(self.get_hadoop_bin())
        # Any URI is Hadoop's to open, file:// too, which `is_remote` takes for a path of this machine.
        elif "://" not in self._hadoop_streaming_jar and not os.path.isfile(self._hadoop_streaming_jar):
            raise UserError(f"{self._hadoop_streaming_jar}: no such file (--hadoop-streaming-jar)")
        return str(self._hadoop_streaming_jar)

    def _check_input_paths(self) -> None:
        self.get_hadoop_streaming_jar()
        if self._uses_input_manifest():
            raise UserError("mapper_raw is not supported; derive the job from mrjob.job.MRJob itself")
        if (kept := self.job.options.step_output_dir) and not is_remote(kept):
            raise UserError(f"{kept}: steps on Hadoop are kept on the cluster; give --step-output-dir hdfs:///...")
        self._find_inputs()
        self._refuse()

    def _refuse(self) -> None:
        """Raises UserError where what is asked for would change or lose records without a word."""
        given = self._hadoop_input_format or ".TextInputFormat"
        if not given.endswith(".TextInputFormat"):
            raise UserError(f"{given}: tasks would take its keys for text; give files of lines, or convert them first")
        for number, step in enumerate(self._get_steps()):
            conf = self._jobconf_for_step(number)
            reduces = str(jobconf_from_dict(conf, "mapreduce.job.reduces", "1"))
            if "reducer" in step and not (reduces.isascii() and reduces.isdigit() and int(reduces)):
                what = "a whole number from 1, as the job has a reducer"
                raise UserError(f"jobconf mapreduce.job.reduces is {what}. Received: {reduces}")
            if str(jobconf_from_dict(conf, "mapreduce.output.fileoutputformat.compress", "false")).lower() != "false":
                raise UserError("jobconf mapreduce.output.fileoutputformat.compress: parts are plain; leave it out")

    def _add_input_files_for_upload(self) -> None:
        """They go to the cluster in `_run_client`."""

    def _run(self) -> None:
        with terminated_as_interrupted():
            self._run_steps()

    def _run_steps(self) -> None:
        self._create_setup_wrapper_scripts()
        os.makedirs(os.path.join(self._get_local_tmp_dir(), "client"))
        wanted = self.job.options.step_output_dir
        self._kept = ClusterFolder(wanted, self._hdfs) if wanted else None
        with KeptSteps(self._kept, self.job, self._describe_inputs) as kept:
            for number in range(self._num_steps()):
                is_last = number == self._num_steps() - 1
                given = str(jobconf_from_dict(self._jobconf_for_step(number), "mapreduce.job.reduces"))
                self._last_reduces = reduces = int(given) if given.isdigit() else 0
                found = None if is_last else kept.counters(number, reduces)
                if found is None:
                    found = self._run_client(number, is_last)
                    if not is_last:
                        kept.complete(number, reduces, found)
                self._counted.append(found)
        self._commit()

    def _run_client(self, number: int, is_last: bool) -> Counters:
        """Runs a step; returns the counters that the job's own tasks have counted."""
        if number == 0 and self._local:
            self._upload()
        self._tmp_used |= not is_remote(self._wanted) if is_last else self._kept is None
        options = self.job.options
        client = Client(self.get_hadoop_bin(), self._label(), quiet=options.quiet, verbose=options.verbose)
        arguments = self._args_for_streaming_step(number)[len(client.command) + 1 :]
        try:
            client.run(arguments, os.path.join(self._get_local_tmp_dir(), "client"))
        finally:
            self._output_begun = is_last and client.submitted
        self._client = client
        counted = self._in_users_files(user_counters(client.counters))
        if number == 0 and (found := counted.get(RECORDS)):
            given = client.counters.get("Map-Reduce Framework", {}).get("Map input records")
            read = sum(found.get(name, 0) for name in ("in", "headers", "continued"))
            if given not in (None, read):
                raise RecordError(f"Hadoop gave {given} lines and tasks have read {read}: some were lost; run it again")
        return counted

    def _create_setup_wrapper_scripts(self) -> None:
        folder = os.path.join(self._get_local_tmp_dir(), "code")
        os.makedirs(folder)
        code, script = os.path.join(folder, "code.zip"), os.path.join(folder, "task.sh")
        archive.write_archive(code, self._script_path)
        setup = self._setup_cmd_content(self._setup) if self._setup else []
        with open(script, "w", encoding="utf-8") as file:
            file.write(archive.task_script(setup))
        self._working_dir_mgr.add("archive", code, name=archive.NAME)
        self._working_dir_mgr.add("file", script)
        self._setup_wrapper_script_path = script

    def _default_sh_bin(self) -> list[str]:
        return ["/bin/sh"]

    def _hadoop_streaming_commands(self, step_num: int) -> tuple[str, str | None, str | None]:
        mapper, combiner, reducer = super()._hadoop_streaming_commands(step_num)
        # A mapper of blocks has added up already; a combiner would be one more process for every spill.
        return mapper, None if self.job.block_mapper(step_num) else combiner, reducer

    def _jobconf_for_step(self, step_num: int) -> dict[str, Any]:
        given = super()._jobconf_for_step(step_num)
        ours = {**JOBCONF, "mapreduce.job.name": self._job_key}
        if step_num == 0 and self.job.one_task_a_file:
            ours[LEAST_SPLIT] = str(2**62)
        if "reducer" in self._get_step(step_num):
            ours["mapreduce.job.reduces"] = str(self._reduces)
        return self._with_ours(given, ours)

    def _step_output_uri(self, step_num: int) -> str:
        if step_num == self._num_steps() - 1:
            return str(self._output_dir)
        return self._kept.step(step_num) if self._kept else self._remote(f"step-{step_num}")

    def counters(self) -> list[Counters]:
        """The counters that the job's own tasks have counted, a step each."""
        return self._counted

    def _records_out(self) -> int | None:
        counted = self._client.counters.get("Map-Reduce Framework", {}) if self._client else {}
        last = "Reduce output records" if "reducer" in self._get_step(self._num_steps() - 1) else "Map output records"
        return counted.get(last)

    def _parts(self) -> list[dict[str, Any]] | None:
        return parts(self._client.counters, self._last_reduces) if self._client else None
