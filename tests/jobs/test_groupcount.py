"""jobs/groupcount.py: what duckdb counts, whatever the table, its format, the runner and the splits."""

from __future__ import annotations

import csv
import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from mapreduce.errors import RecordError, UserError
from mapreduce.input import rows
from mapreduce.output import manifest
from mapreduce.tables import types
from mapreduce.tables.types import DOUBLE, NUMBERS
from tests.conftest import Run
from tests.jobs.made_tables import MAKERS, Made, make, plain, read_rows, written

CONDITIONS = (
    "{int} > 1",
    "not {boolean}",
    "{double} <= 0.1 or {text} = 'Oslo'",
    "{text} in ('Rome', 'a,b') and {date} is not null",
    "{date} between '2020-01-01' and '2020-01-20' or {long} % 2 = 0",
    "{timestamp} > '2020-01-01 01:00:00' and {int} + {long} < 5",
    "{decimal} >= 0 and not ({double} > 1 or {text} is null)",
)


def mean(values: Sequence[float]) -> float:
    """Rounded once."""
    if not all(map(math.isfinite, values)):
        return math.fsum(values)
    return float(sum(map(Fraction, values)) / len(values))


def by_duckdb(made: Made, by: Sequence[str], figures: dict[str, list[str]], where: str) -> dict[Any, list[Any]]:
    """Figures by group; sums of doubles are those of Python's fsum, which rounds once, as we do."""
    asked = ["count(*)"]
    for kind, names in figures.items():
        call = {"distinct": "count(DISTINCT {})", "sum": "list({})", "mean": "list({})"}.get(kind, kind + "({})")
        asked += [call.format(f'"{name}"') for name in names]
    query = f"SELECT {', '.join([*(f'{chr(34)}{name}{chr(34)}' for name in by), *asked])} FROM t WHERE {where}"
    found = {}
    for row in made.database.execute(query + " GROUP BY ALL" * bool(by)).fetchall():
        values = list(row[len(by) :])
        at = 1
        for kind, names in figures.items():
            for name in names:
                if kind in ("sum", "mean"):
                    there = [one for one in values[at] or () if one is not None]
                    add = mean if kind == "mean" else math.fsum if made.kinds[name] == DOUBLE else sum
                    values[at] = add(there) if there else None  # type: ignore[operator]
                at += 1
        found[tuple(map(plain, row[: len(by)]))] = list(map(plain, values))
    return found


def check(draw: random.Random, folder: Path) -> None:
    made = make(folder, draw, draw.choice([3, 40, 150]), draw.sample(list(MAKERS), 8))
    by = draw.sample(list(made.kinds), draw.choice([0, 1, 1, 2]))
    figures: dict[str, list[str]] = {}
    for kind in ("sum", "mean", "min", "max", "distinct"):
        fit = made.of(*NUMBERS) if kind in ("sum", "mean") else list(made.kinds)
        if chosen := draw.sample(fit, draw.choice([0, 1, 2])):
            figures[kind] = chosen
    flags = [part for kind, names in figures.items() for part in (f"--{kind}", ",".join(names))]
    ours, theirs = "", ["true"]
    if draw.random() < 0.6:
        condition = draw.choice(CONDITIONS)
        ours, sql = (
            condition.format(**{kind: f"{mark}{name}{mark}" for name, kind in made.kinds.items()}) for mark in '`"'
        )
        theirs.append(f"({sql})")
    asked = draw.choice(["", "any", "all", ",".join(draw.sample(list(made.kinds), 2))])
    if asked:
        names = list(made.kinds) if asked in ("any", "all") else asked.split(",")
        there = [f'"{name}" IS NOT NULL' + f' AND NOT isnan("{name}")' * (made.kinds[name] == DOUBLE) for name in names]
        theirs.append("(" + (" OR " if asked == "all" else " AND ").join(f"({one})" for one in there) + ")")
        flags += ["--dropna", asked]
    flags += [*(["--where", ours] if ours else []), "--by", ",".join(by), "--nulls", "NA"]
    wanted = by_duckdb(made, by, figures, " AND ".join(theirs))
    found, schema = read_rows("groupcount", *flags, made.path)
    assert [column.name for column in schema.columns] == [
        *by,
        "count",
        *(f"{kind}_{name}" for kind, names in figures.items() for name in names),
    ]
    got = {tuple(map(plain, row[: len(by)])): list(map(plain, row[len(by) :])) for row in found}
    assert len(got) == len(found)
    if not by and not got:  # no row: SQL counts none, and here there is no group
        assert wanted[()][0] == 0
    else:
        assert got == wanted, f"{flags}"


@pytest.mark.parametrize("seed", range(8))
def test_random_tables_are_what_duckdb_counts(seed: int, tmp_path: Path) -> None:
    check(random.Random(seed), tmp_path)


@pytest.mark.parametrize(
    "flags",
    [
        ("--by", "t0 text,b5 boolean", "--distinct", "i1 int,t0 text", "--jobconf", "mapreduce.job.reduces=2"),
        pytest.param(
            ("--by", "i1 int", "--where", "`d6 date` > '2020-01-01'", "--sort", "sum_d4 double", "--top", "7"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["groups", "top"],
)
def test_runners_and_splits_give_the_same_bytes(flags: tuple[str, ...], tmp_path: Path, run_job: Run) -> None:
    made = make(tmp_path, random.Random(3), 3000)
    figures = (
        "--sum",
        "l2 long,d4 double",
        "--mean",
        "d4 double,d3 decimal",
        "--min",
        "t0 text",
        "--max",
        "t7 timestamp",
    )
    found, said = [], []
    for seed, runner, maps in ((0, "inline", 1), (1, "local", 2), (2, "local", 7)):
        out = tmp_path / f"out-{runner}-{maps}"
        tasks = ("-r", runner, "--jobconf", f"mapreduce.job.maps={maps}", "--output-dir", out)
        run_job("groupcount", *tasks, "--nulls", "NA", *figures, *flags, made.path, env={"PYTHONHASHSEED": str(seed)})
        found.append({part.name: part.read_bytes() for part in out.glob("part-*")})
        described = manifest.read(out)
        said.append([described[name] for name in ("arguments", "records", "schema", "parts")])
    assert found[1:] == found[:1] * 2 and said[1:] == said[:1] * 2
    assert sum(len(part.splitlines()) for part in found[0].values()) > 6 and described["records"]["in"] == 3000


@pytest.mark.parametrize(
    "column",
    ["count", "mean_d4 double", *(pytest.param(one, marks=pytest.mark.slow) for one in ("t0 text", "min_d6 date"))],
)
def test_top_groups(column: str, tmp_path: Path) -> None:
    made = make(tmp_path, random.Random(4), 300)
    flags = ("--by", "t0 text,b5 boolean", "--mean", "d4 double", "--min", "d6 date", "--distinct", "i1 int")
    every, schema = read_rows("groupcount", "--nulls", "NA", *flags, made.path)
    place = schema.names.index(column)

    def order(row: list[Any]) -> Any:
        group = [b"" if one is None else one for one in (row[0], types.write(row[1]))]
        if (value := row[place]) is None:
            return 2, 0, group
        if isinstance(value, float) and math.isnan(value):
            return 0, 0, group  # above all numbers
        return 1, (value if schema.columns[place].type not in NUMBERS else -value), group

    wanted = sorted(every, key=order)
    for top in ([], ["--top", "5"]):
        found, _ = read_rows("groupcount", "--nulls", "NA", *flags, "--sort", column, *top, made.path)
        assert list(map(str, found)) == list(map(str, wanted[: 5 if top else None]))
    if column == "count":
        assert str(read_rows("groupcount", "--nulls", "NA", *flags, "--top", "5", made.path)[0]) == str(found)


def test_every_format_gives_the_same_groups(tmp_path: Path, run_job: Run) -> None:
    """CSV and its dialects, TSV, JSON lines, Parquet, Arrow, and the rows that this job has written itself."""
    kinds = ("text", "int", "long", "double", "boolean", "date", "timestamp")
    made = make(tmp_path, random.Random(5), 100, kinds)
    rows_of = [[None if one is None or one != one or one == math.inf else one for one in row] for row in made.values]
    frame = made.database.sql("SELECT * FROM t").to_arrow_table()
    frame = pyarrow.table([pyarrow.array(column) for column in zip(*rows_of)], schema=frame.schema)
    table = pandas.DataFrame(
        [["" if one is None else written(one) for one in row] for row in rows_of], columns=list(made.kinds)
    )
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "semicolons.csv", index=False, sep=";", encoding="utf-16")
    table.to_csv(tmp_path / "all-quoted.csv", index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    pyarrow.parquet.write_table(frame, tmp_path / "a.parquet", row_group_size=30)
    pyarrow.feather.write_feather(frame, str(tmp_path / "a.arrow"))
    with open(tmp_path / "a.jsonl", "w", encoding="utf-8") as file:
        for row in rows_of:
            values = (str(one) if isinstance(one, date) else one for one in row)
            file.write(json.dumps(dict(zip(made.kinds, values))) + "\n")
    run_job("groupcount", "--by", ",".join(made.kinds), "--output-dir", tmp_path / "rows", tmp_path / "a.csv")
    numbers = ",".join(made.of(*NUMBERS))
    flags = (
        "--by",
        "t0 text,b4 boolean",
        "--sum",
        numbers,
        "--min",
        ",".join(made.kinds),
        "--distinct",
        "t6 timestamp",
    )
    wanted = read_rows("groupcount", *flags, tmp_path / "a.csv")
    for name in ("semicolons.csv", "all-quoted.csv", "a.tsv", "a.parquet", "a.arrow", "a.jsonl", "rows"):
        assert read_rows("groupcount", *flags, tmp_path / name) == wanted, name
    assert len(wanted[0]) > 20


def test_values_of_any_bytes_come_out_as_they_were(tmp_path: Path, run_job: Run) -> None:
    odd = [
        b"a\tb",
        b'q"q',
        b"two\nlines",
        b"\x01",
        b"\x02",
        b"a\x01\x02",
        b"\xff\xfe",
        b"\\",
        b"\\1",
        b"\\t",
        b"a\rb",
        b" ",
        b"\0",
    ]
    draw = random.Random(6)
    table = [(draw.choice(odd), draw.choice(odd)) for _ in range(600)]
    quote = b'"%s"'
    lines = [b",".join(quote % one.replace(b'"', b'""') for one in row) for row in [(b"k", b"v"), *table]]
    (tmp_path / "odd.csv").write_bytes(b"\n".join(lines) + b"\n")
    wanted: dict[bytes, list[bytes]] = {}
    for key, value in table:
        wanted.setdefault(key, []).append(value)
    for runner in ("inline", "local"):
        flags = ("-r", runner, "-q", "--by", "k", "--min", "v", "--distinct", "v")
        out = run_job("groupcount", *flags, tmp_path / "odd.csv").stdout
        found = {key: (int(count), least, int(n)) for key, count, least, n in map(rows.split, out.split(b"\n")[:-1])}
        assert found == {key: (len(values), min(values), len(set(values))) for key, values in wanted.items()}
    both = run_job("groupcount", "-q", "--by", "k,v", tmp_path / "odd.csv").stdout.split(b"\n")[:-1]
    assert {(k, v): int(n) for k, v, n in map(rows.split, both)} == Counter(table)


def test_what_people_are_shown(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text('city,price\nOslo,1\nOslo,2\nOslo,2\n"two\nlines",\n\u732b,NaN\n')
    done = run_job("groupcount", "-q", "--by", "city", "--mean", "price", "--top", "9", "--show", tmp_path / "t.csv")
    assert done.stdout.decode().splitlines() == [
        "city       count  mean_price",
        "---------  -----  ----------",
        "Oslo           3     1.66667",
        "two?lines      1",
        "\u732b             1         NaN",
    ]


def test_a_misfit_is_counted_with_its_file_and_line(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "a.csv").write_text("k,n\na,1\nb,x\nc,3\n")
    (tmp_path / "b.csv").write_text('k,n\n"d\nd",4\na,2147483648\n,\n')
    flags = ("--by", "k", "--sum", "n", "--types", "n:int")
    done = run_job("groupcount", *flags, tmp_path / "a.csv", tmp_path / "b.csv", code=3)
    assert b"2 of 6 lines are no csv records: no int in column 2 (2)" in done.stderr and done.stdout == b""
    assert f"{tmp_path}/a.csv, line 3".encode() in done.stderr and done.stderr.count(b"\n") == 1
    out = tmp_path / "out"
    run_job("groupcount", *flags, "--max-rejected", "2", "--output-dir", out, tmp_path / "a.csv", tmp_path / "b.csv")
    lines = sorted(line for part in out.glob("part-*") for line in part.read_bytes().splitlines())
    assert lines == [b"\t1\t", b"a\t1\t1", b"c\t1\t3", b"d\\nd\t1\t4"]
    samples = [json.loads(line) for line in (out / "_rejected").read_bytes().splitlines()]
    assert [(Path(s["file"]).name, s["line"], s["cause"]) for s in samples] == [
        ("a.csv", 3, "no int in column 2"),
        ("b.csv", 4, "no int in column 2"),
    ]
    assert manifest.read(out)["records"] == {
        **{"in": 6, "used": 4, "other split": 0, "out": 4},
        "rejected": {"no int in column 2": 2},
    }


@pytest.mark.parametrize(
    ("table", "flags", "said"),
    [
        ("city,price\nOslo,1\n", ("--by", "town"), "--by: no column 'town'; there are city, price"),
        ("city,price\nOslo,1\n", ("--by", "ciyt"), "no column 'ciyt'; perhaps city; there are city, price"),
        ("city,price\nOslo,1\n", ("--sum", "city"), "--sum city: it is a text, and numbers have a sum"),
        ("city,price\nOslo,1\n", ("--by", "city", "--sort", "max_price"), "--sort: no column 'max_price'"),
        ("city,price\nOslo,1\n", ("--by", "city,city"), "two columns of the output are called 'city'"),
        ("city,price\nOslo,1\n", ("--where", "price >"), "it ends, and a value is expected"),
        ("city,price\nOslo,1\n", ("--types", "price:number"), "--types is name:type"),
        (
            "city,city\nOslo,Rome\n",
            ("--by", "city"),
            "columns 1 and 2 are both called 'city'; name them all with --names a,b,c",
        ),
        ("city,price\n", ("--by", "city"), "no row in the input (0 read)"),
        ("", ("--by", "city"), "no CSV header: the input is empty"),
    ],
)
def test_what_cannot_be_is_said(table: str, flags: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises((UserError, RecordError)) as caught:
        read_rows("groupcount", *flags, tmp_path / "t.csv")
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
def test_many_more(tmp_path: Path) -> None:
    for seed in range(100, 250):
        (tmp_path / str(seed)).mkdir()
        check(random.Random(seed), tmp_path / str(seed))
