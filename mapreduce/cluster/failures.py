"""Why a task failed: said by the task in one line of its stderr, read by the driver out of the cluster's logs.

`explain` turns what Hadoop and the task have said into the traceback, the place and what to do. The task speaks in
`mapreduce.cluster.node`, the logs are fetched in `mapreduce.cluster.hadoop_client`; nothing is started here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mapreduce.cluster.archive import NODE

MARK = "mapreduce-failure: "
"""Begins a line of a task's stderr that says why it failed."""

DIAGNOSTICS = "Diagnostics report from attempt_"
"""Begins what the job's master wrote down of an attempt; the client does not always show it."""


def reports(words: str) -> Iterator[dict[str, Any]]:
    """What failed tasks have said for the driver, in a log."""
    for line in words.split("\n"):
        if line.startswith(MARK):
            try:
                yield json.loads(line[len(MARK) :])
            except ValueError:  # cut off, by a limit on the size of logs
                continue


def lacking(words: str) -> str | None:
    """What a node lacks, where its task script has said so."""
    return next((line[len(NODE) :].strip() for line in words.split("\n") if line.startswith(NODE)), None)


def last_traceback(words: str) -> str | None:
    """The last Python traceback in a log of a job that does not report for itself."""
    found = re.findall(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*\S.*", words, re.MULTILINE)
    return found[-1] + "\n" if found else None


def explain(diagnostics: str, log: str) -> tuple[str, str]:
    """Why tasks failed.

    Args:
        diagnostics: what Hadoop's client said of the failed attempts.
        log: what the tasks and the job's master said, as far as it could be had.

    Returns:
        What to show before, of many lines or empty; and the one line: cause, place and what to do.
    """
    said = list(reports(log))
    diagnostics = "\n".join([diagnostics, *re.findall(DIAGNOSTICS + r"\w+: (.*)", log)])
    lack = lacking(log)
    if lack is None and (found := re.search(r"Cannot run program \"([^\"]+)\"", diagnostics)):
        lack = f"there is no {found[1]} on a node"
    if lack:
        return "", f"{lack}; the nodes need Python 3.9 or later: install it, or name it with --task-python-bin"
    if said:
        report = said[-1]
        return report["traceback"], f"{report['error']}{_where(report)}; {_remedy(report)}"
    for pattern, line in _CAUSES:
        if re.search(pattern, diagnostics):
            return last_traceback(log) or "", line
    shown = last_traceback(log)
    if shown:
        return shown, f"{shown.strip().splitlines()[-1]}; {_remedy({'kind': ''})}"
    if (cause := of_java(diagnostics) or of_java(log)) is not None:
        return "", cause
    lines = [line.strip() for line in diagnostics.strip().splitlines() if line.strip()]
    code = re.search(r"subprocess failed with code (\d+)", diagnostics)
    what = f"exit status {code[1]}" if code else lines[0] if lines else "no cause was given"
    return "", f"{what}; the cluster's logs hold more: yarn logs -applicationId ID (see tests/hadoop/README.md)"


def of_spark(log: str) -> tuple[str, str]:
    """Why Spark failed, as `explain` has it; `log` is what spark-submit has written."""
    reported = re.findall(re.escape(MARK) + r"\{.*\}", log)
    if reported:
        return explain("", "\n".join(reported))
    for pattern, line in _OF_SPARK:
        if found := re.search(pattern, log):
            return "", f"{found[0].strip()}; {line}"
    if shown := last_traceback(log):
        return shown, of_java(log) or f"{shown.strip().splitlines()[-1]}; see more with -v"
    return "", of_java(log) or f"{log.strip()[-300:] or 'it does not say why'}; see more with -v"


def of_java(log: str) -> str | None:
    """The last cause that Java names, or the first exception, and what to do; None where it names none."""
    name = r"((?:[\w$]+\.)+\w*(?:Exception|Error)\)?: .+)"
    causes = re.findall("Caused by: " + name, log) or re.findall(name, log)[:1]
    for pattern, line in _OF_JAVA:
        if found := re.search(pattern, log):
            return f"{found[0].strip()}; {line}"
    return f"{causes[-1].strip()}; see more with -v" if causes else None


_OF_JAVA = (
    (
        r"The (?:DiskSpace|NameSpace) quota[^\n]*? is exceeded",
        "remove files there, write elsewhere, or ask for a larger quota",
    ),
    (
        r"submitted by user \S+ to unknown queue: \S+",
        "name one that there is, as --jobconf mapreduce.job.queuename=default",
    ),
    (
        r"Unexpected end of input stream|unexpected end of (?:stream|file)|incorrect (?:header|data) check",
        "a compressed input is cut off or damaged: look at each with `hadoop fs -text`, and put it there again",
    ),
    (
        r"[^\n]*zStandard library[^\n]*|[^\n]*without zstd support[^\n]*",
        "this Hadoop reads no .zst: compress the input by gz or bz2",
    ),
    (
        r"Name node is in safe mode|SafeModeException",
        "HDFS takes no files now; wait, or `hdfs dfsadmin -safemode leave`",
    ),
    (
        r"Can't get Master Kerberos principal[^\n]*|GSS initiate failed|No valid credentials provided[^\n)]*",
        "the cluster wants Kerberos: get a ticket with kinit",
    ),
)


_OF_SPARK = (
    (
        r"Incomplete HDFS URI, no host[^\n]*|No FileSystem for scheme[^\n]*",
        "let HADOOP_CONF_DIR name the folder of the cluster's configuration, or give hdfs://HOST:PORT/...",
    ),
    (
        r"When running with master 'yarn'[^\n]*",
        "let HADOOP_CONF_DIR name the folder of the cluster's configuration",
    ),
    (
        r"All masters are unresponsive[^\n]*|Could not parse Master URL[^\n]*",
        "is the master of --spark-master there? (a practice cluster: make spark-up)",
    ),
    (
        r"Python in worker has different version[^\n]*|PYTHON_VERSION_MISMATCH[^\n]*",
        "driver and nodes need one version of Python: name the nodes' with --task-python-bin, or run this with theirs",
    ),
    (r"No space left on device", "no space left on a node's disk; free some"),
)


_CAUSES = (
    (
        r"beyond the 'PHYSICAL' memory limit|beyond physical memory limits|beyond the 'VIRTUAL'",
        "killed for taking more memory than its container has; give it more: --jobconf mapreduce.map.memory.mb=2048 "
        "--jobconf mapreduce.reduce.memory.mb=2048",
    ),
    (
        r"Timed out after \d+ sec|failed to report status for|taskTimedOut: true",
        "killed after saying nothing for mapreduce.task.timeout; a process was stopped or hangs: look for an endless "
        "loop, or allow more: --jobconf mapreduce.task.timeout=3600000",
    ),
    (
        r"Java heap space|GC overhead limit|OutOfMemoryError",
        "the task's Java machine ran out of memory, as it does on a line of a hundred megabytes; break the line, or "
        "give --jobconf mapreduce.map.java.opts=-Xmx1g --jobconf mapreduce.map.memory.mb=1536",
    ),
    (
        r"failed with code (137|143)|[Ee]xit code is (137|143)|exitCode: (137|143)",
        "killed by a signal (code 137 or 143), mostly by the kernel or the node for its memory; give it more: "
        "--jobconf mapreduce.map.memory.mb=2048, or look at what kills processes on the nodes",
    ),
    (
        r"failed with code (132|134|135|136|139)",
        "a crash in native code (codes 132 to 139); run without the native library, with --cmdenv MAPREDUCE_NATIVE=0, "
        "or build it on a machine like the nodes",
    ),
    (r"No space left on device", "no space left on a node's disk; free some, or take more nodes"),
)


def _where(report: dict[str, Any]) -> str:
    if not report.get("file"):
        return ""
    place = f" ({report['file']}"
    start, number = int(report.get("start") or 0), report.get("number")
    if number is not None:
        place += f", line {number}" if not start else f", line {number} from byte {start} on"
        place += f": {report['record']!r}"
    return place + ")"


def _remedy(report: dict[str, Any]) -> str:
    kind = report.get("kind")
    if kind in ("ModuleNotFoundError", "ImportError"):
        return (
            "on the nodes there are the standard library, mrjob, this project and the modules beside the script that "
            "it imports at its top; put the module there, or give it with --py-files"
        )
    if kind == "MemoryError":
        return "give more memory: --jobconf mapreduce.map.memory.mb=2048"
    if kind == "UserError":
        return "run it again when that is mended"
    return "mend the job or the record, and try it on a few lines with -r inline"
