"""The practice cluster's own commands: up twice, after an unclean stop, with a port taken; and the doctor on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.hadoop import cluster as practice

PROGRAM = [sys.executable, str(ROOT / "tests/hadoop/cluster.py")]


def test_up_is_idempotent_and_prints_what_to_export(cluster: Path) -> None:
    before = {name: practice.pid(name) for name in practice.DAEMONS}
    done = subprocess.run([*PROGRAM, "up"], capture_output=True, text=True, check=True)
    assert done.stdout == f"export HADOOP_HOME={cluster}\nexport PATH=$HADOOP_HOME/bin:$PATH\n"
    assert {name: practice.pid(name) for name in practice.DAEMONS} == before
    said = subprocess.run([*PROGRAM, "status"], capture_output=True, text=True, check=True).stdout
    assert "2 of 2 DataNodes" in said and "2 of 2 NodeManagers" in said


def test_an_unclean_stop(cluster: Path) -> None:
    """All daemons killed at once: a file that was written is there when the cluster is up again."""
    subprocess.run(["hadoop", "fs", "-put", "-f", __file__, "/kept"], check=True)
    for name in practice.DAEMONS:
        os.kill(practice.pid(name) or 0, signal.SIGKILL)
    said = subprocess.run([*PROGRAM, "status"], capture_output=True, text=True)
    assert said.returncode == 1 and "not running" in said.stdout and "make hadoop-up" in said.stderr
    subprocess.run([*PROGRAM, "up"], check=True)
    kept = subprocess.run(["hadoop", "fs", "-cat", "/kept"], capture_output=True, check=True).stdout
    assert kept == Path(__file__).read_bytes()


def test_troubles_are_one_line(cluster: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.hadoop import cluster as c\n"
        program += f"c.PORTS = range({port}, {port + 1})\ntry: c.check_ports()\nexcept c.Trouble as t: sys.exit(str(t))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and f"port {port} is taken" in done.stderr
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    for call, words in (("java_home", "no Java"), ("fetch_jars", "no Maven")):
        program = f"import sys, pathlib; sys.path.insert(0, {str(ROOT)!r}); from tests.hadoop import cluster as c\n"
        program += f"c.HOME = pathlib.Path({str(tmp_path)!r})\ntry: c.{call}()\nexcept c.Trouble as t: sys.exit(str(t))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
        assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1


def test_who_reads_the_status_may_stop(cluster: Path) -> None:
    """`make hadoop-status | head -1` says no more than the line."""
    command = f"{sys.executable} {PROGRAM[1]} status | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("namenode") and done.stderr == ""


def test_the_doctor(cluster: Path, tmp_path: Path) -> None:
    doctor = [sys.executable, "-m", "mapreduce.doctor"]
    said = subprocess.run([*doctor, "--node"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for line in (
        "ok      hadoop: 3.4",
        "ok      file system: answers",
        "ok      YARN: answers, 2",
        "ok      a job on YARN",
    ):
        assert line in said, said
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HADOOP", "JAVA_HOME", "SPARK_HOME"))}
    environment["PATH"] = str(tmp_path)
    said = subprocess.run(doctor, capture_output=True, text=True, check=True, cwd=ROOT, env=environment).stdout
    assert "missing hadoop: " in said and "make hadoop-up" in said
    assert "missing java: missing: install" in said
