"""Joins on Spark: the parts of a local run, whichever strategy is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.hadoop.conftest import parts
from tests.jobs.test_join import LARGE, STRATEGIES, large

pytest.importorskip("pyspark")
__all__ = ["large"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_parts_are_those_of_a_local_run(
    strategy: str, master: list[str], large: tuple[Path, Path], tmp_path: Path, run_job: Run
) -> None:
    for runner in (["local"], ["spark", *master]):
        flags = [*LARGE, "--how", "left", "--jobconf", "mapreduce.job.reduces=2", "--strategy", strategy]
        run_job("join", "-r", *runner, *flags, "--output-dir", tmp_path / runner[0], *large)
    assert parts(tmp_path / "spark") == parts(tmp_path / "local")


def test_a_table_is_joined_with_itself(master: list[str], tmp_path: Path, run_job: Run) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,parent\n1,\n2,1\n3,1\nbad\n")
    flags = ["--left-on", "parent", "--right-on", "id", "--max-rejected", "2", "--output-dir", tmp_path / "out"]
    run_job("join", "-r", "spark", *master, *flags, "--strategy", "shuffle", path, path)
    assert b"".join(parts(tmp_path / "out").values()) == b"1\t2\t\n1\t3\t\n"
    assert (tmp_path / "out" / "_rejected").read_bytes().count(b'"line": 5') == 2
