"""On YARN: each job once over hostile input, a user's own job, Hadoop's own wordcount, and the starts of `hadoop`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from mapreduce.output import manifest
from tests.conftest import ROOT, Run
from tests.hadoop.conftest import Hadoop, find_python
from tests.hadoop.test_jobs import JOBS, check_same, flags


def counting(home: Path, folder: Path) -> tuple[str, Path]:
    """A `hadoop` that writes down how it is called, and the file in which it does."""
    log, program = folder / "calls", folder / "counted-hadoop"
    program.write_text(f'#!/bin/sh\necho "$1 $2" >> {log}\nexec {home}/bin/hadoop "$@"\n')
    program.chmod(0o755)
    return str(program), log


@pytest.fixture
def counted(cluster: Path, tmp_path: Path) -> tuple[str, Path]:
    return counting(cluster, tmp_path)


@pytest.fixture(scope="module")
def runs(
    inputs: dict[str, str], cluster: Path, hadoop: Hadoop, tmp_path_factory: pytest.TempPathFactory, run_job: Run
) -> Iterator[dict[str, tuple[Path, Future[object]]]]:
    """Every job over hostile input, two at a time: of each its folder and its run."""

    def run(job: str, folder: Path) -> None:
        kind, arguments = JOBS[job][0], flags(job, 2, folder)
        run_job(job, "-r", "local", *arguments, "--output-dir", folder / "local", inputs[kind])
        program, _ = counting(cluster, folder)
        out = ("--sha256", "--output-dir", f"hdfs:///out/yarn-{job}")
        run_job(job, "-r", "hadoop", "--hadoop-bin", program, *arguments, *out, inputs[f"hdfs {kind}"])

    with ThreadPoolExecutor(2) as pool:
        folders = {job: tmp_path_factory.mktemp(job) for job in JOBS}
        yield {job: (folder, pool.submit(run, job, folder)) for job, folder in folders.items()}


@pytest.mark.parametrize("job", JOBS)
def test_hostile_input(job: str, runs: dict[str, tuple[Path, Future[object]]], hadoop: Hadoop, tmp_path: Path) -> None:
    folder, ran = runs[job]
    ran.result()
    there = f"hdfs:///out/yarn-{job}"
    calls = (folder / "calls").read_text().splitlines()
    beside = [call for call in calls if not call.startswith("jar ")]
    steps = {"vocabulary": 2, "duplicates": 3, "groupcount": 2}.get(job, 1)
    assert len(calls) - len(beside) == steps
    assert len(beside) <= (4 if JOBS[job][0] == "tsv" else 3), beside  # whether a TSV has a header takes a look
    hadoop("fs", "-get", there, tmp_path / "hadoop")
    check_same(job, folder / "local", tmp_path / "hadoop")
    if steps == 1:  # the file system's own sums too
        said = hadoop("fs", "-checksum", f"{there}/part-00000").stdout.split()[1:]
        assert manifest.read(tmp_path / "hadoop")["parts"][0]["checksum"] == ":".join(said)


def test_a_users_own_job_with_a_module_beside_it(counted: tuple[str, Path], hadoop: Hadoop, tmp_path: Path) -> None:
    """Inline, local and on YARN, from local input to standard output, with three starts beside the job."""
    own = tmp_path / "elsewhere"
    own.mkdir()
    shutil.copy(ROOT / "tests/hadoop/own_job.py", own / "shout.py")
    (own / "beside.py").write_text("def shout(word):\n    return word.upper() + '!'\n")
    (own / "input.txt").write_text("the cat and\nthe hat")
    outputs = []
    for runner in (["-r", "inline"], ["-r", "local"], ["-r", "hadoop", "--hadoop-bin", counted[0]]):
        command = [sys.executable, "shout.py", *runner, "input.txt"]
        outputs.append(subprocess.run(command, cwd=own, stdout=subprocess.PIPE, check=True).stdout)
    assert outputs == [b'"AND!"\t1\n"CAT!"\t1\n"HAT!"\t1\n"THE!"\t2\n'] * 3
    assert [call.partition(" ")[0] for call in counted[1].read_text().splitlines()] == ["fs", "jar", "fs", "fs"]
    assert "mapreduce.shout" not in hadoop("fs", "-ls", "/tmp").stdout


def test_counts_are_those_of_hadoops_own_wordcount(hadoop: Hadoop, cluster: Path, tmp_path: Path, run_job: Run) -> None:
    # It turns invalid UTF-8 into U+FFFD and does not split at vertical tabs: valid text, without them.
    text = "\n".join(f"The cat's {n % 97} 猫 naïve  words,\tand tabs {n % 13}." for n in range(20000)) + "\n"
    (tmp_path / "valid.txt").write_text(text, encoding="utf-8")
    hadoop("fs", "-rm", "-r", "-f", "/java")
    hadoop("fs", "-mkdir", "/java")
    hadoop("fs", "-put", tmp_path / "valid.txt", "/java/valid.txt")
    examples = next((cluster / "lib").glob("hadoop-mapreduce-examples-*.jar"))
    hadoop("jar", examples, "wordcount", "/java/valid.txt", "/java/out")
    expected = subprocess.run(["hadoop", "fs", "-cat", "/java/out/part-*"], capture_output=True, check=True).stdout
    flags = ("-r", "hadoop", "--tokenizer", "whitespace", "--format", "text")
    out = run_job("wordcount", *flags, "hdfs:///java/valid.txt").stdout
    assert out == expected and out.count(b"\n") > 100


def test_an_older_python_on_the_nodes(inputs: dict[str, str], tmp_path: Path, run_job: Run) -> None:
    more = ("--task-python-bin", find_python("3.9"))
    for runner, flag in (("local", ()), ("hadoop", more)):
        run_job(
            "labelcount", "-r", runner, *flag, "--max-rejected", "1.0", "--output-dir", tmp_path / runner, inputs["tsv"]
        )
    check_same("labelcount", tmp_path / "local", tmp_path / "hadoop")
    assert manifest.read(tmp_path / "hadoop")["records"]["in"] > 1000
