"""A job of several steps goes on from the completed ones, on either executor; without a folder none is left."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

JOB = """
import os
from mapreduce.job import Job, MRStep

class Steps(Job):
    def mapper(self, _, line):
        open(os.path.join(os.environ["SEEN"], "first"), "a").write("x")
        for word in line.split():
            yield word, 1

    def add(self, word, counts):
        self.increment_counter("steps", "words")
        yield word, sum(counts)

    def second(self, word, count):
        if os.environ.get("FAIL") == "second":
            raise ValueError("second")
        yield count, word

    def third(self, count, words):
        if os.environ.get("FAIL") == "third":
            raise ValueError("third")
        yield count, sorted(words)

    def steps(self):
        return [
            MRStep(mapper=self.mapper, reducer=self.add),
            MRStep(mapper=self.second, reducer=self.third),
            MRStep(reducer=self.third),
        ]

if __name__ == "__main__":
    Steps.run()
"""
RESULT = b'1\t[["b"]]\n2\t[["a"]]\n'


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "steps_job.py").write_text(JOB)
    (tmp_path / "x.txt").write_text("a b a\n")
    return tmp_path / "steps_job.py"


def run(script: Path, *flags: object, fail: str = "", command: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEEN": str(script.parent), "FAIL": fail}
    words = [sys.executable, *shlex.split(command)[1:]] if command else [sys.executable, script, *flags]
    return subprocess.run(list(map(str, words)), capture_output=True, env=environment)


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_failed_job_goes_on(runner: str, script: Path) -> None:
    kept, folder = script.parent / "kept", script.parent
    flags = ["-r", runner, "--step-output-dir", kept, "--output-dir", folder / "out", folder / "x.txt"]
    done = run(script, *flags, fail="second")
    assert done.returncode not in (0, 130)
    assert sorted(path.name for path in kept.iterdir()) == ["0000"] and not (folder / "out").exists()
    said = done.stderr.decode()
    command = said.partition("to go on from them: ")[2].splitlines()[0]
    assert "1 completed steps" in said and command.endswith("--resume")
    assert (folder / "first").read_text() == "x"
    done = run(script, command=command)
    assert done.returncode == 0, done.stderr.decode()
    assert (folder / "out" / "part-00000").read_bytes() == RESULT
    assert (folder / "first").read_text() == "x"  # the first step was not run again
    assert b'"words": 2' in (folder / "out" / "_manifest.json").read_bytes()
    assert sorted(path.name for path in folder.iterdir() if "_temporary" in path.name) == []


@pytest.mark.parametrize("change", ["input", "part", "reduces"])
def test_a_step_that_does_not_fit_is_run_again(change: str, script: Path) -> None:
    kept, folder = script.parent / "kept", script.parent
    flags: list[object] = ["--step-output-dir", kept, "--output-dir", folder / "out", folder / "x.txt"]
    assert run(script, *flags, fail="third").returncode != 0
    expected = RESULT
    if change == "input":
        (folder / "x.txt").write_text("a a a b b\n")
        expected = b'2\t[["b"]]\n3\t[["a"]]\n'
    elif change == "part":
        (kept / "0000" / "part-00000").write_bytes(b'"a"\t7\n')
    else:
        flags += ["--jobconf", "mapreduce.job.reduces=2"]
    done = run(script, *flags, "--resume")
    assert done.returncode == 0, done.stderr.decode()
    parts = sorted((folder / "out").glob("part-*"))
    assert b"".join(sorted(b"".join(part.read_bytes() for part in parts).splitlines(True))) == expected
    assert (folder / "first").read_text() == "xx"


def test_what_is_there_is_not_taken_unasked(script: Path) -> None:
    kept, folder = script.parent / "kept", script.parent
    flags = ["--step-output-dir", kept, "--output-dir", folder / "out", folder / "x.txt"]
    assert run(script, *flags, fail="third").returncode != 0
    done = run(script, *flags)
    assert done.returncode == 2 and b"--resume" in done.stderr and len(done.stderr.splitlines()) == 1
    done = run(script, "--resume", folder / "x.txt")
    assert done.returncode == 2 and b"--step-output-dir" in done.stderr


def test_without_a_folder_nothing_is_left(script: Path) -> None:
    before = sorted(script.parent.iterdir())
    done = run(script, "-r", "local", "--output-dir", script.parent / "out", script.parent / "x.txt", fail="third")
    assert done.returncode != 0 and b"--resume" not in done.stderr
    assert sorted(script.parent.iterdir()) == sorted([*before, script.parent / "first"])
