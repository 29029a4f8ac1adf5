"""The Hadoop runner, `-r hadoop`: packs a job, moves its files, runs its steps by Hadoop streaming, commits the output.

Plain paths are on this machine, in and out; hdfs://, s3a:// and the like are the cluster's own file systems. mrjob
gives the streaming arguments; its own runner is not used beyond that, because it starts `hadoop` a dozen times and
hides why a task failed. The client is in `mapreduce.client`, files are moved in `mapreduce.hdfs`.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlparse

from mrjob.compat import jobconf_from_dict
from mrjob.hadoop import HadoopJobRunner

from mapreduce import committer, manifest, package, rejections
from mapreduce.client import Client, Counters, user_counters
from mapreduce.errors import UserError
from mapreduce.hdfs import STREAMING_JAR, File, Hdfs, find_hadoop, find_streaming_jar
from mapreduce.local import default_reduces
from mapreduce.split import expand

JOBCONF = {
    "textinputformat.record.delimiter": "\n",  # by itself Hadoop ends a line at a lone CR too
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",  # _SUCCESS follows the manifest
    "mapreduce.input.fileinputformat.input.dir.recursive": "true",
    "mapreduce.output.fileoutputformat.compress": "false",
    "mapreduce.client.progressmonitor.pollinterval": "200",
}
"""What a job gets where the user gives nothing else."""


class HadoopRunner(HadoopJobRunner):
    """Runs a job's steps on a Hadoop cluster."""

    alias = "hadoop"
    _hadoop_streaming_jar: str | None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job: Any = None  # set by Job.make_runner
        wanted = kwargs.get("output_dir")
        self._wanted: str | None = wanted[len("file://") :] if wanted and wanted.startswith("file://") else wanted
        self._upload_mgr = None  # Hadoop's client sends side files by itself
        self._hadoop_tmp_dir = posixpath.join(self._opts["hadoop_tmp_dir"], f"mapreduce.{self._job_key}")
        self._output_dir = self._wanted if _is_remote(self._wanted) else self._remote("output")
        self._local: list[str] = []
        self._files: list[File] = []
        self._inputs: list[str] = []
        self._clients: list[Client] = []
        self._tmp_used = False
        self._started = time.perf_counter()

    @classmethod
    def _default_opts(cls) -> dict[str, Any]:
        return {**super()._default_opts(), "hadoop_tmp_dir": "/tmp", "cleanup_on_failure": ["ALL"]}

    def _remote(self, name: str) -> str:
        return posixpath.join(self._hadoop_tmp_dir, name)

    @property
    def _hdfs(self) -> Hdfs:
        return Hdfs(self.get_hadoop_bin())

    def get_hadoop_bin(self) -> list[str]:
        """The `hadoop` command, as a list."""
        return find_hadoop(self._opts["hadoop_bin"])

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
        elif "://" not in self._hadoop_streaming_jar and not os.path.isfile(self._hadoop_streaming_jar):
            raise UserError(f"{self._hadoop_streaming_jar}: no such file (--hadoop-streaming-jar)")
        return str(self._hadoop_streaming_jar)

    def _check_input_paths(self) -> None:
        self.get_hadoop_streaming_jar()
        if self._uses_input_manifest():
            raise UserError("mapper_raw is not supported; derive the job from mrjob.job.MRJob itself")
        if self._wanted and not _is_remote(self._wanted):
            committer.refuse_existing(self._wanted)
        paths = self._get_input_paths()
        remote = [path for path in paths if _is_remote(path)]
        self._local = expand([path for path in paths if not _is_remote(path)])
        if remote:
            self._list(remote)
        for path in [*self._local, *(file.path for file in self._files)]:
            if path.endswith(".xz"):
                raise UserError(f"{path}: Hadoop cannot read xz; recompress it to gz or bz2")
        self.job.input_files = [*self._local, *(file.path for file in self._files)]

    def _list(self, remote: list[str]) -> None:
        """Finds the files behind paths on the cluster, and whether the output is there, in one call."""
        asked = [*remote, self._wanted] if self._wanted and _is_remote(self._wanted) else remote
        files, missing = self._hdfs.list(asked)
        for path in remote:
            if path in missing:
                raise UserError(f"{path}: no such input on the cluster")
        if len(asked) > len(remote) and self._wanted not in missing:
            raise UserError(f"{self._wanted}: output already exists; remove it or give another --output-dir")
        self._files = [file for file in files if any(_is_input(file.path, path) for path in remote)]
        self._inputs = remote
        if not self._files:
            raise UserError(f"{remote[0]}: no files there to read (names with _ or . before them are left out)")

    def _add_input_files_for_upload(self) -> None:
        """They go to the cluster in `_run`."""

    def _run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        self._create_setup_wrapper_scripts()
        if self._local:
            self._upload()
        self._reduces = default_reduces(sum(map(os.path.getsize, self._local)) + sum(file.size for file in self._files))
        folder = os.path.join(self._get_local_tmp_dir(), "client")
        os.makedirs(folder)
        options = self.job.options
        for number in range(self._num_steps()):
            client = Client(self.get_hadoop_bin(), self._label(), quiet=options.quiet, verbose=options.verbose)
            self._clients.append(client)
            self._tmp_used |= not _is_remote(self._step_output_uri(number))
            client.run(self._args_for_streaming_step(number)[len(client.command) + 1 :], folder)
        self._commit()

    def _upload(self) -> None:
        """Puts local files on the cluster in one call: folders of links, a second folder where two have one name."""
        folder = os.path.join(self._get_local_tmp_dir(), "upload")
        self._uploaded = {}
        for path in self._local:
            # A colon is not allowed there, and _ or . would hide the file.
            name = os.path.basename(path).replace(":", "-").lstrip("_.") or "input"
            number = 0
            while self._remote(f"input/{number}/{name}") in self._uploaded:
                number += 1
            os.makedirs(os.path.join(folder, f"input/{number}"), exist_ok=True)
            os.symlink(os.path.abspath(path), os.path.join(folder, f"input/{number}", name))
            self._uploaded[self._remote(f"input/{number}/{name}")] = path
        self._tmp_used = True
        self._hdfs.put([folder], self._hadoop_tmp_dir)
        self._inputs = [*self._inputs, self._remote("input")]

    _uploaded: dict[str, str] = {}

    def _create_setup_wrapper_scripts(self) -> None:
        folder = os.path.join(self._get_local_tmp_dir(), "package")
        os.makedirs(folder)
        archive, script = os.path.join(folder, "code.zip"), os.path.join(folder, "task.sh")
        package.write_archive(archive, self._script_path)
        setup = self._setup_cmd_content(self._setup) if self._setup else []
        with open(script, "w", encoding="utf-8") as file:
            file.write(package.task_script(setup))
        self._working_dir_mgr.add("archive", archive, name=package.NAME)
        self._working_dir_mgr.add("file", script)
        self._setup_wrapper_script_path = script

    def _default_sh_bin(self) -> list[str]:
        return ["/bin/sh"]

    def _py_files(self) -> list[str]:
        return list(self._opts["py_files"])

    def _hadoop_streaming_commands(self, step_num: int) -> tuple[str, str | None, str | None]:
        mapper, combiner, reducer = super()._hadoop_streaming_commands(step_num)
        # A mapper of blocks has added up already; a combiner would be one more process for every spill.
        return mapper, None if self.job._maps_blocks(step_num) else combiner, reducer

    def _jobconf_for_step(self, step_num: int) -> dict[str, Any]:
        given = super()._jobconf_for_step(step_num)
        ours = {**JOBCONF, "mapreduce.job.name": self._job_key}
        if "reducer" in self._get_step(step_num):
            ours["mapreduce.job.reduces"] = str(self._reduces)
        return {**{k: v for k, v in ours.items() if jobconf_from_dict(given, k) is None}, **given}

    def _step_input_uris(self, step_num: int) -> list[str]:
        return self._inputs if step_num == 0 else [self._step_output_uri(step_num - 1)]

    def _step_output_uri(self, step_num: int) -> str:
        return str(self._output_dir) if step_num == self._num_steps() - 1 else self._remote(f"step-{step_num}")

    def counters(self) -> list[Counters]:
        """The jobs' own counters, a step each; places of rejected lines are those in the user's files."""
        names = {rejections._name(there): rejections._name(here) for there, here in self._uploaded.items()}
        found = [user_counters(client.counters) for client in self._clients]
        for counters in found:
            samples = counters.pop(rejections.GROUP, None)
            if samples:
                parts = [(*name.partition(" "), n) for name, n in samples.items()]
                counters[rejections.GROUP] = {f"{names.get(crc, crc)} {rest}": n for crc, _, rest, n in parts}
        return found

    def _commit(self) -> None:
        """Checks the counters, then puts manifest and _SUCCESS beside the parts, here or on the cluster."""
        self.job.check_counters(self.counters())
        options = self.job.options
        if not self._wanted and not options.manifest:
            return
        fetched = os.path.join(self._get_local_tmp_dir(), "output")
        remote = _is_remote(self._wanted)
        if not remote and self._wanted:
            fetched = f"{os.path.abspath(self._wanted)}._temporary.{self._job_key}"  # of the same file system
            os.makedirs(os.path.dirname(fetched), exist_ok=True)
        if remote and not self.job.READS_PARTS:
            os.makedirs(fetched)
        else:
            self._hdfs.get(str(self._output_dir), fetched)
        try:
            if remote:
                self._commit_remote(fetched)
            else:
                committer.commit_job(fetched, self._wanted or fetched, self._describe(fetched), self.job.side_files())
        except BaseException:
            shutil.rmtree(fetched, ignore_errors=True)
            raise
        if options.manifest:
            committer.copy_manifest(fetched if remote or not self._wanted else self._wanted, options.manifest)

    def _commit_remote(self, folder: str) -> None:
        """Writes side files, manifest and _SUCCESS into a folder here and puts them beside the parts, in that order."""
        description = self._describe(folder)
        if self.job.READS_PARTS:
            description = manifest.complete(description, folder)
        else:
            parts, _ = self._hdfs.list([str(self._output_dir)])
            names = [{"name": posixpath.basename(part.path), "size": part.size} for part in parts]
            description.update(parts=names, records={**description.get("records", {}), "out": self._records_out()})
        data = manifest.encode(description)
        files = {**self.job.side_files(), manifest.NAME: data, manifest.SUCCESS: manifest.success(data)}
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        self._hdfs.put([os.path.join(folder, name) for name in files], f"{self._output_dir}/")

    def _records_out(self) -> int:
        counted = self._clients[-1].counters.get("Map-Reduce Framework", {})
        last = "Reduce output records" if "reducer" in self._get_step(self._num_steps() - 1) else "Map output records"
        return counted.get(last, 0)

    def _describe(self, parts: str) -> dict[str, Any]:
        sha256 = self.job.options.sha256
        inputs = [manifest.describe_input(path, sha256=sha256) for path in self._local]
        for described in inputs:
            if described["path"] == self._stdin_path:
                described["path"] = "-"
        inputs += [{"path": file.path, "size": file.size} for file in self._files]
        seconds = time.perf_counter() - self._started
        description: dict[str, Any] = self.job.describe(parts, inputs, self.counters(), seconds)
        return description

    def cat_output(self) -> Iterator[bytes]:
        """The output, part after part."""
        if os.path.isdir(self._wanted or ""):
            for part in sorted(os.listdir(self._wanted)):
                if part.startswith("part-"):
                    with open(os.path.join(str(self._wanted), part), "rb") as file:
                        yield from iter(lambda: file.read(1 << 20), b"")
        else:
            yield from self._hdfs.cat(f"{self._output_dir}/part-*")

    def _cleanup_hadoop_tmp(self) -> None:
        remains = [self._hadoop_tmp_dir] if self._tmp_used else []
        if not self._ran_job and _is_remote(self._wanted) and self._clients and self._clients[-1].submitted:
            remains.append(str(self._wanted))  # ours: it did not exist before
        try:
            if remains:
                self._hdfs.remove(remains)
        except UserError as error:  # the job's own end, good or bad, matters more
            print(f"{self._label()}: {' and '.join(remains)} could not be removed: {error}", file=sys.stderr)


def _is_remote(path: str | None) -> bool:
    return bool(path) and "://" in str(path) and not str(path).startswith("file://")


def _is_input(path: str, given: str) -> bool:
    """Whether Hadoop reads a file: it is below a path or glob, and hidden at no level below it."""
    parts, wanted = urlparse(path).path.strip("/").split("/"), urlparse(given).path.strip("/").split("/")
    if not all(fnmatch(part, pattern) or "{" in pattern for part, pattern in zip(parts, wanted)):
        return False
    return not any(part.startswith(("_", ".")) for part in parts[len(wanted) :])
