"""Hadoop's client: starts one job with `hadoop jar`, follows what it says, and returns counters or explains a failure.

It shows progress, gives up where YARN does not answer, kills the job when the user interrupts, and fetches the failed
tasks' words. Files are moved in `mapreduce.cluster.hdfs`; causes are told apart in `mapreduce.cluster.failures`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from mapreduce.cluster import archive, failures, hdfs
from mapreduce.cluster.node import PARTS
from mapreduce.errors import TaskError, UserError
from mapreduce.output.manifest import Counters

RETRIES = 8  # of the client to reach YARN, a second each, before we say that it does not answer
LOG_WAIT = (1.0, 2.0, 4.0, 8.0)  # seconds between looks for the logs, which the nodes gather after the job's end

_SENT = re.compile(r"Submitting tokens for job: (job_\w+)")
_JOB = re.compile(r"Running job: (job_\w+)")
_APPLICATION = re.compile(r"Submitted application (application_\d+_\d+)")
_URL = re.compile(r"The url to track the job: (http\S+)")
_PROGRESS = re.compile(r"map (\d+)% reduce (\d+)%")
_FAILED = re.compile(r"Task Id : (attempt_\w+), Status : FAILED")
_STATE = re.compile(r"failed with state \w+ due to: (?!NA$)(.*)")
_RETRY = re.compile(r"Retrying connect to server: (\S+)\. Already tried (\d+) time")
_RECORD = re.compile(r"^\S.*? (?:INFO|WARN|ERROR|FATAL|DEBUG) ")
_GROUP, _COUNTER = re.compile(r"^\t(\S.*)$"), re.compile(r"^\t\t(.*)=(-?\d+)$")
FRAMEWORK = re.compile(
    r"File System Counters|Job Counters ?|Map-Reduce Framework|Shuffle Errors|File (In|Out)put Format Counters ?|"
    r"org\.apache\.hadoop\..*"
)
"""Groups of counters that are Hadoop's own."""


class Client:
    """One job.

    Args:
        command: the `hadoop` command.
        name: what the job is called in messages.
        quiet: show no progress.
        verbose: show all that Hadoop says.
    """

    def __init__(self, command: Sequence[str], name: str, *, quiet: bool = False, verbose: bool = False) -> None:
        self.command, self.name, self.quiet, self.verbose = list(command), name, quiet, verbose
        self.job = self.application = self._sent = ""
        self.counters: Counters = {}
        self._words: list[str] = []
        self._diagnostics: list[str] = []
        self._group: dict[str, int] | None = None
        self._in_counters = self._in_failure = False
        self._shown = ""

    @property
    def submitted(self) -> bool:
        """Whether the job has begun; its output did not exist until then."""
        return bool(self.job)

    def run(self, arguments: Sequence[str], folder: str) -> None:
        """Runs `hadoop jar ARGUMENTS` to its end.

        Args:
            arguments: the streaming jar and its arguments.
            folder: the working directory of the client, and of tasks that run inside it.

        Raises:
            TaskError: the job has failed.
            UserError: it could not be started.
        """
        # Progress and counters are log messages; a cluster may be set to show fewer.
        environment = {**os.environ, "HADOOP_ROOT_LOGGER": "INFO,console"}
        process = subprocess.Popen(
            [*self.command, "jar", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the user's Ctrl-C comes to us, and we end the job and then the client
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._hear(line.decode("utf-8", "replace").rstrip("\r\n"))
            code = process.wait()
        except BaseException:
            self._stop(process)
            raise
        finally:
            process.stdout.close()
        if code:
            self._fail()

    def _hear(self, line: str) -> None:
        if self.verbose:
            print(line, file=sys.stderr)
        self._words.append(line)
        if len(self._words) > 4000:
            del self._words[:2000]
        if _RECORD.match(line):
            self._in_counters, self._in_failure = line.endswith(f"Counters: {line.rpartition(' ')[2]}"), False
            self._hear_record(line)
        elif self._in_counters:
            if counter := _COUNTER.match(line):
                if self._group is not None:
                    self._group[counter[1]] = int(counter[2])
            elif group := _GROUP.match(line):
                self._group = self.counters.setdefault(group[1], {})
        elif self._in_failure:
            self._diagnostics.append(line)

    def _hear_record(self, line: str) -> None:
        if found := _PROGRESS.search(line):
            self._say(f"map {found[1]} %, reduce {found[2]} %")
        elif found := _URL.search(line):
            self._say(f"started, see {found[1]}")
        elif found := _SENT.search(line):
            self._sent = found[1]
        elif found := _JOB.search(line):
            self.job = found[1]
        elif found := _APPLICATION.search(line):
            self.application = found[1]
        elif found := _FAILED.search(line):
            self._in_failure = True
            self._diagnostics.append(line)
            self._say(f"an attempt has failed ({found[1]})")
        elif (found := _STATE.search(line)) and not self._diagnostics:
            self._in_failure = True
            self._diagnostics.append(found[1])
        elif (found := _RETRY.search(line)) and int(found[2]) + 1 >= RETRIES and not self.submitted:
            raise UserError(
                f"{found[1]} does not answer: is YARN's ResourceManager running (`make hadoop-up` for the practice "
                "cluster), and does yarn.resourcemanager.address in yarn-site.xml name it?"
            )

    def _say(self, words: str) -> None:
        if not self.quiet and not self.verbose and words != self._shown:
            self._shown = words
            print(f"{self.name}: {words}", file=sys.stderr)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ends the client, then the job: one that is on its way to the cluster has an id before it arrives there."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        for line in process.stdout:  # what it said and we have not heard yet
            if found := _SENT.search(line.decode("utf-8", "replace")):
                self._sent = found[1]
        if self._sent and not self._sent.startswith("job_local"):
            self._say(f"stopping {self._sent}")
            hdfs.run(self.command, "org.apache.hadoop.mapred.JobClient", "-kill", self._sent)

    def _fail(self) -> None:
        words = "\n".join(self._words)
        if found := re.search(r"Output directory (\S+) already exists", words):
            raise UserError(f"{found[1]}: output already exists; give another --output-dir")
        if found := re.search(r"Input [Pp](?:ath|attern) (?:does not exist: )?(\S+)(?: matches 0 files)?", words):
            raise UserError(f"{found[1]}: no such input on the cluster")
        if not self.submitted:
            said = hdfs.cause(words) or failures.of_java(words)
            raise UserError(f"the job could not be started: {said or hdfs.last(words)}")
        shown, line = failures.explain("\n".join(self._diagnostics) or words, self._log())
        sys.stderr.write(shown)
        raise TaskError(f"{self.job} failed: {line}")

    def _log(self) -> str:
        """What the job's tasks and its master said; a job that runs inside the client mixes that with its own words."""
        if not self.application:
            return "\n".join(self._words)
        log = ""
        for seconds in LOG_WAIT:
            time.sleep(seconds)
            arguments = ("-applicationId", self.application, "-log_files", "stderr,syslog", "-size", "-100000")
            log = hdfs.run(self.command, "org.apache.hadoop.yarn.client.cli.LogsCLI", *arguments).stdout
            if any(mark in log for mark in (failures.MARK, archive.NODE, "Traceback", failures.DIAGNOSTICS)):
                break
        return log


def user_counters(counters: Counters) -> Counters:
    """The counters that the job's tasks have counted."""
    return {group: names for group, names in counters.items() if not FRAMEWORK.fullmatch(group) and group != PARTS}


def parts(counters: Counters, reduces: int) -> list[dict[str, Any]] | None:
    """The parts as the tasks have counted and summed what they wrote, where Hadoop's own count agrees.

    A reducer without a key is not started and counts nothing: its part is empty.
    """
    counted = {name[:5]: (size, name[6:]) for name, size in counters.get(PARTS, {}).items()}
    written = next((c for group, c in counters.items() if group.startswith("File Output Format Counters")), {})
    if not reduces or sum(size for size, _ in counted.values()) != written.get("Bytes Written"):
        return None
    nothing = base64.urlsafe_b64encode(hashlib.sha256().digest()).decode().rstrip("=")
    found = []
    for number in range(reduces):
        size, sha256 = counted.get(f"{number:05d}", (0, nothing))
        digest = base64.urlsafe_b64decode(sha256 + "=").hex()
        found.append({"name": f"part-{number:05d}", "size": size, "sha256": digest})
    return found
