"""Joins are duckdb's, row for row, whichever strategy, runner and splits; what would explode or cannot be is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from jobs.join import Join
from mapreduce.errors import UserError
from mapreduce.input import rows
from mapreduce.output import manifest
from mapreduce.tables import joining, types
from mapreduce.tables.joining import HOW, Arranged, Joining, Kept
from mapreduce.tables.schema import Column, Schema
from tests.conftest import ROOT, Run

STRATEGIES = ("memory", "shuffle")
SQL = {"text": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "double": "DOUBLE", "date": "DATE"}
TEXTS = ["", "a", "A", "a\tb", "a\nb", 'say "a"', "\\", "\\t", "é", " a", "a,b;c", "\x01", "a\x01", "NULL", "0", "00"]
Table = list[list[Any]]


def written(table: Table, names: list[str], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """A table as CSV; None is an empty field."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows([names, *table])  # type: ignore[call-overload]
    return file.getvalue()


def expected(
    left: Table, right: Table, kinds: list[list[str]], on: tuple[list[int], list[int]], how: str, wanted: list[str]
) -> bytes:
    """What duckdb makes of it, as our lines in our order; `wanted` are the types of the key's columns."""
    with duckdb.connect() as database:
        for name, table, types_of in (("l", left, kinds[0]), ("r", right, kinds[1])):
            columns = ", ".join(f"c{i} {SQL[kind]}" for i, kind in enumerate(types_of))
            database.execute(f"create table {name} ({columns})")
            for row in table:
                values = [None if value == "" else value for value in row]
                database.execute(f"insert into {name} values ({', '.join('?' * len(row))})", values)
        same = " and ".join(f"l.c{a} = r.c{b}" for a, b in zip(*on))
        pairs = zip(*on, wanted)
        keys = [f"cast({'l' if how == 'anti' else 'coalesce(l'}.c{a}{'' if how == 'anti' else f', r.c{b})'} as {SQL[k]})"
                for a, b, k in pairs]  # fmt: skip
        lefts = [f"l.c{i}" for i in range(len(kinds[0])) if i not in on[0]]
        rights = [f"r.c{i}" for i in range(len(kinds[1])) if i not in on[1]] if how != "anti" else []
        join = {"inner": "join", "left": "left join", "outer": "full join", "anti": "anti join"}[how]
        found = database.execute(f"select {', '.join([*keys, *lefts, *rights])} from l {join} r on {same}").fetchall()
    return lines([types.write(v.encode() if isinstance(v, str) else v) for v in row] for row in found)


def lines(table: Iterable[list[bytes]]) -> bytes:
    """Rows as lines in order: of the first field, then of the others."""
    parts = sorted(rows.join(row).partition(b"\t") for row in table)
    return b"".join([key + tab + rest + b"\n" for key, tab, rest in parts])


def joined(*arguments: object) -> bytes:
    """What the job prints, inline and in this process."""
    job = Join(args=["-r", "inline", "-q", *map(str, arguments)])
    with job.make_runner() as runner:
        runner.run()
        return b"".join(runner.cat_output())


def text_forms(draw: random.Random, value: Any, kind: str) -> str:
    """A value in one of the forms that its type has."""
    if value == "":
        return ""
    if kind in ("int", "long"):
        return draw.choice([f"{value}", f"{value:+d}", f"0{value}" if value >= 0 else f"{value}"])
    if kind == "double":
        return draw.choice([repr(value), f"{value:.3f}", f"{value:e}", f" {value}"])
    return str(value)


def drawn(draw: random.Random, kind: str) -> Any:
    if draw.random() < 0.15:
        return ""
    if kind in ("int", "long"):
        return draw.randrange(-2, 5)
    if kind == "double":
        return draw.choice([-0.5, 0.0, 1.0, 2.0, 2.5])
    if kind == "date":
        return f"2020-02-0{draw.randrange(1, 5)}"
    return draw.choice(TEXTS)


KEYS = [("text", "text"), ("int", "int"), ("int", "long"), ("int", "double"), ("double", "double"), ("date", "date")]


@pytest.mark.parametrize("seed", [*range(40), *(pytest.param(n, marks=pytest.mark.slow) for n in range(40, 600))])
def test_random_tables_are_joined_as_duckdb_joins_them(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    pairs = draw.choices(KEYS, k=draw.choice([1, 1, 2, 3]))
    tables, kinds, on, names = [], [], [], []
    for side in (0, 1):
        others = draw.randrange(0 if seed % 4 == 0 else 1, 3)
        of_columns = [pair[side] for pair in pairs] + ["text"] * others
        order = draw.sample(range(len(of_columns)), len(of_columns))
        kinds.append([of_columns[i] for i in order])
        on.append([order.index(i) for i in range(len(pairs))])
        names.append([f"{'lr'[side]}{i}" for i in range(len(of_columns))])
        tables.append([[drawn(draw, kind) for kind in kinds[-1]] for _ in range(draw.choice([0, 1, 8, 40]))])
    if not tables[0] and not tables[1]:
        tables[0].append(["" for _ in kinds[0]])
    flags: list[str] = []
    for side, delimiter in ((0, draw.choice(",;|")), (1, draw.choice(",;|\t"))):
        forms = [[text_forms(draw, value, kind) for value, kind in zip(row, kinds[side])] for row in tables[side]]
        quoting = csv.QUOTE_ALL if len(kinds[side]) == 1 else draw.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
        (tmp_path / f"{side}.csv").write_text(written(forms, names[side], delimiter, quoting), newline="")
        flag = "--right-" if side else "--"
        flags += [f"{flag}delimiter={ {',': 'comma', ';': 'semicolon', '|': 'bar'}.get(delimiter, 'tab')}"]
        flags += [f"{flag}types", ",".join(f"{name}:{kind}" for name, kind in zip(names[side], kinds[side]))]
    for side, flag in enumerate(("--left-on", "--right-on")):
        flags += [flag, ",".join(names[side][place] for place in on[side])]
    wanted = [types.join(*pair) for pair in pairs]
    for how in HOW:
        found = [
            joined(*flags, "--how", how, *strategy, tmp_path / "0.csv", tmp_path / "1.csv")
            for strategy in ([], ["--strategy", "shuffle"])
        ]
        assert found[0] == found[1]
        outcome = expected(tables[0], tables[1], kinds, (on[0], on[1]), how, wanted)
        if len(kinds[0]) + len(kinds[1]) - len(pairs) == 1 or (how == "anti" and len(kinds[0]) == 1):
            outcome = outcome.replace(b"\n", b"\t\n")  # Hadoop's way with a line of one field
        assert found[0] == outcome, (how, flags)


def large(folder: Path) -> tuple[Path, Path]:
    """A left table of 8 MB, whose first column is the key, in hostile form, and a small right one; both have a key of
    a third of all rows."""
    draw = random.Random(5)
    keys = [f"k{i}" for i in range(300)] + ["", "most"]
    weights = [1] * 301 + [150]
    left = [
        [n, key, draw.choice(TEXTS) + "x" * draw.randrange(2000)]
        for n, key in enumerate(draw.choices(keys, weights, k=8000))
    ]
    right = [[n, key] for n, key in enumerate([*draw.choices(keys, k=250), "most", "most", "nobody"])]
    (folder / "left.csv").write_text(written(left, ["n", "key", "text"]), newline="")
    (folder / "right.csv").write_text(written(right, ["m", "key"], ";"), newline="")
    return folder / "left.csv", folder / "right.csv"


@pytest.mark.parametrize("how", ["inner", "outer"])
def test_any_splits_runner_and_strategy_give_the_same_parts(how: str, tmp_path: Path, run_job: Run) -> None:
    tables = large(tmp_path)
    ways = [("local", maps, "shuffle") for maps in (1, 2, 7)] + [("inline", 7, "shuffle")]
    ways += [("local", maps, "memory") for maps in (1, 2, 7)] * (how == "inner")
    found = []
    for runner, maps, strategy in ways:
        out = tmp_path / f"{runner}-{maps}-{strategy}"
        flags = ["--jobconf", f"mapreduce.job.maps={maps}", "--jobconf", "mapreduce.job.reduces=3", "--how", how]
        flags += ["--on", "key", "--types", "n:int,key:text,text:text", "--right-types", "m:int,key:text"]
        run_job("join", "-r", runner, *flags, "--strategy", strategy, "--output-dir", out, *tables)
        described = manifest.read(out)
        same = {name: described[name] for name in ("schema", "inputs", "records", "counters")}
        found.append(({part.name: part.read_bytes() for part in out.glob("part-*")}, same))
    assert all(one == found[0] for one in found)
    frames = [pandas.read_csv(path, sep=sep, dtype=str, keep_default_na=False) for path, sep in zip(tables, ",;")]
    kinds = [["int", "text", "text"], ["int", "text"]]
    left, right = (frame.values.tolist() for frame in frames)
    everything = lines(line.split(b"\t") for part in found[0][0].values() for line in part.splitlines())
    everything = lines(rows.split(line) for part in found[0][0].values() for line in part.split(b"\n")[:-1])
    assert everything == fast_expected(left, right, how) and len(found[0][0]) == 3
    assert found[0][1]["records"]["used"] == len(left) + len(right) and kinds


def fast_expected(left: Table, right: Table, how: str) -> bytes:
    """The join on `key` of the tables of `large`, by duckdb over pandas."""
    l = pandas.DataFrame(left, columns=["n", "key", "text"]).replace("", None)  # noqa: E741, F841
    r = pandas.DataFrame(right, columns=["m", "key"]).replace("", None)  # noqa: F841
    join = {"inner": "join", "outer": "full join"}[how]
    query = f"select coalesce(l.key, r.key), l.n, l.text, r.m from l {join} r on l.key = r.key"
    found = duckdb.sql(query).fetchall()
    return lines([b"" if value is None else str(value).encode() for value in row] for row in found)
