"""What runners on a cluster share: finding the input, bringing local files there, committing the output, cleaning up.

Plain paths are on this machine, in and out; hdfs://, s3a:// and the like are the cluster's own file systems, reached
through `mapreduce.cluster.hdfs`. How a job runs is the business of `mapreduce.cluster.hadoop` and
`mapreduce.cluster.spark`.
"""

from __future__ import annotations

import os
import posixpath
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import cache
from typing import Any
from urllib.parse import urlparse

from mapreduce import mrjob_compat
from mapreduce.cluster.hdfs import File, Hdfs, find_hadoop, name_there
from mapreduce.errors import UserError
from mapreduce.input import rejections
from mapreduce.input.files import BLOCK, ON_CLUSTERS, OPENERS, expand, note_copy, shown
from mapreduce.local.folder import PrivateFolder
from mapreduce.output import atomic, committer, manifest
from mapreduce.output.manifest import Counters
from mapreduce.paths import absolute, is_remote

with mrjob_compat.stand_ins():
    from mapreduce.shuffle.reducers import default_reduces


with mrjob_compat.stand_ins():
    from mrjob.compat import jobconf_from_dict


LEAST_SPLIT = "mapreduce.input.fileinputformat.split.minsize"


@contextmanager
def importing_mrjob() -> Iterator[None]:
    """While the block imports runners of mrjob, whose module for programs would import pyspark, and with it numpy."""
    known = sys.modules.get("pyspark")
    sys.modules["pyspark"] = None  # type: ignore[assignment]
    try:
        with mrjob_compat.stand_ins():
            yield
    finally:
        if known is None:
            del sys.modules["pyspark"]
        else:
            sys.modules["pyspark"] = known


class RemoteRunner(PrivateFolder):
    """The part of a runner that knows files. It is mixed into a runner of mrjob's, whose attributes it uses.

    Attributes:
        job: the job, set by Job.make_runner.
    """

    _opens_files = False
    """Whether tasks open files of this machine themselves, whatever their format."""
    _job_key: str
    _output_dir: str | None
    _ran_job: bool
    _get_input_paths: Callable[[], list[str]]
    _label: Callable[[], str]
    _step_output_uri: Callable[[int], str]
    counters: Callable[[], list[Counters]]

    def _use_remote(self, output_dir: str | None, tmp_dir: str) -> None:
        """Sets what the methods below need.

        Args:
            output_dir: the user's --output-dir.
            tmp_dir: a folder for this job alone, which does not exist yet.
        """
        self.job: Any = None
        self._wanted = output_dir
        self._tmp_dir = tmp_dir
        self._output_dir = self._wanted if is_remote(self._wanted) else self._remote("output")
        self._named: list[str] = []
        self._local: list[str] = []
        self._files: list[File] = []
        self._inputs: list[str] = []
        self._uploaded: dict[str, str] = {}
        self._tmp_used = self._output_begun = False
        self._started = time.perf_counter()

    def _name_there(self) -> str:
        """What the job's temporary folder on the cluster is called: no other has the name, nor can it be guessed."""
        return f"mapreduce.{self._job_key}.{os.urandom(8).hex()}"

    def _remote(self, name: str) -> str:
        return posixpath.join(self._tmp_dir, name)

    @property
    def _hdfs(self) -> Hdfs:
        return Hdfs(self.get_hadoop_bin())

    def get_hadoop_bin(self) -> list[str]:
        """The `hadoop` command, as a list."""
        return find_hadoop(self._opts["hadoop_bin"])

    def _records_out(self) -> int | None:
        """How many lines the output has, where the cluster has counted them."""
        return None

    def _parts(self) -> list[dict[str, Any]] | None:
        """Name, size and sha256 of the output's parts, where they are known without a look."""
        return None

    @classmethod
    def _default_opts(cls) -> dict[str, Any]:
        return {**super()._default_opts(), "cleanup_on_failure": ["ALL"]}  # type: ignore[misc]

    def _step_input_uris(self, step_num: int) -> list[str]:
        return self._inputs if step_num == 0 else [self._step_output_uri(step_num - 1)]

    @staticmethod
    def _with_ours(given: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
        """The jobconf of a step, with ours where the user gives nothing else."""
        return {**{name: value for name, value in ours.items() if jobconf_from_dict(given, name) is None}, **given}

    def _find_inputs(self) -> None:
        """Finds the files behind the input's paths; refuses what cannot be read and an output that is there."""
        if not self._opts["check_input_paths"]:
            raise UserError("--no-check-input-paths: the input's size says how many reducers there are; leave it out")
        if self._wanted and not is_remote(self._wanted):
            committer.refuse_existing(self._wanted)
        paths = self._get_input_paths()
        remote = [path for path in paths if is_remote(path)]
        self._named = expand([path for path in paths if not is_remote(path)])
        self._local = self._named if self._opens_files else self._as_lines(self._named)
        if remote:
            self._list(remote)
        files = [*self._local, *(file.path for file in self._files)]
        for path in files[len(self._local) if self._opens_files else 0 :]:
            suffix = os.path.splitext(path)[1]
            if suffix in OPENERS and suffix not in ON_CLUSTERS:
                raise UserError(f"{path}: Hadoop cannot read {suffix[1:]}; recompress it to gz or bz2")
        self.job.input_files = files
        sizes = [*map(os.path.getsize, self._named), *(file.size for file in self._files)]
        self._reduces = default_reduces(sum(sizes))

    def _as_lines(self, paths: list[str]) -> list[str]:
        """Files of this machine, with a copy in place of each that a cluster would not read as lines, one a record."""
        format = self.job.input_format
        if format is None:
            return paths
        found, folder = [], os.path.join(self._get_local_tmp_dir(), "lines")
        for number, path in enumerate(paths):
            one = format.at(path)
            if one.is_lines(path) and os.path.splitext(path)[1] not in set(OPENERS).difference(ON_CLUSTERS):
                found.append(path)
                continue
            stem, suffix = os.path.splitext(os.path.basename(path))
            place = os.path.join(folder, str(number), stem if suffix in OPENERS else stem + suffix)
            os.makedirs(os.path.dirname(place))
            with open(place, "wb") as file:
                file.writelines(one.lines(path))
            if one.cuts is not None and one.layout.names is not None:  # rows keep their line ends
                self.job.one_task_a_file = True
            note_copy(place, shown(path))
            found.append(place)
        return found

    def _list(self, remote: list[str]) -> None:
        """Finds the files behind paths on the cluster, and whether the output is there, in one call."""
        self._files = find_files(tuple(self.get_hadoop_bin()), tuple(remote), self._wanted)
        self._inputs = remote

    def _upload(self) -> None:
        """Puts local files on the cluster in one call: folders of links, a second folder where two have one name."""
        folder = os.path.join(self._get_local_tmp_dir(), "upload")
        for path in self._local:
            name = name_there(os.path.basename(path))
            number = 0
            while self._remote(f"input/{number}/{name}") in self._uploaded:
                number += 1
            os.makedirs(os.path.join(folder, f"input/{number}"), exist_ok=True)
            os.symlink(absolute(path), os.path.join(folder, f"input/{number}", name))
            self._uploaded[self._remote(f"input/{number}/{name}")] = path
        self._tmp_used = True
        self._hdfs.put([folder], self._tmp_dir)
        self._inputs = [*self._inputs, self._remote("input")]

    def _in_users_files(self, counters: Counters) -> Counters:
        """The counters, where places of rejected lines are those in the user's own files."""
        names = {rejections.name_of(there): rejections.name_of(shown(here)) for there, here in self._uploaded.items()}
        samples = counters.get(rejections.GROUP, {})
        parts = [(*name.partition(" "), n) for name, n in samples.items()]
        renamed = {f"{names.get(crc, crc)} {rest}": n for crc, _, rest, n in parts}
        return {**counters, rejections.GROUP: renamed} if samples else counters

    def _fetch(self, target: str) -> None:
        """Brings the output's parts into a folder of this machine."""
        self._hdfs.get(f"{self._output_dir}/part-*", target)

    def _commit(self) -> None:
        """Checks the counters, then puts manifest and _SUCCESS beside the parts, here or on the cluster."""
        self.job.check_counters(self.counters())
        options = self.job.options
        if not self._wanted and not options.manifest:
            return
        fetched = os.path.join(self._get_local_tmp_dir(), "output")
        if is_remote(self._wanted):
            self._commit_remote(fetched)
        elif self._wanted:
            with atomic.whole_folder(self._wanted) as folder:
                self._fetch_and_describe(folder)
                committer.refuse_existing(self._wanted)
        else:
            os.makedirs(fetched)
            self._fetch_and_describe(fetched)
        if options.manifest:
            kept = fetched if is_remote(self._wanted) or not self._wanted else self._wanted
            committer.copy_manifest(kept, options.manifest)

    def _fetch_and_describe(self, folder: str) -> None:
        self._fetch(folder)
        committer.commit_job(folder, folder, self._describe(folder), self.job.side_files())

    def _commit_remote(self, folder: str) -> None:
        """Writes side files, manifest and _SUCCESS into a folder here and puts them beside the parts, in that order."""
        os.makedirs(folder)
        description = self._describe(folder)
        parts, glob = self._parts(), f"{self._output_dir}/part-*"
        if parts is None:
            parts = [{"name": posixpath.basename(f.path), "size": f.size} for f in self._hdfs.list([glob])[0]]
        elif self.job.options.sha256 and not self._tmp_used:  # else its removal is the third start of `hadoop`
            sums = self._hdfs.checksums(glob)
            for part in parts:
                part.update({"checksum": sums[part["name"]]} if part["name"] in sums else {})
        out = self._records_out()
        records = {**description.get("records", {}), **({} if out is None else {"out": out})}
        description.update(parts=parts, records=records)
        data = manifest.encode(description)
        files = {**self.job.side_files(), manifest.NAME: data, manifest.SUCCESS: manifest.success(data)}
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        self._hdfs.put([os.path.join(folder, name) for name in files], f"{self._output_dir}/")

    def _describe_inputs(self) -> list[dict[str, Any]]:
        local = manifest.describe_inputs(self._named, shown, sha256=self.job.options.sha256)
        return local + [{"path": file.path, "size": file.size} for file in self._files]

    def _describe(self, parts: str) -> dict[str, Any]:
        inputs = self._describe_inputs()
        seconds = time.perf_counter() - self._started
        description: dict[str, Any] = self.job.describe(parts, inputs, self.counters(), seconds)
        return description

    def cat_output(self) -> Iterator[bytes]:
        """The output, part after part."""
        folder = self._wanted or str(self._output_dir)
        if os.path.isdir(folder):
            yield from committer.cat(folder)
        else:
            yield from self._hdfs.cat(f"{self._output_dir}/part-*")

    def _cleanup_hadoop_tmp(self) -> None:
        """Removes what the job has left on the cluster, and after a failure what there is of its output."""
        remains = [self._tmp_dir] if self._tmp_used else []
        if not self._ran_job and is_remote(self._wanted) and self._output_begun:
            remains.append(str(self._wanted))  # ours: it did not exist before
        try:
            if remains:
                self._hdfs.remove(remains)
        except UserError as error:  # the job's own end, good or bad, matters more
            print(f"{self._label()}: {' and '.join(remains)} could not be removed: {error}", file=sys.stderr)


@cache
def find_files(command: tuple[str, ...], paths: tuple[str, ...], output: str | None) -> list[File]:
    """The files behind paths and globs on the cluster; looks at the output in the same call, and only once.

    Raises:
        UserError: a path is not there, or holds no file; or the output is there already.
    """
    asked = [*paths, output] if output and is_remote(output) else list(paths)
    files, missing = Hdfs(list(command)).list(asked)
    for path in paths:
        if path in missing:
            raise UserError(f"{path}: no such input on the cluster")
    if len(asked) > len(paths) and output not in missing:
        raise UserError(f"{output}: output already exists; give another --output-dir")
    found = [file for file in files if any(is_input(file.path, path) for path in paths)]
    if not found:
        raise UserError(f"{paths[0]}: no files there to read (names with _ or . before them are left out)")
    return found


def describe(paths: Sequence[str]) -> list[dict[str, Any]]:
    """`path` and `size` of the files behind paths on the cluster, as manifests have them; their sums are not known."""
    found = find_files(tuple(find_hadoop()), tuple(paths), None)
    return [{"path": file.path, "size": file.size} for file in found]


@cache
def header(path: str, command: tuple[str, ...]) -> str:
    """A file of this machine that holds the first MiB of one on the cluster, and has its name; fetched only once."""
    head = b""
    for block in Hdfs(list(command)).cat(path, decompress=True):
        head += block
        if len(head) >= BLOCK:
            break
    stem, suffix = os.path.splitext(posixpath.basename(path))
    target = os.path.join(atomic.scratch(), stem if suffix in OPENERS else stem + suffix)  # it is decompressed
    with open(target, "wb") as file:
        file.write(head[:BLOCK])
    return target


def is_input(path: str, given: str) -> bool:
    """Whether Hadoop reads a file: it is below a path or glob, and hidden at no level below it."""
    parts, wanted = urlparse(path).path.strip("/").split("/"), urlparse(given).path.strip("/").split("/")
    if not all(fnmatch(part, pattern) or "{" in pattern for part, pattern in zip(parts, wanted)):
        return False
    return not any(part.startswith(("_", ".")) for part in parts[len(wanted) :])
