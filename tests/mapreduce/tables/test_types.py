"""Types: the tables of docs/tables.md hold, here for our column of them, and in tests/spark for Spark's."""

from __future__ import annotations

import csv
import random
import re
from dataclasses import dataclass
from datetime import date, datetime
from itertools import permutations

import pytest

from mapreduce.tables import types
from tests.conftest import ROOT

ALIKE = {"bigint": "long", "string": "text", "null": "missing"}
"""What Spark calls our types, where its name is another."""


@dataclass(frozen=True)
class Row:
    """A row of a table: values, what Spark makes of them, what we do, and why that is something else."""

    values: tuple[str, ...]
    spark: str
    here: str
    why: str

    @property
    def alike(self) -> bool:
        return ALIKE.get(self.spark, self.spark) == self.here


def tables() -> list[list[Row]]:
    """The tables of the section on types: of one field, and of the values of a column."""
    section = (ROOT / "docs" / "tables.md").read_text().split("\n## Types\n")[1].split("\n## ")[0]
    found: list[list[Row]] = []
    for line in section.splitlines():
        if line.startswith("|---"):
            found.append([])
        elif line.startswith("|") and "| Spark |" not in line:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            fields = [next(csv.reader([field]))[0] for field in re.findall("`([^`]*)`", cells[0])]
            found[-1].append(Row(tuple([""] * cells[0].startswith("nothing") + fields), *cells[1:]))
    return found


ONE, SEVERAL = tables()


def test_the_tables_are_read() -> None:
    assert len(ONE) >= 30 and len(SEVERAL) >= 11 and len({value for row in ONE for value in row.values}) > 120
    assert {row.here for row in ONE} == {*types.TYPES, "missing"}
    assert [row for row in ONE + SEVERAL if not row.alike and not row.why] == []


@pytest.mark.parametrize("row", ONE, ids=lambda row: f"{row.here} {row.values[-1]}")
def test_a_field_is_what_the_page_says(row: Row) -> None:
    for value in row.values:
        found = types.of(value.encode())
        assert found == {"missing": types.NULL}.get(row.here, row.here), value
        if value:
            types.reader(found)(value.encode())
            assert types.of(types.canonical(found)(value.encode())) == found, value


@pytest.mark.parametrize("row", SEVERAL, ids=lambda row: " ".join(row.values))
def test_a_column_is_what_the_page_says(row: Row) -> None:
    for values in permutations(row.values):
        assert types.join_all(types.of(value.encode()) for value in values) == row.here


def test_types_are_joined_in_any_order_and_grouping_and_hold_the_values() -> None:
    chance = random.Random(5)
    values = [value.encode() for row in ONE for value in row.values]
    for _ in range(3000):
        some = chance.choices(values, k=chance.randrange(1, 6))
        whole = types.join_all(map(types.of, some))
        at = chance.randrange(len(some) + 1)
        chance.shuffle(some)
        assert types.join(*(types.join_all(map(types.of, part)) for part in (some[:at], some[at:]))) == whole
        for value in filter(None, some):
            types.reader(whole)(value)  # which raises where it does not hold it


@pytest.mark.parametrize(
    ("kind", "value", "read", "written"),
    [
        ("int", "007", 7, "7"),
        ("decimal", "-9223372036854775809", -(2**63) - 1, "-9223372036854775809"),
        ("double", "1e3", 1000.0, "1000.0"),
        ("double", " 1\t", 1.0, "1.0"),
        ("double", "-0.0", 0.0, "0.0"),
        ("double", "-Inf", float("-inf"), "-Infinity"),
        ("boolean", "TRUE", True, "true"),
        ("date", "2020-01-31", date(2020, 1, 31), "2020-01-31"),
        ("timestamp", "2020-01-31", datetime(2020, 1, 31), "2020-01-31 00:00:00"),
        ("timestamp", "2020-01-01T10:00", datetime(2020, 1, 1, 10), "2020-01-01 10:00:00"),
        ("timestamp", "2020-01-01 10:00:00+02", datetime(2020, 1, 1, 8), "2020-01-01 08:00:00"),
        ("timestamp", "2020-01-01 10:00:00 -0230", datetime(2020, 1, 1, 12, 30), "2020-01-01 12:30:00"),
        ("timestamp", "2020-01-01 10:00:00 UTC", datetime(2020, 1, 1, 10), "2020-01-01 10:00:00"),
        ("timestamp", "2020-01-01T00:00:00.1234567Z", datetime(2020, 1, 1, 0, 0, 0, 123456), None),
        ("text", "x ", b"x ", "x "),
    ],
)
def test_values_have_one_form(kind: str, value: str, read: object, written: str | None) -> None:
    assert types.reader(kind)(value.encode()) == read
    canonical = types.canonical(kind)(value.encode())
    assert canonical == (written or "2020-01-01 00:00:00.123456").encode()
    assert types.canonical(kind)(canonical) == canonical


@pytest.mark.parametrize("value", [b"1\x0b", b"\x001", b"1\n", b"\xff1", b"\xa01", b"true\n", b"2020-01-01\n", b"1\r"])
def test_control_characters_and_line_ends_are_part_of_a_text(value: bytes) -> None:
    assert types.of(value) == types.TEXT
