"""What Spark's tasks read and write, without Spark: rows of files, what a step has written, runs from the shuffle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobs.wordcount import WordCount
from mapreduce.cluster import failures, node, spark_tasks
from mapreduce.errors import UserError
from mapreduce.local import attempt
from tests.conftest import Run


def settings(folder: Path, reduces: int = 2) -> attempt.StepSettings:
    flags = ["--tokenizer", "whitespace", "--format", "text"]
    job = WordCount(flags)
    given = {task: [*flags, f"--{task}", "--step-num=0"] for task in ("mapper", "combiner", "reducer")}
    step = job.steps()[0].description(0)
    return attempt.settings(job, step, 0, given, reduces=reduces, sort_values=False, output=str(folder))


def test_rows_become_blocks_of_one_file_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("mapreduce_map_input_file", "")
    rows = [("hdfs:///a", 0, b"\xef\xbb\xbfone"), ("hdfs:///a", 0, b"two\r"), ("hdfs:///a", 9, b"\xef\xbb\xbfthree")]
    rows += [("hdfs:///b", 0, b""), ("hdfs:///b", 0, b"\xff")]
    source = spark_tasks.source(rows)
    found = [(os.environ["mapreduce_map_input_file"], block) for block in source.blocks()]
    # A mark is none of the text at a file's start alone; the block of a file comes before the next one is entered.
    assert [block for _, block in found] == [b"one\ntwo\r\n", b"\xef\xbb\xbfthree\n", b"\n\xff\n"]


def test_a_file_is_entered_before_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("mapreduce_map_input_file", "")
    seen = []
    for block in spark_tasks.source([("hdfs:///a", 0, b"one"), ("hdfs:///b", 0, b"two")]).blocks():
        seen.append((os.environ["mapreduce_map_input_file"], block))
    assert seen == [("hdfs:///a", b"one\n"), ("hdfs:///b", b"two\n")]


def test_what_was_read_last_is_known() -> None:
    rows = [("a", 0, b"one"), ("a", 0, b"two"), ("b", 0, b"three"), ("b", 0, b"four"), ("b", 0, b"five")]
    source = spark_tasks.source(rows)
    read = [next(source) for _ in range(4)]
    assert read[-1] == b"four\n" == source.lines[0] and len(source.lines) == 1 and source.before == 1
    blocks = spark_tasks.source(rows)
    some = blocks.blocks()
    assert next(some) == b"one\ntwo\n" and next(some) == b"three\nfour\nfive\n"
    assert blocks.lines == [b"three\n", b"four\n", b"five\n"] and blocks.before == 0


def test_counters_of_the_step_before_are_kept() -> None:
    items: list[Any] = [("part", 0), ("block", b"a\t1\n"), ("sum", ({}, 1)), ("counters", json.dumps([[0, {"g": {}}]]))]
    source = spark_tasks.source(items)
    assert list(source.blocks()) == [b"a\t1\n"] and source.counters == [[0, {"g": {}}]]
    assert list(spark_tasks.source([]).blocks()) == []


def test_tasks_give_the_parts_of_a_local_run(tmp_path: Path, run_job: Run) -> None:
    lines = [b"the cat \xff", b"and the\rhat", b"the"]
    (tmp_path / "in.txt").write_bytes(b"\n".join(lines))
    flags = ("--tokenizer", "whitespace", "--format", "text", "--jobconf", "mapreduce.job.reduces=2")
    run_job("wordcount", "-r", "local", *flags, "--output-dir", tmp_path / "local", tmp_path / "in.txt")
    (tmp_path / "out").mkdir()
    given, pairs = settings(tmp_path / "out"), []
    for task, some in enumerate((lines[:1], lines[1:])):
        (folder := tmp_path / f"map-{task}").mkdir()
        runs, _ = spark_tasks.run_map(given, spark_tasks.source([("f", 0, line) for line in some]), task, str(folder))
        pairs += [(p, (task, n, Path(run).read_bytes())) for p, paths in enumerate(runs) for n, run in enumerate(paths)]
    for part in range(2):
        (folder := tmp_path / f"reduce-{part}").mkdir()
        mine = [pair for pair in reversed(pairs) if pair[0] == part]  # in whatever order they come
        spark_tasks.run_reduce(given, mine, part, str(folder))
        name = f"part-{part:05d}"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
        first, *blocks, last = [item for _, item in spark_tasks.part(str(tmp_path / "out"), part, sums=True)]
        whole = b"".join(block for _, block in blocks)
        assert first == ("part", part) and whole == (tmp_path / "local" / name).read_bytes()
        assert last[1][0]["size"] == len(whole) and last[1][1] == whole.count(b"\n")


def test_what_a_task_says_reaches_the_driver() -> None:
    try:
        raise UserError("x.gz: damaged; fetch it again")
    except UserError as error:
        line = node.said(error)
    log = f"x.PythonException: Traceback (most recent call last):\nRuntimeError: {line}\n\n\tat x"
    shown, said = failures.of_spark(log)
    assert shown == "" and said.startswith("x.gz: damaged; fetch it again")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("java.io.IOException: Incomplete HDFS URI, no host: hdfs:///in\n\tat x", "let HADOOP_CONF_DIR name"),
        ("WARN x\nAll masters are unresponsive! Giving up.", "is the master of --spark-master there?"),
        (
            "Py4JJavaError: An error occurred.\n: org.apache.spark.SparkException: Job aborted\n\tat x\n"
            "Caused by: org.apache.hadoop.hdfs.protocol.NSQuotaExceededException: The quota is exceeded\n\tat y",
            "NSQuotaExceededException: The quota is exceeded; see more with -v",
        ),
        ("", "it does not say why"),
    ],
)
def test_the_cause_and_what_to_do(log: str, said: str) -> None:
    assert said in failures.of_spark(log)[1]


def test_progress_is_read_from_what_spark_says() -> None:
    from mapreduce.cluster.spark import _DONE

    said = "Finished task 6.0 in stage 12.1 (TID 93) in 1067 ms on 127.0.0.1 (executor 0) (7/40)"
    assert (found := _DONE.search(said)) and found.groups() == ("12", "40")
