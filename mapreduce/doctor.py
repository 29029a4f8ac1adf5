"""Says what this machine has for each runner: a line each, and the remedy for what it lacks; `-m mapreduce.doctor`.

Exit status 0 where inline and local runs are possible; what is missing for clusters is said and does not count.
`--node` also runs a job of one line on the cluster, to see Python on a node: half a minute; `--spark-master` does so on
Spark's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from mapreduce import ROOT, command, mrjob_compat
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.local import machine

Finding = tuple[bool, str, str]  # whether it is well, what was looked at, what was found

_WAIT = 60  # seconds for any one answer


def python() -> Iterator[Finding]:
    """This Python, mrjob, the native library and the cores: all that inline and local need."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield fits, "Python", version if fits else f"{version}: 3.10 to 3.13 is needed; make a new environment with one"
    try:
        with mrjob_compat.stand_ins():
            import mrjob
        fits = mrjob.__version__ == "0.7.4"
        remedy = "" if fits else ": 0.7.4 is needed; pip install mrjob==0.7.4"
        yield fits, "mrjob", mrjob.__version__ + remedy
    except ImportError:
        yield False, "mrjob", "missing: pip install mrjob==0.7.4"
    from mapreduce.native import library as native

    words = native.missing()
    yield True, "native library", f"{words}; install a C compiler and featuremill again" if words else "built"
    yield True, "cores", str(machine.cores())
    yield True, "memory", f"{machine.memory() >> 20} MiB"
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    yield free > 1, "temporary files", f"{tempfile.gettempdir()}, {free:.0f} GB free"


def hadoop() -> Iterator[Finding]:
    """The `hadoop` command, its Java, the streaming jar, HDFS and YARN."""
    from mapreduce.cluster import hdfs

    try:
        command = hdfs.find_hadoop()
    except UserError as error:
        yield False, "hadoop", str(error)
        return
    said = _run([*command, "version"])
    found = re.search(r"Hadoop (\S+)", said.stdout)
    if not found:
        yield False, "hadoop", f"{command[0]} does not run: {hdfs.cause(said.stderr) or hdfs.last(said.stderr)}"
        return
    yield True, "hadoop", f"{found[1]}, {command[0]}"
    try:
        yield True, "streaming jar", hdfs.find_streaming_jar(command)
    except UserError as error:
        yield False, "streaming jar", str(error)
    said = _run([*command, "fs", "-ls", "-d", "/"])
    well = said.returncode == 0
    yield well, "file system", "answers" if well else hdfs.cause(said.stderr) or hdfs.last(said.stderr)
    said = _run([*command, "org.apache.hadoop.yarn.client.cli.NodeCLI", "-list"])
    nodes = re.search(r"Total Nodes:\s*(\d+)", said.stdout)
    if nodes and int(nodes[1]):
        yield True, "YARN", f"answers, {nodes[1]} NodeManagers"
    elif nodes:
        yield False, "YARN", "answers, and has no running NodeManager: jobs would wait for ever; start them"
    else:
        words = hdfs.cause(said.stderr) or "no answer"
        yield False, "YARN", f"{words}; does yarn.resourcemanager.address in yarn-site.xml name the ResourceManager?"


def node() -> Iterator[Finding]:
    """Python on a node, by a job of one line."""
    yield _one_line("a job on YARN", "-r", "hadoop")


def spark_nodes(flags: list[str]) -> Iterator[Finding]:
    """Whether Spark's master answers and its nodes have Python, of the version that this has, by a job of one line."""
    configured = os.environ.get("HADOOP_CONF_DIR")
    there = configured is not None and os.path.isdir(configured)
    if configured is not None and not there:
        yield False, "HADOOP_CONF_DIR", f"{configured}: no such folder; it names the cluster's configuration"
    elif "yarn" in flags and not there:
        yield False, "HADOOP_CONF_DIR", "not set: let it name the folder of the cluster's configuration"
    yield _one_line("a job on Spark", "-r", "spark", *flags)


def _one_line(what: str, *flags: str) -> Finding:
    program = os.path.join(ROOT, "jobs", "wordcount.py")
    said = subprocess.run(
        [sys.executable, program, "-q", *flags, "-"], input="doctor\n", capture_output=True, text=True, check=False
    )
    well = said.stdout == "doctor\t1\n"
    return well, what, "runs, so the nodes have Python" if well else said.stderr.strip().rpartition("\n")[2]


def spark() -> Iterator[Finding]:
    """pyspark or spark-submit, and Java."""
    try:
        import pyspark

        yield True, "pyspark", str(pyspark.__version__)
    except ImportError:
        submit = shutil.which("spark-submit")
        yield bool(submit), "pyspark", submit or "missing: pip install 'featuremill[spark]'"
    java = shutil.which("java") or (os.environ.get("JAVA_HOME", "") and f"{os.environ['JAVA_HOME']}/bin/java")
    if not java:
        yield False, "java", "missing: install version 8, 11 or 17 (on Debian: apt-get install openjdk-17-jdk-headless)"
        return
    said = _run([java, "-version"])
    found = re.search(r'version "([^"]+)"', said.stderr)
    yield bool(found), "java", found[1] if found else f"{java} does not run"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command; one that gives no answer in time counts as failed."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_WAIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        words = (error.stderr or b"").decode("utf-8", "replace") if isinstance(error.stderr, bytes) else ""
        return subprocess.CompletedProcess(command, 1, "", f"{words}\nno answer within {_WAIT} s")


def main(arguments: list[str] | None = None) -> int:
    """Prints the findings; returns the exit status."""
    parser = Parser(
        "python -m mapreduce.doctor",
        "Looks at this machine and says what is there for each runner, and the remedy where it is not.",
        "--node",
    )
    parser.add_argument("--node", action="store_true", help="also run a job of one line on the cluster")
    parser.add_argument("--spark-master", metavar="URL", help="also run one on this Spark: spark://HOST:PORT, or yarn")
    shared = "a folder that Spark's nodes share with this machine"
    parser.add_argument("--spark-tmp-dir", metavar="DIR", help=f"{shared}, as jobs are given it")
    options = parser.parse_args(arguments)
    asked = {"--spark-master": options.spark_master, "--spark-tmp-dir": options.spark_tmp_dir}
    flags = [word for flag, value in asked.items() if value for word in (flag, value)]
    return command.run("doctor", lambda: _look(options.node, flags))


def _look(asks_node: bool, on_spark: list[str]) -> int:
    rooms: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("-r inline, -r local", python),
        ("-r hadoop", hadoop),
        ("-r spark", spark),
    ]
    if asks_node:
        rooms.insert(2, ("-r hadoop, a node", node))
    if on_spark:
        rooms.append(("-r spark, a node", lambda: spark_nodes(on_spark)))
    well = {}
    for title, look in rooms:
        print(f"{title}:", flush=True)
        well[title] = True
        for good, what, words in look():
            well[title] &= good
            print(f"  {'ok     ' if good else 'missing'} {what}: {words}", flush=True)
    asked = ("-r inline, -r local", "-r hadoop, a node", "-r spark, a node")
    return 0 if all(well.get(title, True) for title in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
