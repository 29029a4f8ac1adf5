"""Joins on Hadoop: the parts of a local run, of tables here and on HDFS, whichever strategy is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapreduce.output import manifest
from tests.conftest import Run
from tests.hadoop.conftest import IN_CLIENT, Hadoop, parts
from tests.jobs.test_join import LARGE, STRATEGIES, large

__all__ = ["large"]


@pytest.mark.parametrize("places", ["here here", "there there", "here there"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_parts_are_those_of_a_local_run(
    strategy: str, places: str, large: tuple[Path, Path], hadoop: Hadoop, tmp_path: Path, run_job: Run
) -> None:
    named = []
    for path, place in zip(large, places.split()):
        named.append(str(path) if place == "here" else f"hdfs:///join/{path.name}")
        if place == "there":
            hadoop("fs", "-mkdir", "-p", "/join")
            hadoop("fs", "-put", "-f", path, "/join/")
    flags = [*LARGE, "--how", "left", "--jobconf", "mapreduce.job.reduces=2", "--strategy", strategy]
    run_job("join", "-r", "local", *flags, "--output-dir", tmp_path / "here", *large)
    run_job("join", "-r", "hadoop", *IN_CLIENT, *flags, "--output-dir", tmp_path / "there", *named)
    assert parts(tmp_path / "there") == parts(tmp_path / "here")
    ours, theirs = (manifest.read(tmp_path / name) for name in ("here", "there"))
    assert ours["records"] == theirs["records"] and ours["schema"] == theirs["schema"]
    assert {Path(one["path"]).name for one in theirs["inputs"]} == {"left.csv", "right.csv"}


def test_tables_of_one_name_and_one_table_twice(hadoop: Hadoop, tmp_path: Path, run_job: Run) -> None:
    for folder, text in (("a", "id,parent\n1,\n2,1\n3,1\n"), ("b", "id,x\n1,y\n2,z\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(text)
    people, others = tmp_path / "a" / "t.csv", tmp_path / "b" / "t.csv"
    flags = ["-r", "hadoop", *IN_CLIENT, "--strategy", "shuffle"]
    assert run_job("join", *flags, "--on", "id", people, others).stdout == b"1\t\ty\n2\t1\tz\n"
    twice = ["--left-on", "parent", "--right-on", "id"]
    assert run_job("join", *flags, *twice, people, people).stdout == b"1\t2\t\n1\t3\t\n"
    hadoop("fs", "-mkdir", "-p", "/twice")
    hadoop("fs", "-put", "-f", people, "/twice/")
    done = run_job("join", *flags, *twice, "hdfs:///twice", "hdfs:///twice/t.csv", code=2)
    assert b"join: hdfs:///twice/t.csv: it is of both tables; give a copy of it as one of them" in done.stderr
