"""The job clean: rows as pandas and duckdb have them, the same bytes on every runner, and what it says of its work."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.clean import Clean
from mapreduce.errors import UserError
from mapreduce.input import rows
from mapreduce.input.records import record_hash
from mapreduce.output import manifest
from mapreduce.tables import types
from mapreduce.tables.cleaner import _SURE, converter, explained
from mapreduce.tables.cleaning import split
from mapreduce.tables.schema import Schema
from tests.conftest import Run

Row = tuple[Any, ...]
NAMES = ["id", "city", "kind", "age", "price", "n", "day"]
TYPES = "id:int,city:text,kind:text,age:int,price:double,n:int,day:date"


def clean(table: str | bytes, *flags: str) -> tuple[Schema, list[bytes]]:
    """Runs the job in this process: the schema of what it writes, and its lines."""
    job = Clean(args=["-r", "inline", "-q", "--format", "csv", "--jobconf", "mapreduce.job.reduces=1", *flags])
    job.sandbox(stdin=io.BytesIO(table.encode() if isinstance(table, str) else table))
    with job.make_runner() as runner:
        runner.run()
        lines = b"".join(runner.cat_output()).split(b"\n")[:-1]
    assert job.output_schema is not None
    width = len(job.output_schema.columns)
    return job.output_schema, [line.removesuffix(b"\t") if width == 1 else line for line in lines]


def texts(table: str, *flags: str) -> list[list[str]]:
    """The rows that come out, sorted."""
    return sorted([field.decode() for field in rows.split(line)] for line in clean(table, *flags)[1])


def values(schema: Schema, lines: list[bytes]) -> list[Row]:
    """The rows as values of their types, sorted."""
    read = [types.reader(column.type) for column in schema.columns]
    found = [[one(field) if field else None for one, field in zip(read, rows.split(line))] for line in lines]
    return ordered([[one.decode() if isinstance(one, bytes) else one for one in row] for row in found])


def ordered(table: Any) -> list[Row]:
    return sorted((tuple(row) for row in table), key=lambda row: [(one is None, str(one)) for one in row])


def random_table(chance: random.Random, number: int) -> list[list[Any]]:
    """Rows of all types, with missing values, equal rows, and quotes, tabs, line ends and backslashes in fields."""
    cities = ["Oslo", "Rome", 'a "b"', "x\ty", "two\nlines", "a\\1", "å, b", "c\r\nd"]
    made: list[list[Any]] = []
    for key in range(number):
        if made and chance.random() < 0.2:
            made.append(chance.choice(made))
            continue
        row = [
            key,
            chance.choice(cities),
            chance.choice("abc"),
            chance.randrange(-5, 30),
            chance.choice([chance.randrange(-40, 40) / 4, 1e300, 0.0, 3.0]),
            chance.randrange(4),
            date(2020, 1, 1 + chance.randrange(9)),
        ]
        made.append(row[:1] + [None if chance.random() < 0.15 else one for one in row[1:]])
    return made


def as_csv(table: list[list[Any]], names: list[str] = NAMES) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([names, *(["" if f is None else f for f in row] for row in table)])
    return file.getvalue()


def frame(table: list[list[Any]]) -> pandas.DataFrame:
    return pandas.DataFrame(table, columns=NAMES, dtype=object)


@pytest.fixture(scope="module")
def table() -> list[list[Any]]:
    return random_table(random.Random(3), 200)


@pytest.fixture(scope="module")
def known(table: list[list[Any]]) -> duckdb.DuckDBPyConnection:
    """The same in duckdb, as `t`."""
    connection = duckdb.connect()
    kinds = "id INT, city VARCHAR, kind VARCHAR, age INT, price DOUBLE, n INT, day DATE"
    connection.execute(f"CREATE TABLE t ({kinds})")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", table)
    return connection


def as_duckdb(known: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    return ordered(known.execute(query).fetchall())


# One operation after the other


@pytest.mark.parametrize("asked", ["any", "all", "age,price", "price"])
def test_dropna(asked: str, table: list[list[Any]]) -> None:
    table = [*table, [None] * 7]
    found = clean(as_csv(table), "--types", TYPES, "--dropna", asked)
    how: dict[str, Any] = {"how": asked} if asked in ("any", "all") else {"subset": asked.split(",")}
    expected = frame(table).dropna(**how)
    assert values(*found) == ordered(expected.itertuples(index=False))


def test_dropna_looks_at_what_is_written(table: list[list[Any]]) -> None:
    found = clean(as_csv(table), "--types", TYPES, "--dropna", "any", "--select", "n,city")
    expected = frame(table)[["n", "city"]].dropna()
    assert values(*found) == ordered(expected.itertuples(index=False))


def test_distinct_rows(table: list[list[Any]]) -> None:
    found = clean(as_csv(table), "--types", TYPES, "--distinct-rows", "--drop", "id,city")
    expected = frame(table).drop(columns=["id", "city"]).drop_duplicates()
    assert values(*found) == ordered(expected.itertuples(index=False))
    assert len(found[1]) < len(table)


def test_equal_rows_stay_and_are_in_the_order_of_their_hashes(table: list[list[Any]]) -> None:
    schema, lines = clean(as_csv(table), "--types", TYPES)
    assert values(schema, lines) == ordered(table) and len(set(lines)) < len(lines)
    hashes = [record_hash(line) for line in lines]
    assert hashes == sorted(hashes)


MODE = "(SELECT {0} FROM t WHERE {0} IS NOT NULL GROUP BY {0} ORDER BY count(*) DESC, {0} LIMIT 1)"


@pytest.mark.parametrize(
    ("fill", "column", "expression"),
    [
        ("age=mean", "age", "coalesce(age::DOUBLE, (SELECT avg(age) FROM t))"),
        ("age=median", "age", "coalesce(age, (SELECT quantile_disc(age, 0.5) FROM t))"),
        ("price = median", "price", "coalesce(price, (SELECT quantile_disc(price, 0.5) FROM t))"),
        ("day=median", "day", "coalesce(day, (SELECT quantile_disc(day, 0.5) FROM t))"),
        ("city=most_frequent", "city", f"coalesce(city, {MODE.format('city')})"),
        ("n=most_frequent", "n", f"coalesce(n, {MODE.format('n')})"),
        ("n=-7", "n", "coalesce(n, -7)"),
        ("city='it''s, =\"x\"'", "city", "coalesce(city, 'it''s, =\"x\"')"),
        ('day="2024-02-29"', "day", "coalesce(day, DATE '2024-02-29')"),
        ("price=1e3", "price", "coalesce(price, 1000)"),
        (
            "age=mean by kind",
            "age",
            "coalesce(age::DOUBLE, (SELECT avg(age) FROM t s WHERE s.kind IS NOT DISTINCT FROM t.kind))",
        ),
        (
            "price=median by kind and `n`",
            "price",
            "coalesce(price, (SELECT quantile_disc(price, 0.5) FROM t s "
            "WHERE s.kind IS NOT DISTINCT FROM t.kind AND s.n IS NOT DISTINCT FROM t.n))",
        ),
        (
            "n=median by city",
            "n",
            "coalesce(n, (SELECT quantile_disc(n, 0.5) FROM t s WHERE s.city IS NOT DISTINCT FROM t.city))",
        ),
    ],
)
def test_fill(fill: str, column: str, expression: str, table: list[list[Any]], known: Any) -> None:
    found = clean(as_csv(table), "--types", TYPES, "--fill", fill)
    assert values(*found) == as_duckdb(known, f"SELECT * REPLACE ({expression} AS {column}) FROM t")
    assert any(row[NAMES.index(column)] is None for row in table)


def test_a_most_frequent_value_by_group_is_that_of_pandas(table: list[list[Any]]) -> None:
    found = clean(as_csv(table), "--types", TYPES, "--fill", "n=most_frequent by kind")
    expected = frame(table)
    for _, some in expected.groupby("kind", dropna=False):
        expected.loc[some.index, "n"] = some["n"].fillna(some["n"].astype("Int64").mode()[0])
    assert values(*found) == ordered(expected.itertuples(index=False))


@pytest.mark.parametrize(
    ("clip", "low", "high"),
    [
        ("price:5%:95%", "(SELECT quantile_disc(price, 0.05) FROM t)", "(SELECT quantile_disc(price, 0.95) FROM t)"),
        ("price:12.5%:", "(SELECT quantile_disc(price, 0.125) FROM t)", "'inf'"),
        ("price:0%:100%", "'-inf'", "'inf'"),
        ("price:-1.5:2", "-1.5", "2"),
        ("price::50%", "'-inf'", "(SELECT quantile_disc(price, 0.5) FROM t)"),
        ("price:-3:75%", "-3", "(SELECT quantile_disc(price, 0.75) FROM t)"),
    ],
)
def test_clip(clip: str, low: str, high: str, table: list[list[Any]], known: Any) -> None:
    found = clean(as_csv(table), "--types", TYPES, "--clip", clip)
    clipped = f"CASE WHEN price IS NOT NULL THEN least(greatest(price, {low}::DOUBLE), {high}::DOUBLE) END"
    assert values(*found) == as_duckdb(known, f"SELECT * REPLACE ({clipped} AS price) FROM t")


def test_trim() -> None:
    table = as_csv([[" a b\t", "\n x \r\n"], ["a b", "  "], ["\u00a0c", "x"]], ["s", "u"])
    assert texts(table, "--trim") == [["a b", ""], ["a b", "x"], ["\u00a0c", "x"]]
    assert texts(table, "--trim", "s") == [["a b", "\n x \r\n"], ["a b", "  "], ["\u00a0c", "x"]]
    assert texts(table, "--trim", "--distinct-rows", "--dropna") == [["a b", "x"], ["\u00a0c", "x"]]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "12", "12"),
        ("int", "+007", "7"),
        ("int", "12.0", "12"),
        ("int", " 1e3 ", "1000"),
        ("int", "12.5", None),
        ("int", "3000000000", None),
        ("int", "true", "1"),
        ("int", "NaN", None),
        ("int", "1e-400", "0"),  # as the double that it is
        ("int", "1e-30", None),
        ("long", "4503599627370497.5", None),
        ("long", "9007199254740993.0", "9007199254740993"),
        ("decimal", "1e30", "1" + "0" * 30),
        ("double", "007", "7.0"),
        ("double", "FALSE", "0.0"),
        ("double", "1,5", None),
        ("boolean", "True", "true"),
        ("boolean", "0", "false"),
        ("boolean", "2", None),
        ("boolean", "yes", None),
        ("date", "2020-02-29", "2020-02-29"),
        ("date", "2020-02-30", None),
        ("date", "2020-02-29T23:30-02:00", "2020-03-01"),
        ("timestamp", "2020-02-29", "2020-02-29 00:00:00"),
        ("timestamp", "12", None),
        ("text", "007", "007"),
    ],
)
def test_a_value_is_cast(kind: str, value: str, expected: str | None) -> None:
    try:
        found = converter(kind)(value.encode()).decode()
    except ValueError:
        found = None
    assert found == expected


def test_cast_of_numbers_in_texts_is_that_of_duckdb() -> None:
    chance = random.Random(9)
    digits = ["", "-", "1", "20", "300", ".0", ".5", "e2", "x", "2147483647", "2147483648"]
    made = sorted({"".join(chance.choices(digits, k=3)) for _ in range(300)} - {"", "-"})
    table = as_csv([[one, one] for one in made], ["a", "b"])
    found = {row[1]: row[0] for row in texts(table, "--cast", "a:int,b:text")}
    for one in made:
        (number,) = duckdb.execute("SELECT TRY_CAST(? AS DOUBLE)", [one]).fetchone() or (None,)
        whole = number is not None and math.isfinite(number) and number == int(number) and abs(number) < 2**31
        assert found[one] == (str(int(number)) if whole else ""), one


def test_where_and_compute(table: list[list[Any]], known: Any) -> None:
    flags = ("--where", "price > 1 or kind = 'a'", "--compute", "total = price * n", "--compute", "kind = upper(kind)")
    found = clean(as_csv(table), "--types", TYPES, *flags, "--compute", "double = total + total")
    query = "SELECT * REPLACE (upper(kind) AS kind), price * n AS total, 2 * total AS double FROM t"
    assert values(*found) == as_duckdb(known, f"{query} WHERE price > 1 OR kind = 'a'")
    assert [column.type for column in found[0].columns[-2:]] == ["double", "double"]


def test_select_drop_and_rename(table: list[list[Any]], known: Any) -> None:
    found = clean(as_csv(table), "--types", TYPES, "--select", "price,city", "--rename", "price:city,city:`a:b`")
    assert found[0].names == ("city", "a:b")
    assert values(*found) == as_duckdb(known, "SELECT price, city FROM t")
    found = clean(as_csv(table), "--types", TYPES, "--drop", "id,Day,age")
    assert found[0].names == ("city", "kind", "price", "n")
    assert values(*found) == as_duckdb(known, "SELECT city, kind, price, n FROM t")


# All of them together


def test_the_order_is_fixed(table: list[list[Any]], known: Any) -> None:
    """Whatever the order of the flags; the figures are of the rows behind --where, before anything is clipped."""
    flags = [
        ("--distinct-rows",),
        ("--rename", "total:sum"),
        ("--drop", "id"),
        ("--dropna", "day,sum_of"),
        ("--compute", "total = price * age", "--compute", "sum_of = n + 1"),
        ("--fill", "age=median by kind,price=median,n=1"),
        ("--clip", "price:10%:90%"),
        ("--where", "age is null or age < 20"),
        ("--cast", "age:int"),
    ]
    query = """
        WITH w AS (SELECT * FROM t WHERE age IS NULL OR age < 20),
        q AS (SELECT quantile_disc(price, 0.1) a, quantile_disc(price, 0.5) b, quantile_disc(price, 0.9) c FROM w),
        f AS (
            SELECT city, kind, coalesce(age, (
                SELECT quantile_disc(age, 0.5) FROM w g WHERE g.kind IS NOT DISTINCT FROM w.kind
            )) AS age, CASE WHEN price IS NULL THEN b ELSE least(greatest(price, a), c) END AS price,
            coalesce(n, 1) AS n, day FROM w, q
        )
        SELECT DISTINCT *, price * age AS total, n + 1 AS sum_of FROM f WHERE day IS NOT NULL AND n IS NOT NULL
    """
    given, expected = TYPES.replace("age:int,", ""), as_duckdb(known, query)
    for some in (flags, flags[::-1]):
        found = clean(as_csv(table), "--types", given, *(word for flag in some for word in flag))
        assert values(*found) == expected
        assert found[0].names[-2:] == ("sum", "sum_of")


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6))
def test_random_rows_under_random_flags_are_as_pandas_has_them(seed: int) -> None:
    chance = random.Random(seed)
    table = random_table(chance, chance.randrange(1, 40))
    expected, flags = frame(table), []
    if chance.random() < 0.5:
        flags += ["--fill", 'city="?",n=9']
        expected = expected.fillna({"city": "?", "n": 9})
    if chance.random() < 0.5:
        some = chance.sample(NAMES, chance.randrange(1, 7))
        flags += ["--select", ",".join(some)]
        expected = expected[some]
    if chance.random() < 0.5:
        flags += ["--dropna"]
        expected = expected.dropna()
    if chance.random() < 0.5:
        flags += ["--distinct-rows"]
        expected = expected.drop_duplicates()
    reread = as_csv([["" if one is None else one for one in row] for row in table])
    found = clean(reread, "--types", TYPES, *flags)
    assert values(*found) == ordered(expected.itertuples(index=False))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 8 MB, so that seven tasks have a piece each, with line ends in most fields."""
    chance = random.Random(5)
    notes = [f"{'long ' * chance.randrange(2000)}\n,\"'\t\\" for _ in range(9)]
    made = [[*row, chance.choice(notes)] for row in random_table(chance, 1600)]
    path = tmp_path_factory.mktemp("large") / "large.csv"
    path.write_text(as_csv(made, [*NAMES, "note"]), newline="")
    assert path.stat().st_size > 7 << 20
    return path


def test_runners_and_splits_write_the_same_bytes(large: Path, tmp_path: Path, run_job: Run) -> None:
    flags = ["--fill", "age=mean,price=median by kind and city,n=most_frequent", "--clip", "price:1%:99%"]
    flags += ["--types", f"{TYPES},note:text"]
    flags += ["--where", "age is null or age != 3", "--compute", "total = price * age", "--dropna", "day"]
    found = []
    for number, (runner, maps) in enumerate((("inline", 1), ("local", 2), ("local", 7))):
        out = tmp_path / str(number)
        more = ["-r", runner, "--jobconf", f"mapreduce.job.maps={maps}", "--jobconf", "mapreduce.job.reduces=2"]
        done = run_job("clean", *more, *flags, "--output-dir", out, large, env={"PYTHONHASHSEED": str(number)})
        files = {path.name: path.read_bytes() for path in out.iterdir() if path.name.startswith(("part", "_figures"))}
        described = manifest.read(out)
        found.append((files, described["results"], described["counters"]["clean"], done.stderr))
    assert found[0] == found[1] == found[2]
    assert len(found[0][0]) == 3


# What it says, and what it leaves for others


def test_what_was_changed_is_said_and_stands_in_the_manifest(tmp_path: Path, run_job: Run) -> None:
    table = "city,kind,age,price\n Oslo ,a,30,5\nRome,b,x,1000\n,a,40,7\nRome,b,,8\nRome,b,,8\nOslo,c,50,-1\n,d,,6\n"
    (tmp_path / "t.csv").write_text(table)
    flags = ["--trim", "--cast", "age:int", "--where", "price > 0", "--clip", "price:0:100", "--distinct-rows"]
    flags += ["--fill", "age=mean by kind,city='?'", "--dropna", "age"]
    done = run_job("clean", *flags, "--output-dir", tmp_path / "o", tmp_path / "t.csv")
    assert done.stderr.decode().splitlines() == [
        "clean: 1 value of price clipped",
        "clean: 2 values of city filled",
        "clean: 4 rows left out: a missing value (--dropna)",
        "clean: 1 row left out: --where is not true",
        "clean: 1 value of age not an int, and missing now",
        "clean: 4 values of age still missing: their group has no value",
        "clean: 1 value trimmed",
    ]
    found = manifest.read(tmp_path / "o", "clean")
    assert found["counters"]["clean"] == {
        "trimmed": 1,
        "misfit: age": 1,
        "left out: where": 1,
        "clipped: price": 1,
        "filled: city": 2,
        "not filled: age": 4,
        "left out: missing value": 4,
    }
    assert found["records"]["in"] == found["records"]["used"] == 7 and found["records"]["out"] == 2
    assert run_job("clean", "-q", *flags, tmp_path / "t.csv").stderr == b""


def test_figures_of_training_rows_fill_others(tmp_path: Path, run_job: Run) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("city,age,n\nOslo,1,\nOslo,2,5\nRome,40,5\nRome,,7\n")
    test.write_text("city,age,n\nOslo,,\nRome,,1\nParis,,2\n")
    flags = ["--fill", "age=mean by city,n=most_frequent", "--clip", "n:0%:100%"]
    run_job("clean", *flags, "-q", "--output-dir", tmp_path / "o", train)
    assert [json.loads(line) for line in (tmp_path / "o" / "_figures").read_text().splitlines()] == [
        {"column": "n", "figure": "0%", "by": {}, "value": "5"},
        {"column": "n", "figure": "100%", "by": {}, "value": "7"},
        {"column": "n", "figure": "most_frequent", "by": {}, "value": "5"},
        {"column": "age", "figure": "mean", "by": {"city": "Oslo"}, "value": "1.5"},
        {"column": "age", "figure": "mean", "by": {"city": "Rome"}, "value": "40.0"},
    ]
    figures = {"n": {"0%": "5", "100%": "7", "most_frequent": "5"}}
    assert manifest.read(tmp_path / "o")["results"] == {"figures": figures}
    types_of = ["--types", "age:int,n:int,city:text"]
    done = run_job("clean", *flags, *types_of, "--figures", tmp_path / "o", "--output-dir", tmp_path / "p", test)
    lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "p").glob("part-*")))
    assert sorted(lines.split(b"\n")[:-1]) == [b"Oslo\t1.5\t5", b"Paris\t\t5", b"Rome\t40.0\t5"]
    assert b"1 value of age still missing: their group has no value" in done.stderr
    assert manifest.read(tmp_path / "p")["arguments"]["figures"] == str(tmp_path / "o" / "_figures")
    assert (tmp_path / "p" / "_figures").read_bytes() == (tmp_path / "o" / "_figures").read_bytes()
    done = run_job("clean", "--fill", "age=median", "--figures", tmp_path / "o", test, code=2)
    assert b"--fill age: there is no median" in done.stderr and done.stderr.count(b"\n") == 1


def test_other_table_jobs_read_what_it_writes(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text('code,"a ""b"""\n007,"x\ty\n"\n008,\n')
    flags = ["--types", "code:text", "--rename", '`a "b"`:note', "--output-dir", tmp_path / "o"]
    run_job("clean", "-r", "local", *flags, tmp_path / "t.csv")
    assert manifest.read(tmp_path / "o")["schema"]["columns"] == [
        {"name": "code", "type": "text"},
        {"name": "note", "type": "text"},
    ]
    counted = run_job("groupcount", "--by", "code,note", tmp_path / "o").stdout
    assert counted == b"007\tx\\ty\\n\t1\n008\t\t1\n"
    again = run_job("clean", "--dropna", "--csv", tmp_path / "o").stdout
    assert list(csv.reader(io.StringIO(again.decode(), newline=""))) == [["code", "note"], ["007", "x\ty\n"]]


def test_a_table_of_one_column(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text('s\ns\n""\na\n')
    run_job("clean", "--header", "yes", "--output-dir", tmp_path / "o", tmp_path / "t.csv")
    assert sorted(run_job("clean", "--csv", tmp_path / "o").stdout.split()) == [b'""', b"a", b"s", b"s"]


def test_csv_is_read_back_by_pandas(table: list[list[Any]], tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text(as_csv(table), newline="")
    done = run_job("clean", "-q", "--csv", "--types", TYPES, "--select", "city,price,day", tmp_path / "t.csv")
    read = pandas.read_csv(io.BytesIO(done.stdout), dtype=str, keep_default_na=False, lineterminator="\n")
    assert list(read.columns) == ["city", "price", "day"]
    expected = [["" if one is None else str(one) for one in (row[1], row[4], row[6])] for row in table]
    assert ordered(read.itertuples(index=False)) == ordered(expected)


def test_nulls_and_nan_are_missing() -> None:
    table = "a,b\nNA,1.5\nx,NaN\ny,-\nz,2.5\n"
    assert texts(table, "--nulls", "NA,-") == [["", "1.5"], ["x", "NaN"], ["y", ""], ["z", "2.5"]]
    assert texts(table, "--nulls", "NA,-", "--dropna") == [["z", "2.5"]]
    filled = texts(table, "--nulls", "NA,-", "--fill", "b=mean,a=most_frequent")
    assert filled == [["x", "1.5"], ["x", "2.0"], ["y", "2.0"], ["z", "2.5"]]


def test_a_value_that_nothing_is_done_to_stays_as_it_is_written() -> None:
    table = "a,b,c\n007,1e3,TRUE\n+5,.5,false\n"
    assert texts(table) == [["+5", ".5", "false"], ["007", "1e3", "TRUE"]]
    assert texts(table, "--cast", "a:int,b:double,c:boolean") == [["5", "0.5", "false"], ["7", "1000.0", "true"]]


def test_a_value_that_is_none_of_a_given_type_rejects_its_row(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2.5,y\n3,\n")
    done = run_job("clean", "--types", "a:int", "--max-rejected", "1", tmp_path / "t.csv")
    assert sorted(done.stdout.split(b"\n")[:-1]) == [b"1\tx", b"3\t"]
    assert b"no int in column 1 (1)" in done.stderr and b"t.csv, line 3" in done.stderr
    assert texts("a,b\n1,x\n2.5,y\n", "--types", "a:int", "--drop", "a") == [["x"], ["y"]]  # nothing needs it


def test_changes_of_many_columns_are_counted_together() -> None:
    names = [f"c{number}" for number in range(25)]
    job = Clean(args=["-r", "inline", "--format", "csv", "--fill", ",".join(f"{name}='x'" for name in names)])
    job.sandbox(stdin=io.BytesIO(as_csv([["y"] * 24 + [None], [None] * 24 + ["z"]], names).encode()))
    with job.make_runner() as runner:
        runner.run()
        assert runner.counters()[0]["clean"] == {"filled": 25}
    assert explained("filled", 25, job.cleaning) == ("filled", "25 values filled")


def test_many_groups_and_values_in_little_memory(tmp_path: Path, run_job: Run) -> None:
    chance = random.Random(2)
    made = [[n % 2000, chance.randrange(10**6) if n % 7 else None] for n in range(16_000)]
    (tmp_path / "t.csv").write_text(as_csv(made, ["g", "x"]))
    flags = ["-r", "local", "-q", "--types", "g:int,x:int", "--fill", "x=median by g", "--clip", "x:1%:99%"]
    more = ["--jobconf", "mapreduce.task.io.sort.mb=1", "--output-dir", tmp_path / "o"]
    run_job("clean", *flags, *more, tmp_path / "t.csv")
    numbers = numpy.array([x for _, x in made if x is not None])
    lines = map(json.loads, (tmp_path / "o" / "_figures").read_text().splitlines())
    found = {(one["figure"], one["by"].get("g")): int(one["value"]) for one in lines}
    assert found["1%", None] == numpy.quantile(numbers, 0.01, method="inverted_cdf")
    assert found["99%", None] == numpy.quantile(numbers, 0.99, method="inverted_cdf")
    group = [x for g, x in made if g == 77 and x is not None]
    assert found["median", "77"] == numpy.quantile(group, 0.5, method="inverted_cdf")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dropna", "agee"], "--dropna: no column 'agee'; perhaps age; there are city, age"),
        (["--trim", "x"], "--trim: no column 'x'"),
        (["--cast", "x:int"], "--cast: no column 'x'"),
        (["--cast", "age:number"], "--cast is name:type,name:type with types boolean, int"),
        (["--where", "age >"], "--where, character 6: it ends, and a value is expected"),
        (["--where", "age"], "--where: 'age' is an int, and a condition is wanted"),
        (["--compute", "total = agee * 2"], "--compute total, character 1: no column 'agee'; perhaps age"),
        (["--compute", "age * 2"], "--compute is 'name = expression'"),
        (["--compute", "= age"], "--compute is 'name = expression'"),
        (["--select", "city,city"], "two columns of the output are called 'city'"),
        (["--rename", "age:city"], "two columns of the output are called 'city'"),
        (["--rename", "age"], "--rename is old:new,old:new"),
        (["--rename", "x:y"], "--rename: no column 'x'"),
        (["--drop", "age", "--rename", "age:a"], "--rename: no column 'age'"),
        (["--select", "age", "--drop", "city"], "give --select or --drop, not both"),
        (["--drop", "city,age,void,big"], "--drop leaves no column"),
        (["--fill", "void=mean"], "--fill void: it is a text, and numbers have a mean"),
        (["--fill", "void=median"], "--fill void: there is no median, as no row that is taken has a value of it"),
        (["--fill", "void=most_frequent by city"], "--fill void: there is no most_frequent by city, as no row"),
        (["--fill", "city=mean"], "--fill city: it is a text, and numbers have a mean"),
        (["--fill", "age=old"], "--fill age: 'old' is none of mean, median, most_frequent"),
        (["--fill", "age=0.5"], "--fill age: '0.5' is none of its type, int; --cast age:TYPE makes it another"),
        (["--fill", "age"], "--fill is column=value,column=mean by column. Received: 'age'"),
        (["--fill", "age=1,age=2"], "--fill names age twice"),
        (["--fill", "city=''"], "--fill city: an empty text is a missing value"),
        (["--fill", "age=mean by x"], "--fill age: no column 'x'"),
        (["--clip", "age:1"], "--clip is column:least:largest"),
        (["--clip", "age::"], "--clip is column:least:largest"),
        (["--clip", "city:1:2"], "--clip city: it is a text, and numbers are clipped"),
        (["--clip", "age:0.5:2"], "--clip age: '0.5' is none of its type, int"),
        (["--clip", "age:9:2"], "--clip age: 9 is larger than 2"),
        (["--clip", "age:1%:101%"], "--clip age: 101% is no quantile"),
        (["--clip", "age:50:99%"], "--clip age: 50 is larger than 30"),
        (["--figures", "none", "--fill", "age=mean"], "--figures: no file none; give an output of clean that fills"),
        (["--figures", "t.csv", "--fill", "age=mean"], "t.csv: no figures; give the output of jobs/clean.py"),
        (["--figures", "t.csv"], "--figures: no figure is asked for; see --fill and --clip"),
    ],
)
def test_an_error_is_one_line(flags: list[str], words: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("city,age,void,big\nOslo,30,,1e400\nRome,,,x\n")
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        given = ["-r", "inline", "--types", "city:text,age:int,void:text,big:text", "--output-dir", "o", "t.csv"]
        with Clean(args=[*flags, *given]).make_runner() as runner:
            runner.run()
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_a_user_sees_one_line(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text("city,age\nOslo,30\n")
    done = run_job("clean", "--fill", "agee=mean", "--output-dir", tmp_path / "o", tmp_path / "t.csv", code=2)
    assert done.stderr == b"clean: --fill: no column 'agee'; perhaps age; there are city, age\n"
    done = run_job("clean", "--csv", "--dropna", tmp_path / "t.csv", code=2)
    assert done.stderr.endswith(b"t.csv stands behind --dropna and is taken for columns; name files before it\n")
    done = run_job("clean", "--csv", "--show", tmp_path / "t.csv", code=2)
    assert b"not allowed with argument --csv" in done.stderr and done.stderr.count(b"\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_help_says_the_order(run_job: Run) -> None:
    said = run_job("clean", "--help").stdout.decode()
    order = "--trim, --nulls, --cast, --where, --clip, --fill, --compute, --dropna, --select or --drop, --rename"
    assert f"{order}, --distinct-rows" in " ".join(said.split())
    assert said.rstrip().rpartition("\n")[2].strip().startswith("python jobs/clean.py ")


def test_the_example_of_its_docstring(run_job: Run) -> None:
    table = b"city,price\n Oslo , 3\nRome,NA\nOslo,5\n"
    flags = ["--trim", "--nulls", "NA", "--cast", "price:int", "--fill", "price=median"]
    shown = re.findall(r"^(?:Output:)?\s+(\w+\t\d)", Clean.__doc__ or "", re.MULTILINE)
    assert run_job("clean", "-q", "--format", "csv", *flags, stdin=table).stdout.decode().splitlines() == shown


# Rules


@pytest.mark.parametrize("kind", sorted(_SURE))
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_surely_fits_a_type_does(kind: str, data: Any) -> None:
    value = data.draw(st.from_regex(re.compile(_SURE[kind]), fullmatch=True))
    types.reader(kind)(value)
    assert types.join(types.of(value), kind) == kind


def test_casts_bring_values_to_one_form() -> None:
    for kind, value, expected in (("date", b"2020-02-29 10:00", b"2020-02-29"), ("long", b"-1e1", b"-10")):
        assert converter(kind)(value) == expected and converter(kind)(expected) == expected
    assert types.reader("timestamp")(converter("timestamp")(b"2020-01-31T10:00+02:00")) == datetime(2020, 1, 31, 8)


def test_lists_are_cut_outside_of_quotes() -> None:
    assert split("a=1, b='x,y' ,`c,d`=2", ",") == ["a=1", "b='x,y'", "`c,d`=2"]
    assert split("a and `b and c` and d", " and ") == ["a", "`b and c`", "d"]
    assert split("brand and band", " and ") == ["brand", "band"]
