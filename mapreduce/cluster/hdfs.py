"""The file systems of a cluster, through the `hadoop` command: list, put, get, cat and remove.

Every call starts a Java machine, about a second, so a runner makes few calls and each takes several paths. What
`hadoop` says when something is wrong becomes one line for the user. Jobs are started in
`mapreduce.cluster.hadoop_client`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from mapreduce.errors import UserError

_LISTED = re.compile(r"^(?P<type>[-d])\S{9}\S?\s+\S+\s+\S+\s+\S+\s+(?P<size>\d+) [\d-]{10} \d\d:\d\d (?P<path>.+)$")
_MISSING = re.compile(r"^\w+: `?(?P<path>.*?)'?: No such file or directory", re.MULTILINE)
_SAID = re.compile(r"^(?:\w+: |Exception in thread \S+ |Caused by: )(?P<words>.+)$", re.MULTILINE)

STREAMING_JAR = re.compile(r"hadoop-?(?:mapred-)?streaming(?:-(?P<version>\d[\d.]*\d)\S*)?\.jar$")
_JAR_FOLDERS = ("/usr/lib/hadoop-mapreduce", "/usr/lib/hadoop/lib", "/home/hadoop/contrib")


_UPLOADED = re.compile(r"/mapreduce\.[^/]+/input/\d+/[^/]+$")


def name_there(name: str) -> str:
    """What an uploaded file is called: a colon is not allowed there, and _ or . before the name would hide it."""
    return re.sub(r"[%:]|^[_.]", lambda found: f"%{ord(found[0]):02X}", name)


def name_here(path: str) -> str:
    """What the user calls a file that a task reads, of an uploaded one too."""
    name = path.rpartition("/")[2]
    return unquote(name, errors="surrogateescape") if _UPLOADED.search(path) else name


@dataclass(frozen=True)
class File:
    """A file on the cluster."""

    path: str
    size: int


def find_hadoop(named: Sequence[str] | None = None) -> list[str]:
    """The command `hadoop` and arguments that go before all others.

    Args:
        named: the user's --hadoop-bin, if given.

    Raises:
        UserError: there is none.
    """
    if named:
        found = shutil.which(named[0])
        if not found:
            raise UserError(f"{named[0]}: no such program (--hadoop-bin)")
        return [found, *named[1:]]
    homes = [os.environ[name] for name in ("HADOOP_PREFIX", "HADOOP_HOME", "HADOOP_INSTALL") if os.environ.get(name)]
    for place in [*(os.path.join(home, "bin") for home in homes), None]:
        found = shutil.which("hadoop", path=place)
        if found:
            return [found]
    where = f"HADOOP_HOME is {homes[0]}, where bin/hadoop is missing" if homes else "HADOOP_HOME is not set"
    raise UserError(
        f"no `hadoop` on this machine: {where}, nor is it on the PATH; set HADOOP_HOME to where your cluster's Hadoop "
        "is, or start the practice cluster with `make hadoop-up` and export what it prints"
    )


def find_streaming_jar(command: Sequence[str]) -> str:
    """The path of Hadoop's streaming jar, by the folders that the environment names and by where `hadoop` is.

    Raises:
        UserError: there is none.
    """
    names = ("HADOOP_PREFIX", "HADOOP_HOME", "HADOOP_INSTALL", "HADOOP_MAPRED_HOME")
    folders = [os.environ[name] for name in names if os.environ.get(name)]
    beside = os.path.dirname(os.path.dirname(os.path.realpath(command[0])))
    if beside not in ("/", "/usr", "/usr/local"):
        folders.append(beside)
    folders = list(dict.fromkeys([*folders, *_JAR_FOLDERS]))
    found = next((jar for folder in folders for jar in _jars_below(folder)), None)
    if found is None:
        raise UserError(
            f"no hadoop-streaming jar below {', '.join(folders)}; set HADOOP_HOME to where Hadoop is, or name the jar "
            "with --hadoop-streaming-jar"
        )
    return found


def _jars_below(folder: str) -> Iterator[str]:
    """Streaming jars in a Hadoop installation, top down."""
    top = folder.rstrip(os.sep).count(os.sep)
    for path, folders, names in os.walk(folder):
        folders.sort()
        if path.count(os.sep) - top >= 5 or os.path.basename(path) in ("data", "logs", "doc", "docs", "sources"):
            folders[:] = []
        yield from (os.path.join(path, n) for n in sorted(names) if STREAMING_JAR.search(n) and "sources" not in n)


def cause(words: str) -> str | None:
    """What ails the cluster, in one line, where the words of a `hadoop` command say it."""
    if "safe mode" in words or "SafeModeException" in words:
        return (
            "HDFS is in safe mode and takes no files: its DataNodes have not all reported yet; wait, or look with "
            "`hdfs dfsadmin -report`, and leave it with `hdfs dfsadmin -safemode leave`"
        )
    refused = re.search(r"Call From \S+ to (\S+) failed on connection exception", words)
    if refused:
        return f"{refused[1]} does not answer: is the cluster running (`make hadoop-up` for the practice cluster)?"
    if "UnknownHostException" in words:
        host = re.search(r"UnknownHostException: (?:Invalid host name: .*?)?\"?([\w.-]+)", words)
        return f"unknown host {host[1] if host else ''}: check the address, and fs.defaultFS in core-site.xml"
    if "could only be written to 0 of the" in words or "could only be replicated to 0 nodes" in words:
        return "HDFS has no DataNode that could take a block: are its DataNodes running, and have they space?"
    denied = re.search(r"(Permission denied: .*?)(?:\n|$)", words)
    if denied:
        return f"{denied[1]}; give another place with --hadoop-tmp-dir or --output-dir, or ask its owner"
    scheme = re.search(r"No FileSystem for scheme \"?(\w+)|(ClassNotFoundException: Class \S+ not found)", words)
    if scheme:
        what = f"{scheme[1]}://" if scheme[1] else scheme[2]
        return f"this Hadoop has no file system for it ({what}): put its jar on HADOOP_CLASSPATH"
    if "JAVA_HOME" in words:
        return "hadoop finds no Java: set JAVA_HOME"
    return None


class Hdfs:
    """Calls of `hadoop fs`.

    Attributes:
        command: the program and arguments that go before all others.
    """

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def list(self, paths: Sequence[str]) -> tuple[list[File], list[str]]:
        """All files below paths or globs, and those of the paths that do not exist."""
        done = self._call("-ls", "-R", *paths, check=False)
        missing = _MISSING.findall(done.stderr)
        if done.returncode and not missing:
            self._raise(done)
        found = [m for line in done.stdout.split("\n") if (m := _LISTED.match(line))]
        return [File(m["path"], int(m["size"])) for m in found if m["type"] == "-"], missing

    def put(self, sources: Sequence[str], target: str) -> None:
        """Copies files into a folder that exists, or one folder to a path that does not; makes parents if need be."""
        done = self._call("-put", *sources, target, check=False)
        if done.returncode and "No such file or directory" in done.stderr:
            self._call("-mkdir", "-p", target.rstrip("/").rpartition("/")[0])
            done = self._call("-put", *sources, target, check=False)
        if done.returncode:
            self._raise(done)

    def get(self, source: str, target: str) -> None:
        """Copies a file or folder to this machine."""
        self._call("-get", source, target)

    def cat(self, path: str, decompress: bool = False) -> Iterator[bytes]:
        """The bytes of all files that a glob matches, in order of their names."""
        command = [*self.command, "fs", "-text" if decompress else "-cat", path]
        # Its words go to a file: with a second pipe it would wait for us to read them while we wait for its data.
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as run,
        ):
            assert run.stdout is not None
            try:
                while block := run.stdout.read(1 << 20):
                    yield block
                run.wait()
            finally:
                if run.poll() is None:
                    run.kill()
            said.seek(0)
            words = said.read().decode("utf-8", "replace")
        if run.returncode:
            raise UserError(f"{path}: cannot be read: {cause(words) or last(words)}")

    def checksums(self, glob: str) -> dict[str, str]:
        """What the file system itself has for a sum of each file that a glob matches, by its name; not all do."""
        lines = self._call("-checksum", glob).stdout.splitlines()
        found = [re.match(r"(?:.*/)?([^/]+)\t(\S+)\t(\w+)$", line) for line in lines]
        return {one[1]: f"{one[2]}:{one[3]}" for one in found if one}

    def remove(self, paths: Sequence[str]) -> None:
        """Removes files and folders with all that is in them; what is not there does not matter."""
        self._call("-rm", "-r", "-f", "-skipTrash", *paths)

    def _call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = run(self.command, "fs", *arguments)
        if check and done.returncode:
            self._raise(done)
        return done

    def _raise(self, done: subprocess.CompletedProcess[str]) -> Any:
        what = " ".join(done.args[len(self.command) : len(self.command) + 2])
        raise UserError(f"hadoop {what}: {cause(done.stderr) or last(done.stderr)}")


def run(command: Sequence[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `hadoop` to its end and keeps what it says."""
    return subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )


def last(words: str) -> str:
    """The one line of the command's words that says most."""
    said = [found["words"] for found in _SAID.finditer(words)]
    lines = words.strip().splitlines()
    return said[-1] if said else lines[-1] if lines else "it said nothing"
