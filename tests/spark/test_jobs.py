"""Every job with -r spark, on this machine and on a standalone cluster: the parts of a local run, byte for byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.hadoop.conftest import parts
from tests.hadoop.test_jobs import JOBS, check_same, flags

pytest.importorskip("pyspark")
OWN = ROOT / "tests" / "hadoop" / "own_job.py"


@pytest.mark.parametrize("job", JOBS)
def test_parts_are_those_of_a_local_run(
    job: str, master: list[str], inputs: dict[str, Path], tmp_path: Path, run_job: Run
) -> None:
    """Of input that is no UTF-8 in places, with NUL, carriage returns, marks, gz and bz2."""
    arguments = flags(job, 2, tmp_path)
    for name, runner in (("local", ["local"]), ("spark", ["spark", *master])):
        run_job(job, "-r", *runner, *arguments, "--output-dir", tmp_path / name, inputs[JOBS[job][0]])
    check_same(job, tmp_path / "local", tmp_path / "spark")


def test_what_is_rejected_and_alike_has_the_names_of_its_files(master: list[str], tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "a.tsv").write_bytes(b"a\tone two\nno tab\nb\tthe same here\n")
    (tmp_path / "b.tsv").write_bytes(b"b\tthe same here\nnone\n")
    files = tmp_path / "a.tsv", tmp_path / "b.tsv"
    found = []
    for runner in (["local"], ["spark", *master]):
        output = tmp_path / f"out-{runner[0]}"
        done = run_job("duplicates", "-r", *runner, "--max-rejected", "1.0", "--output-dir", output, *files)
        found.append((parts(output), (output / "_rejected").read_bytes(), done.stderr))
    assert found[0][:2] == found[1][:2]
    assert b'{"a.tsv":1,"b.tsv":1}' in b"".join(found[1][0].values()) and b"a.tsv" in found[1][1]


def test_standard_output(master: list[str], inputs: dict[str, Path], run_job: Run) -> None:
    local, spark = (run_job("wordcount", "-r", *r, inputs["text"]).stdout for r in (["local"], ["spark", *master]))
    assert spark == local


def own(folder: Path, *flags: str) -> list[str]:
    shutil.copy(OWN, folder / "shout.py")
    (folder / "beside.py").write_text("shout = str.upper\n")
    return [sys.executable, "shout.py", *flags]


def test_a_script_of_ones_own(master: list[str], tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("a b a\n" * 1000 + "c é\n")
    local, spark = (
        subprocess.run(own(tmp_path, "-r", *runner, "input.txt"), cwd=tmp_path, capture_output=True)
        for runner in (["local"], ["spark", *master])
    )
    assert spark.stdout == local.stdout and b'"A"\t2000' in spark.stdout, spark.stderr


def test_the_traceback_and_the_record_of_a_failing_task(master: list[str], tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("fine\ntrouble here\n")
    done = subprocess.run(
        own(tmp_path, "-r", "spark", *master, "--fail", "raise", "--output-dir", "out", "input.txt"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == "" and not (tmp_path / "out").exists()
    assert "in trouble" in done.stderr and "Py4J" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "Spark failed: ValueError: no good: 42" in last and "try it on a few lines" in last
    assert "input.txt, line 2: 'trouble here'" in last


def test_a_file_that_is_damaged_is_one_line(master: list[str], tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc")
    done = run_job("wordcount", "-r", "spark", *master, tmp_path / "cut.txt.gz", code=2)
    assert b"cut.txt.gz: damaged or unreadable" in done.stderr and done.stderr.count(b"\n") == 1


def test_an_executor_that_is_killed_changes_nothing(standalone: list[str], tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("".join(f"word{i % 999} and more\n" for i in range(600_000)))
    local = subprocess.run(own(tmp_path, "-r", "local", "input.txt"), cwd=tmp_path, capture_output=True, check=True)
    program = own(tmp_path, "-r", "spark", *standalone, "input.txt")
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        killed, end = False, time.monotonic() + 60
        while not killed and running.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
            said = subprocess.run(["ps", "-ww", "-e", "-o", "pid=,args="], capture_output=True, text=True).stdout
            every = [line.split() for line in said.splitlines()]
            tasks = [line for line in every if "pyspark.daemon" in line]
            executors = [line for line in every if any("CoarseGrainedExecutorBackend" in word for word in line)]
            if tasks and executors:
                time.sleep(1)  # it is in the middle of its task
                os.kill(int(executors[0][0]), signal.SIGKILL)
                killed = True
        out, words = running.communicate()
    assert killed and running.returncode == 0, words.decode()
    assert out == local.stdout


def test_the_doctor_runs_a_job(standalone: list[str]) -> None:
    program = [sys.executable, "-m", "mapreduce.doctor"]
    done = subprocess.run([*program, *standalone], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "ok      a job on Spark: runs" in done.stdout, done.stdout
    nobody = ["--spark-master", "spark://127.0.0.1:1", "--spark-tmp-dir", "/tmp"]
    done = subprocess.run([*program, *nobody], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "missing a job on Spark: " in done.stdout, done.stdout
    assert "is the master of --spark-master there?" in done.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--jobconf", "mapreduce.output.fileoutputformat.compress=true"), "compressed output"),
        (("--jobconf", "mapreduce.job.reduces=0"), "mapreduce.job.reduces is a whole number from 1"),
        (("--step-output-dir", "steps"), "--step-output-dir are not for Spark"),
    ],
)
def test_what_cannot_be_is_one_line(given: tuple[str, ...], said: str, tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "input.txt").write_text("a\n")
    done = run_job("wordcount", "-r", "spark", *given, tmp_path / "input.txt", code=2)
    assert said in done.stderr.decode() and done.stderr.count(b"\n") == 1 and done.stdout == b""
