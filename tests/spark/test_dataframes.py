"""Counts and ids of DataFrames: what the jobs say of the same texts, on this machine and on a standalone cluster."""

from __future__ import annotations

import base64
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapreduce.errors import UserError
from mapreduce.tokens.specification import preset
from tests.conftest import ROOT, Run
from tests.spark import cluster as practice

pytest.importorskip("pyspark")
# pyspark leaves the sockets open that results come through
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TEXTS = ["The cat, the hat", "a b a", "İstanbul café", "two\nlines", "", "don't", "x" * 500] * 40
LABELS = ["pos", "né"]


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    return [(LABELS[i % 2], f"{text} w{i % 17}") for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def table(rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label", "text"), *rows])
    return path


@pytest.fixture(scope="module")
def spark():  # type: ignore[no-untyped-def]
    from pyspark.sql import SparkSession

    found = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield found
    found.stop()


def lines(run_job: Run, job: str, *arguments: object) -> set[tuple[str, ...]]:
    out = run_job(job, *arguments).stdout.decode()
    return {tuple(line.split("\t")) for line in out.split("\n")[:-1]}


def test_counts_are_those_of_the_jobs(spark, rows, table: Path, run_job: Run) -> None:  # type: ignore[no-untyped-def]
    from mapreduce.cluster import dataframes

    frame = spark.createDataFrame([*rows, (None, "no label"), ("pos", None)], "label string, text string").repartition(
        3
    )
    found = dataframes.count_terms(frame.na.drop(), "text", preset("words"))
    assert found.columns == ["feature", "tf"]
    assert {tuple(map(str, row)) for row in found.collect()} == lines(
        run_job, "wordcount", "--tokenizer", "words", table
    )
    pairs = dataframes.feature_counts(frame, "text", "label", preset("keras", ngrams=2), minimum_df=20)
    wanted = lines(run_job, "featurecount", "--ngrams", "2", "--min-df", "20", table)
    assert {tuple(map(str, row)) for row in pairs.collect()} == {row for row in wanted if row[0]}


def test_ids_are_those_of_encode(spark, rows, table: Path, tmp_path: Path, run_job: Run) -> None:  # type: ignore[no-untyped-def]
    from mapreduce.cluster import dataframes

    run_job("vocabulary", "--top-k", "10", "--tokenizer", "words", "--output-dir", tmp_path / "v", table)
    run_job("encode", "--vocabulary", tmp_path / "v", "--output-dir", tmp_path / "e", table)
    wanted = sorted(
        np.frombuffer(base64.urlsafe_b64decode(line.split(b"\t")[2]), "<i4").tolist()
        for line in (tmp_path / "e" / "part-00000").read_bytes().splitlines()
    )
    frame = spark.createDataFrame([*rows, ("pos", None)], "label string, text string")
    found = dataframes.encode(frame, "text", tmp_path / "v").collect()
    assert found[0].asDict().keys() == {"label", "text", "ids"} and found[-1].ids is None
    assert sorted(row.ids for row in found[:-1]) == wanted
    own = dataframes.encode(frame, "text", ["the", "cat"], name="words").first()
    assert own is not None and own.words == [2, 3, 2, 1, 1]
    frame.sparkSession.createDataFrame(found).write.parquet(str(tmp_path / "p"))
    assert sorted(row.ids for row in spark.read.parquet(str(tmp_path / "p")).na.drop().collect()) == wanted


def test_what_is_no_column_of_texts_is_one_line(spark, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from mapreduce.cluster import dataframes

    frame = spark.createDataFrame([("a", 1)], "text string, number int")
    with pytest.raises(UserError, match="column 'number' is int; cast it; strings are wanted"):
        dataframes.count_terms(frame, "number")
    with pytest.raises(UserError, match="column 'x' is none of its columns"):
        dataframes.feature_counts(frame, "x", "text")
    with pytest.raises(UserError, match="no such vocabulary"):
        dataframes.encode(frame, "text", tmp_path / "none")


def test_on_a_cluster_the_code_is_sent(standalone: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "from pyspark.sql import SparkSession\n"
        "from mapreduce.cluster.dataframes import count_terms, encode\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "frame = spark.createDataFrame([('the cat',), ('the hat',)], 'text string')\n"
        "print(sorted(map(tuple, count_terms(frame, 'text').collect())))\n"
        "print(sorted(row.ids for row in encode(frame, 'text', ['the']).collect()))\n"
    )
    submit = Path(practice.spark_class()).with_name("spark-submit")
    own = {"PYTHONPATH": str(ROOT), "PYSPARK_DRIVER_PYTHON": sys.executable, "PYSPARK_PYTHON": "python3"}
    done = subprocess.run(
        [submit, "--master", practice.MASTER, tmp_path / "program.py"],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[('cat', 1), ('hat', 1), ('the', 2)]\n[[2, 1], [2, 1]]\n", done.stderr[-2000:]
