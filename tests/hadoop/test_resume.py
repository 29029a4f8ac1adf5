"""A job of several steps goes on from those that are kept on the cluster; without a folder for them none is left."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hadoop.conftest import IN_CLIENT, Hadoop
from tests.jobs.test_resume import JOB, RESULT


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "steps_job.py").write_text(JOB)
    (tmp_path / "x.txt").write_text("a b a\n")
    return tmp_path / "steps_job.py"


def run(script: Path, *words: object, fail: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEEN": str(script.parent), "FAIL": fail}
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, env=environment)


def test_a_failed_job_goes_on(script: Path, hadoop: Hadoop) -> None:
    folder, there = script.parent, f"hdfs:///kept/{script.parent.name}"
    out = ["--output-dir", f"{there}/out", "--jobconf", "mapreduce.job.reduces=1"]
    flags = ["-r", "hadoop", *IN_CLIENT, "--step-output-dir", f"{there}/steps", *out, folder / "x.txt"]
    done = run(script, script, *flags, fail="second")
    assert done.returncode == 1
    listed = hadoop("fs", "-ls", "-C", f"{there}/steps").stdout.split()
    assert [path.rpartition("/")[2] for path in listed] == ["0000"]
    last = done.stderr.strip().splitlines()[-1]
    command = last.partition("to go on from them: ")[2]
    assert "1 completed steps" in last and command.endswith("--resume")
    assert (folder / "first").read_text() == "x"
    refused = run(script, script, *flags)
    assert refused.returncode == 2 and "--resume" in refused.stderr and refused.stderr.count("\n") == 1
    done = run(script, *shlex.split(command)[1:])
    assert done.returncode == 0, done.stderr
    assert (folder / "first").read_text() == "x"  # the first step was not run again
    assert hadoop("fs", "-cat", f"{there}/out/part-*").stdout.encode() == RESULT
    described = json.loads(hadoop("fs", "-cat", f"{there}/out/_manifest.json").stdout)
    assert described["counters"]["steps"]["words"] == 2
    assert "mapreduce.steps_job" not in hadoop("fs", "-ls", "/tmp").stdout


def test_a_folder_on_this_machine_is_refused(script: Path, cluster: Path) -> None:
    done = run(script, script, "-r", "hadoop", "--step-output-dir", script.parent / "kept", script.parent / "x.txt")
    assert done.returncode == 2 and "hdfs:///" in done.stderr and done.stderr.count("\n") == 1
