"""Types as Spark has them: its column of the tables in docs/tables.md, and groups of typed rows, by its inferSchema."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mapreduce.input import rows
from mapreduce.tables import types
from tests.conftest import Run
from tests.mapreduce.tables.test_types import ALIKE, ONE, SEVERAL

pytest.importorskip("pyspark")
# pyspark leaves the sockets open that results come through
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2").config("spark.sql.session.timeZone", "UTC")
    found = builder.getOrCreate()
    found.sparkContext.setLogLevel("ERROR")
    yield found
    found.stop()


def infer(spark: Any, path: Path, columns: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str | None]]]:
    """The names of the types that Spark finds for columns, and their values as it writes them."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([f"c{i}" for i in range(len(columns))] + ["last"])
        for i in range(max(map(len, columns))):
            writer.writerow([column[i] if i < len(column) else "" for column in columns] + ["1"])
    frame = spark.read.csv(str(path), header=True, inferSchema=True)
    # A column that has no value is a string to Spark, and one of no type here.
    texts = frame.selectExpr(*(f"cast({name} as string)" for name in frame.columns)).collect()
    names = [field.dataType.simpleString().partition("(")[0] for field in frame.schema][:-1]
    return names, [[row[i] for row in texts] for i in range(len(columns))]


def test_a_field_is_what_the_page_says_of_spark(spark: Any, tmp_path: Path) -> None:
    every = [(row, value) for row in ONE for value in row.values]
    names, found = infer(spark, tmp_path / "one.csv", [[value] for _, value in every])
    wrong = []
    for (row, value), name, (text,) in zip(every, names, found):
        said = "string" if row.spark == "null" else row.spark
        if name != said or (text is None) != (row.spark == "null"):
            wrong.append((value, name, text))
        elif row.alike and text is not None and read(row.here, text) != read(row.here, value):
            wrong.append((value, name, text))
    assert wrong == []


def read(kind: str, text: str) -> object:
    value = types.reader(kind)(text.encode())
    return "NaN" if value != value else value


def test_a_column_is_what_the_page_says_of_spark(spark: Any, tmp_path: Path) -> None:
    names, _ = infer(spark, tmp_path / "several.csv", [row.values for row in SEVERAL])
    assert names == [row.spark for row in SEVERAL]


def test_random_columns_have_spark_s_types(spark: Any, tmp_path: Path) -> None:
    chance = random.Random(20)
    pool = [value for row in ONE if row.alike for value in row.values if value != "2020"]  # a year, behind a date
    kinds = [[value for row in ONE if row.alike and row.here == kind for value in row.values] for kind in types.TYPES]
    columns = []
    for _ in range(500):
        few = pool if chance.random() < 0.2 else sum(chance.sample(kinds, chance.choice([1, 2, 2])), [""])
        columns.append([value for value in chance.choices(few, k=5) if value != "2020"] or [""])
    names, _ = infer(spark, tmp_path / "random.csv", columns)
    mine = [types.join_all(types.of(value.encode()) for value in column) for column in columns]
    wrong = [(column, name, kind) for column, name, kind in zip(columns, names, mine) if ALIKE.get(name, name) != kind]
    assert [one for one in wrong if set(one[0]) != {""}] == []
    assert min(Counter(mine)[kind] for kind in types.TYPES) > 10


def groups(spark: Any, path: Path, by: Sequence[str], null: str) -> Counter[tuple[str, ...]]:
    """What Spark counts, its values in our form."""
    frame = spark.read.csv(str(path), header=True, inferSchema=True, nullValue=null, escape='"').dropna()
    kinds = [ALIKE.get(name, name) for name in (frame.schema[one].dataType.simpleString() for one in by)]
    found: Counter[tuple[str, ...]] = Counter()
    for row in frame.groupBy(*by).count().selectExpr(*(f"cast({one} as string)" for one in by), "count").collect():
        values = [types.canonical(kind.partition("(")[0])(text.encode()) for kind, text in zip(kinds, row)]
        found[tuple(value.decode() for value in values)] += row["count"]
    return found


def counted(run_job: Run, path: Path, by: Sequence[str], *flags: object) -> Counter[tuple[str, ...]]:
    out = run_job("groupcount", "-r", "inline", "--by", ",".join(by), "--dropna", *flags, path).stdout
    lines = [[field.decode() for field in rows.split(line)] for line in out.splitlines()]
    assert len({tuple(line[:-1]) for line in lines}) == len(lines)
    return Counter({tuple(line[:-1]): int(line[-1]) for line in lines})


def test_groups_are_those_of_spark(spark: Any, tmp_path: Path, run_job: Run) -> None:
    """Of a table like the penguins, and of random ones: typed values, each in several forms, with missing ones."""
    chance = random.Random(7)
    pools = {
        "category": ["Adelie", "Gentoo", "Chinstrap", "a b", "a,b", 'with "quotes"', "ü"],
        "number": ["1", "01", "+1", "2", "-0", "0"],
        "long": ["1", "2147483648", "02147483648"],
        "real": ["1", "1.0", "1e0", " 1", "2.5", "NaN", "Inf", "-0.0", "0.0"],
        "decimal": ["9223372036854775808", "1", "09223372036854775808"],
        "flag": ["true", "TRUE", "false", "False"],
        "day": ["2020-01-31", "2020-02-01"],
        "moment": ["2020-01-31", "2020-01-31 00:00:00", "2020-01-31T00:00:00Z", "2020-01-31T02:00:00+02:00"],
        "mixed": ["1", "x", "1.0", "2020-01-31"],
    }
    names, null = list(pools), "NA"
    for number in range(2):
        path = tmp_path / f"t{number}.csv"
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            # each value once at least, so that a column has its type
            for i in range(400):
                missing = [chance.random() < 0.03 * (i > 10) for _ in names]
                some = [pools[one][i] if i < len(pools[one]) else chance.choice(pools[one]) for one in names]
                writer.writerow([chance.choice(["", null]) if lost else one for one, lost in zip(some, missing)])
        for by in ([names[0]], chance.sample(names, 2), chance.sample(names, 3), names):
            wanted = groups(spark, path, by, null)
            assert counted(run_job, path, by, "--nulls", null) == wanted, by
            assert sum(wanted.values()) > 200
