"""Something dies in the middle of a job on YARN: the same bytes come out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hadoop import cluster as practice
from tests.hadoop.conftest import Hadoop


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a user's job and its input."""
    shutil.copy(ROOT / "tests/hadoop/own_job.py", tmp_path / "shout.py")
    (tmp_path / "beside.py").write_text("def shout(word):\n    return word.upper() + '!'\n")
    (tmp_path / "input.txt").write_text("fine\ntrouble here\n" + "a b c\n" * 50_000)
    return tmp_path


@pytest.fixture
def restored(cluster: Path) -> Iterator[None]:
    """Afterwards the whole cluster runs again."""
    yield
    subprocess.run([sys.executable, practice.HERE / "cluster.py", "up"], check=True)


def expected(own: Path) -> bytes:
    """The output of a local run."""
    return subprocess.run(
        [sys.executable, "shout.py", "-r", "inline", "input.txt"], cwd=own, stdout=subprocess.PIPE, check=True
    ).stdout


def test_an_attempt_is_killed(own: Path, cluster: Path) -> None:
    command = [sys.executable, "shout.py", "-r", "hadoop", "--fail", "kill-once", "input.txt"]
    done = subprocess.run(command, cwd=own, capture_output=True, check=True)
    assert b"an attempt has failed" in done.stderr
    assert done.stdout == expected(own)


def test_nodes_die(own: Path, restored: None, hadoop: Hadoop) -> None:
    """A DataNode and the NodeManager that runs a task, while it is at work for 45 s."""
    flags = ["--fail", "sleep", "--jobconf", "mapreduce.map.speculative=false"]
    job = subprocess.Popen(
        [sys.executable, "shout.py", "-r", "hadoop", *flags, "input.txt"],
        cwd=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    for name in (f"nodemanager-{busy_node()}", "datanode-1"):
        found = practice.pid(name)
        assert found
        os.kill(found, signal.SIGKILL)
    out, _ = job.communicate(timeout=400)
    assert job.returncode == 0
    assert out == expected(own)


def busy_node() -> int:
    """The number of the NodeManager whose task sleeps in our job."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                where = os.readlink(folder / "cwd")
            except OSError:
                continue
            if b"shout.py" in command and b"--mapper" in command and "/data/local-" in where:
                return int(where.partition("/data/local-")[2][0])
        time.sleep(0.5)
    raise AssertionError("no map task was started")


@pytest.mark.parametrize("when", ["at work", "on its way"])
def test_an_interrupted_driver_stops_its_job(when: str, own: Path, hadoop: Hadoop) -> None:
    """Ctrl-C: the job is killed on the cluster too, and its files are gone."""
    there = f"hdfs:///out/{own.name}"
    job = subprocess.Popen(
        [sys.executable, "shout.py", "-r", "hadoop", "-v", "--fail", "sleep", "--output-dir", there, "input.txt"],
        cwd=own,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stderr
    started = next(line for line in job.stderr if "Submitting tokens for job" in line)
    if when == "at work":
        busy_node()
    job.send_signal(signal.SIGINT)
    _, words = job.communicate(timeout=120)
    assert job.returncode == 130
    assert "interrupted" in words and "Traceback" not in words
    listed = hadoop("org.apache.hadoop.yarn.client.cli.ApplicationCLI", "-list").stdout
    assert started.split("job_")[1].strip() not in listed
    assert "mapreduce.shout" not in hadoop("fs", "-ls", "/tmp").stdout
    assert hadoop("fs", "-ls", there, check=False).returncode
