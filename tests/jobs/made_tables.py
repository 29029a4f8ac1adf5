"""Random tables of typed columns, as CSV files and in duckdb, and jobs over tables in this process."""

from __future__ import annotations

import csv
import importlib
import io
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from mapreduce.input import rows
from mapreduce.tables import types
from mapreduce.tables.schema import Schema

TEXTS = (
    "Oslo",
    "Rome",
    "a,b",
    'q"q',
    "two\nlines",
    "tab\there",
    "ü猫",
    "back\\slash",
    " sp ",
    "longer than sixteen bytes",
)
ODD = (1e300, 1e-300, -0.0, math.nan, math.inf, 0.30000000000000004)
Draw = Callable[[random.Random], Any]
MAKERS: dict[str, tuple[str, Any, Draw]] = {
    "text": ("VARCHAR", "x", lambda draw: draw.choice(TEXTS)),
    "int": ("INTEGER", 7, lambda draw: draw.randint(-4, 4) * 10 ** draw.choice((0, 0, 6))),
    "long": (
        "BIGINT",
        2**40,
        lambda draw: draw.randint(-(2**62), 2**62) if draw.random() < 0.3 else draw.randint(0, 3),
    ),
    "decimal": ("DECIMAL(38,0)", 10**25, lambda draw: draw.randint(-3, 3) * 10 ** draw.choice((0, 25))),
    "double": (
        "DOUBLE",
        0.5,
        lambda draw: draw.choice(
            (0.1, -2.0, 3.0, draw.choice(ODD), *(draw.gauss(0, 1) * 10.0 ** draw.randint(-9, 9),) * 4)
        ),
    ),
    "boolean": ("BOOLEAN", True, lambda draw: draw.random() < 0.4),
    "date": ("DATE", date(2020, 1, 31), lambda draw: date(2020, 1, 1) + timedelta(days=draw.randint(-40, 40))),
    "timestamp": (
        "TIMESTAMP",
        datetime(2020, 1, 31, 10),
        lambda draw: datetime(2020, 1, 1) + timedelta(seconds=draw.choice((1, 3600, 86400)) * draw.randint(-9, 9)),
    ),
}
"""Of each type its name in duckdb, a value that no narrower type has, and what draws others."""


@dataclass(frozen=True)
class Made:
    """A table: its file, the types of its columns by name, and the same rows in duckdb, as the table t."""

    path: Path
    kinds: dict[str, str]
    values: Sequence[Sequence[Any]]
    database: duckdb.DuckDBPyConnection

    def of(self, *kinds: str) -> list[str]:
        """The names of the columns of some types."""
        return [name for name, kind in self.kinds.items() if kind in kinds]


def make(folder: Path, draw: random.Random, number: int, kinds: Sequence[str] = tuple(MAKERS)) -> Made:
    """A table of some rows; a tenth of the fields are missing, written as nothing or as NA."""
    named = {f"{kind[0]}{i} {kind}": kind for i, kind in enumerate(kinds)}
    values = [[MAKERS[kind][1] for kind in kinds]]
    for _ in range(number - 1):
        values.append([None if draw.random() < 0.1 else MAKERS[kind][2](draw) for kind in kinds])
    draw.shuffle(values)
    return store(folder, named, values, draw)


def store(
    folder: Path, kinds: dict[str, str], values: Sequence[Sequence[Any]], draw: random.Random | None = None
) -> Made:
    """A table of rows; `draw` draws how its file is written."""
    draw = draw or random.Random(0)
    path = folder / "table.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=draw.choice(["\n", "\r\n"]))
        writer.writerow(kinds)
        writer.writerows([draw.choice(["", "NA"]) if one is None else written(one) for one in row] for row in values)
    database = duckdb.connect()
    columns = ", ".join(f'"{name}" {MAKERS[kind][0]}' for name, kind in kinds.items())
    database.execute(f"CREATE TABLE t ({columns})")
    if len(values) < 1000:
        database.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(kinds))})", values)
    else:  # which is faster
        database.execute(
            "INSERT INTO t SELECT * FROM read_csv(?, header=true, nullstr=['', 'NA'], parallel=false)", [str(path)]
        )
    return Made(path, kinds, values, database)


def written(value: Any) -> str:
    return types.write(value.encode() if isinstance(value, str) else value).decode()


def run(name: str, *arguments: object) -> tuple[list[bytes], Schema | None]:
    """The lines that a job prints, and the schema of its rows."""
    module = importlib.import_module(f"jobs.{name}")
    job = getattr(module, {"groupcount": "GroupCount", "schema": "DescribeTable"}[name])(
        ["-r", "inline", "-q", *map(str, arguments)]
    )
    job.sandbox(stdin=io.BytesIO(b""))
    with job.make_runner() as runner:
        runner.run()
        return b"".join(runner.cat_output()).split(b"\n")[:-1], job.output_schema


def read_rows(name: str, *arguments: object) -> tuple[list[list[Any]], Schema]:
    """The rows that a job prints, read by the types of its output, and its schema."""
    lines, schema = run(name, *arguments)
    assert schema is not None
    readers = [types.reader(column.type) for column in schema.columns]
    return [
        [read(field) if field else None for read, field in zip(readers, rows.split(line))] for line in lines
    ], schema


def plain(value: Any) -> Any:
    """A value of duckdb or of a job, so that those that are equal are."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return int(value) if isinstance(value, Decimal) else value
