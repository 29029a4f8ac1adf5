"""-r spark with files on HDFS, and on YARN: the parts of a local run, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.hadoop import cluster as practice
from tests.hadoop.conftest import Hadoop
from tests.hadoop.test_jobs import JOBS, check_same, flags

pytest.importorskip("pyspark")


@pytest.fixture(autouse=True)
def configured(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark finds the cluster by its configuration."""
    monkeypatch.setenv("HADOOP_CONF_DIR", str(practice.HOME / "conf"))


def check(job: str, master: str, inputs: dict[str, str], hadoop: Hadoop, folder: Path, run_job: Run) -> None:
    """From HDFS to HDFS on a master, against a local run of the same."""
    kind, arguments = JOBS[job][0], flags(job, 2, folder)
    run_job(job, "-r", "local", *arguments, "--output-dir", folder / "local", inputs[kind])
    there = f"hdfs:///out/{folder.name}"
    source = inputs[f"hdfs {kind}"]
    run_job(job, "-r", "spark", "--spark-master", master, *arguments, "--output-dir", there, source)
    hadoop("fs", "-get", there, folder / "spark")
    check_same(job, folder / "local", folder / "spark")
    assert hadoop("fs", "-ls", "/tmp").stdout.count(f"mapreduce.{job}") == 0


@pytest.mark.parametrize("job", ["wordcount", "vocabulary", "duplicates", "imagestats"])
def test_from_hdfs_to_hdfs(job: str, inputs: dict[str, str], hadoop: Hadoop, tmp_path: Path, run_job: Run) -> None:
    check(job, "local[2]", inputs, hadoop, tmp_path, run_job)


def test_on_yarn(inputs: dict[str, str], hadoop: Hadoop, tmp_path: Path, run_job: Run) -> None:
    """With a local file that is sent there, as well."""
    check("encode", "yarn", inputs, hadoop, tmp_path, run_job)
    (tmp_path / "more.txt").write_bytes(b"a b \xff\n")
    local, spark = (
        run_job("wordcount", "-r", *runner, tmp_path / "more.txt").stdout
        for runner in (["local"], ["spark", "--spark-master", "yarn"])
    )
    assert spark == local


def test_without_a_configuration_it_says_what_is_missing(
    inputs: dict[str, str], tmp_path: Path, run_job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR")
    done = run_job("wordcount", "-r", "spark", inputs["hdfs text"], code=1)
    assert b"let HADOOP_CONF_DIR name the folder" in done.stderr and b"Py4J" not in done.stderr
