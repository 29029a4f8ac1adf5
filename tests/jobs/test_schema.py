"""jobs/schema.py: figures of columns as duckdb has them, exact or within the error that they name."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from jobs.schema import DescribeTable
from mapreduce.errors import RecordError, UserError
from mapreduce.output import manifest
from mapreduce.tables import plots, types
from mapreduce.tables.columns import BINS, DISTINCT_ERROR, MOST, QUANTILE_ERROR, QUANTILES
from mapreduce.tables.types import DATE, DOUBLE, NUMBERS, TEXT, TIMESTAMP
from tests.conftest import Run
from tests.jobs.made_tables import MAKERS, Made, make, plain, run, store, written

Figures = dict[str, dict[str, Any]]


def read(lines: list[bytes]) -> Figures:
    return {name.decode(): json.loads(figures) for name, _, figures in (line.partition(b"\t") for line in lines)}


def described(*arguments: object) -> Figures:
    return read(run("schema", *arguments)[0])


def shown(value: Any) -> Any:
    """A value of duckdb as JSON has it here."""
    value = plain(value)
    if isinstance(value, (bool, date)) or value in ("NaN", math.inf):
        return types.write(value if not isinstance(value, str) else math.nan).decode()
    return value


def by_duckdb(made: Made, name: str) -> dict[str, Any]:
    """Figures that duckdb finds, or Python in what duckdb gives it where duckdb rounds more than once."""
    kind, column = made.kinds[name], f'"{name}"'
    ask = made.database.execute
    asked = [call.format(column) for call in ("count({})", "count(DISTINCT {})", "min({})", "max({})", "count(*)")]
    ((count, distinct, least, largest, every),) = ask(f"SELECT {', '.join(asked)} FROM t").fetchall()
    found = {"type": kind, "count": count, "missing": every - count, "misfits": 0, "distinct": distinct}
    found |= {"min": shown(least), "max": shown(largest)}
    groups = ask(f"SELECT {column}, count(*) FROM t WHERE {column} IS NOT NULL GROUP BY 1").fetchall()
    counts = Counter({written(plain(value) if value == value else value): n for value, n in groups})
    found["top"] = [[one, n] for one, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].encode()))[:10]]
    finite = f"{column} IS NOT NULL" + f" AND isfinite({column})" * (kind == DOUBLE)
    if kind in (*NUMBERS, DATE, TIMESTAMP):
        shares = ", ".join(f"quantile_disc({column}, {share})" for share in QUANTILES)
        ((found["in bins"], *quantiles),) = ask(f"SELECT count(*), {shares} FROM t WHERE {finite}").fetchall()
        found["quantiles"] = {f"{share:g}": shown(value) for share, value in zip(QUANTILES, quantiles)}
    if kind in NUMBERS:
        values = [plain(value) for (value,) in ask(f"SELECT {column} FROM t WHERE {column} IS NOT NULL").fetchall()]
        values = [math.nan if value == "NaN" else value for value in values]
        if all(map(math.isfinite, values)):
            total = sum(map(Fraction, values))
            found["sum"], found["mean"] = float(total) if kind == DOUBLE else int(total), float(total / count)
            spread = sum((Fraction(value) - total / count) ** 2 for value in values)
            variance = Decimal(spread.numerator) / spread.denominator / max(1, count - 1)  # of 1e600 no double is
            found["deviation"] = float(variance.sqrt()) if count > 1 else None
        else:
            found["sum"] = found["mean"] = shown(math.fsum(values))
            found["deviation"] = None
    if kind == TEXT:
        lengths = f"min(length({column})), round(avg(length({column})), 3), max(length({column}))"
        (found["min_length"], found["mean_length"], found["max_length"]) = ask(f"SELECT {lengths} FROM t").fetchall()[0]
    return found


def check(made: Made, figures: Figures) -> None:
    assert list(figures) == list(made.kinds)
    for name, found in figures.items():
        wanted = by_duckdb(made, name)
        deviation, in_bins = wanted.pop("deviation", None), wanted.pop("in bins", None)
        assert found.get("deviation") == (deviation and pytest.approx(deviation, rel=1e-12)), name
        assert in_bins is None or sum(found["histogram"]["counts"]) == in_bins
        assert {what: found.get(what) for what in wanted} == wanted, name
        assert found["distinct_error"] == 0 and found.get("quantile_error", 0) == 0


@pytest.mark.parametrize("seed", range(6))
def test_random_tables_are_what_duckdb_says(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    made = make(tmp_path, draw, draw.choice([2, 30, 150]), draw.sample(list(MAKERS), 8))
    check(made, described("--nulls", "NA", made.path))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """20,000 rows, most of their values distinct."""
    draw = random.Random(9)
    texts = [f"{draw.choice(['', 'é', 'x'])}{draw.randint(0, 10**6)}" for _ in range(20_000)]
    kinds: dict[str, tuple[str, list[Any]]] = {
        "texts": ("text", texts),
        "longs": ("long", [draw.randint(-(10**6), 10**12) for _ in texts]),
        "doubles": ("double", [draw.gauss(0, 1) * 10.0 ** draw.randint(-3, 3) for _ in texts]),
        "times": ("timestamp", [datetime(2000, 1, 1) + timedelta(seconds=draw.randint(0, 10**8)) for _ in texts]),
        "repeated": ("int", [draw.randint(0, 150_000) for _ in texts]),
    }
    return store(
        tmp_path_factory.mktemp("large"),
        {name: kind for name, (kind, _) in kinds.items()},
        list(zip(*(values for _, values in kinds.values()))),
    )


def test_beyond_many_distinct_values_figures_are_within_the_error_that_they_name(large: Made) -> None:
    figures = described(large.path)
    for name, found in figures.items():
        wanted = by_duckdb(large, name)
        exact = {"type", "count", "missing", "min", "max", "sum", "mean", "mean_length", "max_length"} & wanted.keys()
        assert {what: found[what] for what in exact} == {what: wanted[what] for what in exact}, name
        distinct = wanted["distinct"]
        assert found["distinct_error"] == round(DISTINCT_ERROR, 4) and found["top"] is None and distinct > MOST
        assert abs(found["distinct"] - distinct) < 3 * DISTINCT_ERROR * distinct, name
        if name in ("longs", "doubles", "repeated"):
            assert found["quantile_error"] == QUANTILE_ERROR
            assert found["deviation"] == pytest.approx(wanted["deviation"], rel=1e-12)
            for share, value in wanted["quantiles"].items():
                assert abs(found["quantiles"][share] - value) <= QUANTILE_ERROR * abs(value) + (name != "doubles"), name
        elif name == "times":
            assert found["quantile_error"] == "a day"
            for share, value in wanted["quantiles"].items():
                one, other = map(datetime.fromisoformat, (found["quantiles"][share], value))
                assert abs(one - other) <= timedelta(days=1)


def test_a_histogram_is_that_of_numpy(tmp_path: Path, large: Made) -> None:
    with open(large.path, newline="", encoding="utf-8") as file:
        values = np.array([float(row["doubles"]) for row in csv.DictReader(file)][:2000])
    (tmp_path / "t.csv").write_text("x\n" + "\n".join(map(repr, values.tolist())) + "\n")
    found = described(tmp_path / "t.csv")["x"]["histogram"]
    counts, edges = np.histogram(values, BINS)
    assert found == {"from": edges[0], "to": edges[-1], "counts": counts.tolist()}
    (tmp_path / "t.csv").write_text("x\n-1.7e308\n0.0\n1.7e308\n")  # further apart than any double
    assert described(tmp_path / "t.csv")["x"]["histogram"]["counts"] == [1] + [0] * 9 + [1] + [0] * 8 + [1]


def test_runners_and_splits_give_the_same_bytes(large: Made, tmp_path: Path, run_job: Run) -> None:
    found = []
    for seed, runner, maps in ((0, "inline", 1), (1, "local", 5)):
        out = tmp_path / f"{runner}-{maps}"
        tasks = ("-r", runner, "--jobconf", f"mapreduce.job.maps={maps}", "--output-dir", out)
        run_job("schema", *tasks, large.path, env={"PYTHONHASHSEED": str(seed)})
        described = manifest.read(out)
        found.append(((out / "part-00000").read_bytes(), described["schema"], described["records"], described["parts"]))
    assert found[1] == found[0]
    assert described["schema"] == {
        "columns": [{"name": name, "type": kind} for name, kind in large.kinds.items()],
        "nulls": [""],
    }


def test_its_output_gives_other_jobs_their_types(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "t.csv").write_text("k,n\na,1\nNA,2\na,NA\n")
    flags = ("--nulls", "NA", "--types", "n:double", "--output-dir", tmp_path / "schema")
    run_job("schema", *flags, tmp_path / "t.csv")
    given = ("-r", "inline", "--schema", tmp_path / "schema", "--by", "k", "--sum", "n")
    assert run_job("groupcount", *given, tmp_path / "t.csv").stdout == b"\t1\t2.0\na\t2\t1.0\n"
    done = run_job("schema", "--show", tmp_path / "t.csv").stdout.decode().splitlines()
    assert done[0].split()[:4] == ["column", "type", "count", "missing"] and done[2].split()[:4] == [
        "k",
        "text",
        "3",
        "0",
    ]
    assert done[3].split()[:4] == ["n", "text", "3", "0"] and done[3].endswith("1 (1), 2 (1), NA (1)")


def test_values_that_are_none_of_the_type_that_is_said_are_counted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n,d\n1,2020-01-31\nx,soon\n2147483648,\n2,2020-02-01\n")
    found = described("--types", "n:int,d:date", tmp_path / "t.csv")
    what = ("type", "count", "missing", "misfits", "distinct", "min", "max")
    assert [found["n"][one] for one in what] == ["int", 2, 0, 2, 2, 1, 2]
    assert [found["d"][one] for one in what] == ["date", 2, 1, 1, 2, "2020-01-31", "2020-02-01"]


def test_names_and_values_of_any_bytes(tmp_path: Path) -> None:
    values = [b"a\tb", b'q"q', b"two\nlines", b"\x01", b"\xff", b"\\n", b"\xff", b"\0", b"\xe7\x8c\xab"]
    lines = [
        b'"tab\there","two\nlines, ""quoted""",\xc3\xbc',
        *(b'"%s",1,' % one.replace(b'"', b'""') for one in values),
    ]
    (tmp_path / "t.csv").write_bytes(b"\n".join(lines) + b"\n")
    found = described(tmp_path / "t.csv")
    assert list(found) == ["tab\\there", 'two lines, "quoted"', "ü"]
    texts = found["tab\\there"]
    assert dict(map(tuple, texts["top"])) == Counter(one.decode("utf-8", "replace") for one in values)
    assert (texts["distinct"], texts["min"], texts["max"], texts["min_length"]) == (8, "\0", "\ufffd", 1)
    assert found["ü"] == {
        **{"type": "text", "count": 0, "missing": 9, "misfits": 0, "distinct": 0, "distinct_error": 0.0},
        **{"min": None, "max": None, "top": []},
    }


def test_every_format_gives_the_same_figures(tmp_path: Path, run_job: Run) -> None:
    made = make(tmp_path, random.Random(5), 60, ("text", "int", "boolean", "date"))
    with open(tmp_path / "t.jsonl", "w", encoding="utf-8") as file:
        for row in made.values:
            values = (str(one) if isinstance(one, date) else one for one in row)
            file.write(json.dumps(dict(zip(made.kinds, values))) + "\n")
    with open(made.path, newline="", encoding="utf-8") as file, open(tmp_path / "t.tsv", "w", encoding="utf-8") as tsv:
        csv.writer(tsv, delimiter="\t", lineterminator="\n").writerows(csv.reader(file))
    made.database.sql("SELECT * FROM t").write_parquet(str(tmp_path / "t.parquet"))
    by = ("groupcount", "--by", ",".join(made.kinds), "--nulls", "NA", "--output-dir", tmp_path / "rows")
    run_job(*by, made.path)
    wanted = run("schema", "--nulls", "NA", made.path)[0]
    for name in ("t.jsonl", "t.tsv", "t.parquet"):
        assert run("schema", "--nulls", "NA", tmp_path / name)[0] == wanted, name
    rows = described(tmp_path / "rows")
    assert rows.pop("count")["sum"] == 60
    assert [one["distinct"] for one in rows.values()] == [one["distinct"] for one in read(wanted).values()]


def test_a_page_is_drawn_of_the_columns(tmp_path: Path, run_job: Run) -> None:
    lines = [
        "$price$ & <b>,\u732b,when,flag,one,none",
        "1.5,<i>&,2020-01-01,true,5,",
        "2.5,$x$,2020-02-01,false,5,",
        "3,\0,,,5,",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run_job("schema", "-q", "--plot", tmp_path / "one.svg", tmp_path / "t.csv", env={"PYTHONHASHSEED": "7"})
    flags = ("--plot", tmp_path / "two.svg", "--output-dir", tmp_path / "out", tmp_path / "t.csv")
    job = DescribeTable(["-q", *map(str, flags)])
    job.sandbox(stdin=io.BytesIO(), stdout=io.BytesIO())
    job.run_job()
    assert job.stdout.getvalue() == b"" and (tmp_path / "out" / "part-00000").read_bytes() == done.stdout
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    texts = [one.text for one in ElementTree.parse(tmp_path / "one.svg").iter("{http://www.w3.org/2000/svg}text")]
    for wanted in ("$price$ & <b>", "\u732b", "<i>&", "$x$", "?", "true", "no value", "date, 2 values, 1 missing"):
        assert wanted in texts
    assert str(date.today().year) not in (tmp_path / "one.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.svg", "out", "t.csv", "two.svg"]


@pytest.mark.slow
def test_a_page_of_large_columns_is_a_png(tmp_path: Path, large: Made) -> None:
    plots.draw(str(tmp_path / "new" / "t.png"), list(described(large.path).items()))
    with Image.open(tmp_path / "new" / "t.png") as image:
        assert image.size[0] > 4 * 300 and image.info.keys() <= {"dpi"}
        assert len(image.convert("L").getcolors() or []) > 10


def test_no_page_is_begun_that_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(UserError, match="a page is SVG or PNG, by its name"):
        run("schema", "--plot", tmp_path / "t.pdf", tmp_path / "t.csv")
    monkeypatch.setattr("mapreduce.command.installed", lambda _: False)
    with pytest.raises(UserError, match="matplotlib is not installed; run: pip install 'featuremill\\[plots\\]'"):
        run("schema", "--plot", tmp_path / "t.svg", tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("table", "flags", "said"),
    [
        ("a,b\n", (), "no row in the input (0 read)"),
        ("a,a\n1,2\n", (), "columns 1 and 2 are both called 'a'"),
        ("a,b\n1,2\n", ("--types", "c:int"), "--types: no column 'c'; there are a, b"),
        ("a,b\n1,2\n", ("--names", "x"), "1"),
    ],
)
def test_what_cannot_be_is_said(table: str, flags: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises((UserError, RecordError)) as caught:
        run("schema", *flags, tmp_path / "t.csv")
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
def test_many_more(tmp_path: Path) -> None:
    for seed in range(100, 200):
        (tmp_path / str(seed)).mkdir()
        draw = random.Random(seed)
        made = make(tmp_path / str(seed), draw, draw.choice([2, 30, 150]), draw.sample(list(MAKERS), 8))
        check(made, described("--nulls", "NA", made.path))
