"""Expressions: what they mean, held against duckdb; and where in them an error is."""

from __future__ import annotations

import math
import random
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from mapreduce.errors import UserError
from mapreduce.tables import types
from mapreduce.tables.expressions import Expression, mentioned
from mapreduce.tables.schema import Column, Schema

COLUMNS = {
    "flag": ("boolean", "BOOLEAN"),
    "i": ("int", "BIGINT"),
    "big": ("long", "BIGINT"),
    "huge": ("decimal", "HUGEINT"),
    "x": ("double", "DOUBLE"),
    "y": ("double", "DOUBLE"),
    "s": ("text", "VARCHAR"),
    "u v": ("text", "VARCHAR"),
    "day": ("date", "DATE"),
    "at": ("timestamp", "TIMESTAMP"),
}
TABLE = Schema(tuple(Column(name, kind) for name, (kind, _) in COLUMNS.items()))
ROW: dict[str, Any] = {
    "flag": True,
    "i": 7,
    "big": 2**62,
    "huge": 10**30,
    "x": 2.5,
    "y": None,
    "s": b" Oslo ",
    "u v": "Tromsø".encode(),
    "day": date(2024, 2, 29),
    "at": datetime(2024, 2, 29, 13, 5),
}


def value(text: str, **changed: Any) -> Any:
    return Expression(text, TABLE).function()(list({**ROW, **changed}.values()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # precedence
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("2 * 7 % 4", 2),
        ("-2 * -3", 6),
        ("- (1 + 2)", -3),
        ("true or true and false", True),
        ("(true or true) and false", False),
        ("not false and false", False),
        ("not i = 8", True),
        ("not i = 7 or flag", True),
        ("1 + 1 = 2 and 3 > 2", True),
        ("i between 1 + 1 and 3 * 3 and flag", True),
        # names and literals
        ("I = 7 AND Flag", True),
        ("`u v` = 'Tromsø'", True),
        ('s = " Oslo "', True),
        ("'it''s' = \"it's\"", True),
        ('""""', b'"'),
        (".5 + 1. + 1e1", 11.5),
        ("007", 7),
        # three values
        ("y > 1", None),
        ("y > 1 or flag", True),
        ("y > 1 and flag", None),
        ("y > 1 and not flag", False),
        ("not y > 1", None),
        ("y is null", True),
        ("y is not null", False),
        ("y in (1, 2)", None),
        ("i in (7, null)", True),
        ("i in (8, null)", None),
        ("i not in (8, null)", None),
        ("i not in (8, 9)", True),
        ("i not between 8 and null", True),
        ("i between null and 9", None),
        ("y + 1", None),
        ("if(y > 1, 1, 2)", 2),
        ("coalesce(y, x, 9)", 2.5),
        ("null = null", None),
        # numbers
        ("i / 2", 3.5),
        ("6 / 3", 2.0),
        ("i / 0", None),
        ("i % 0", None),
        ("x % 0", None),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("-7.5 % 2", -1.5),
        ("9223372036854775807 = 9223372036854775807.0", False),  # exact, where duckdb makes both a double
        ("big + big", None),  # 2**63 is no long
        ("big - 1 + big", 2**63 - 1),
        ("huge * 100000000", None),
        ("huge * 10", 10**31),
        ("abs(-2147483648)", 2**31),
        ("round(2.5)", 3.0),
        ("round(-2.5)", -3.0),
        ("round(2.675, 2)", 2.68),
        ("round(1250, -2)", 1300),
        ("round(1e300, 400)", 1e300),
        ("round(1234, -1000000000)", 0),
        ("floor(-2.5)", -3),
        ("ceil(-2.5)", -2),
        ("floor(1e300)", None),
        ("sqrt(16)", 4.0),
        # texts
        ("length(`u v`)", 6),
        ("trim(s)", b"Oslo"),
        ("upper(`u v`)", b"TROMS\xc3\xb8"),
        ("lower(s)", b" oslo "),
        ("contains(s, 'sl')", True),
        ("starts_with(trim(s), 'Os')", True),
        ("ends_with(s, ' ')", True),
        ("replace('1,234,5', ',', '')", b"12345"),
        ("replace('ab', '', '-')", b"ab"),
        ("concat(trim(s), '/', text(i), '/', text(x))", b"Oslo/7/2.5"),
        ("number(replace('1,234.5', ',', '')) * 2", 2469.0),
        ("number('x')", None),
        ("number('')", None),
        ("date('2024-02-30')", None),
        ("date('2024-02-29') = day", True),
        # times
        ("day < '2024-03-01'", True),
        ("'2024-03-01' < day", False),
        ("day = '2024-02-29 00:00'", True),
        ("at > day", True),
        ("at = '2024-02-29 15:05+02:00'", True),
        ("day in ('2024-02-29', '2024-03-01')", True),
        ("day - date('2023-02-28')", 366),
        ("year(day) * 10000 + month(at) * 100 + day(at)", 20240229),
        ("hour(at) + hour(day)", 13),
        ("weekday(day)", 4),
    ],
)
def test_values(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("sign", ["=", "!=", "<", "<=", ">", ">="])
def test_nan_equals_itself_and_is_the_largest(sign: str) -> None:
    for x in (math.nan, math.inf, 1.0):
        for y in (math.nan, math.inf, 1.0):
            keys = [(one != one, 0.0 if one != one else one) for one in (x, y)]
            compare = {"=": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}
            assert value(f"x {sign} y", x=x, y=y) is getattr(keys[0], compare[sign])(keys[1])


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("coalesce(y, 3)", "double", b"3.0"),
        ("if(flag, i, x)", "double", b"7.0"),
        ("coalesce(null, day, at)", "timestamp", b"2024-02-29 00:00:00"),
        ("i + 1", "long", b"8"),
        ("i - huge", "decimal", b"-999999999999999999999999999993"),
        ("i * 1.0", "double", b"7.0"),
        ("-x % 3", "double", b"-2.5"),
        ("day - day", "int", b"0"),
        ("round(i)", "long", b"7"),
        ("round(x, 1)", "double", b"2.5"),
        ("floor(x)", "long", b"2"),
        ("text(at)", "text", b"2024-02-29 13:05:00"),
        ("null", "null", b""),
        ("i > 2", "boolean", b"true"),
    ],
)
def test_a_value_is_of_its_type(text: str, kind: str, written: bytes) -> None:
    assert Expression(text, TABLE).type == kind
    assert types.write(value(text)) == written


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("i >", 4, "it ends, and a value is expected"),
        ("i > > 2", 5, "a value is expected"),
        ("i > 2 3", 7, "nothing is expected here"),
        ("1 < i < 3", 7, "nothing is expected here"),
        ("(i > 2", 7, "')' is expected"),
        ("i in 3", 6, "'(' is expected"),
        ("i between 1, 2", 12, "'and' is expected"),
        ("a.b > 2", 2, "'.' means nothing; the name of a column that is no word stands in `backquotes`"),
        ("s = 'x", 5, "a quote that is not closed"),
        ("prize > 2 and flagg", 1, "no column 'prize'; there are flag, i"),
        ("i > 2 and flagg", 11, "no column 'flagg'; perhaps flag; there are"),
        ("s > 2", 5, "a text and an int cannot be compared; write a text in quotes"),
        ("i = 'x'", 5, "an int and a text cannot be compared"),
        ("day > 'x'", 7, "no date or time stamp, as 2020-01-31 or"),
        ("flag and i", 10, "a condition is wanted, and this is an int"),
        ("not i", 5, "a condition is wanted, and this is an int"),
        ("if(i, 1, 2)", 4, "a condition is wanted, and this is an int"),
        ("1 + s", 5, "+ wants numbers, and this is a text"),
        ("-s", 2, "- wants numbers, and this is a text"),
        ("lower(i)", 7, "lower wants a text, and this is an int"),
        ("lower(s, s)", 1, "lower takes 1 value"),
        ("round(x, 1, 2)", 1, "round takes 1 or 2 values"),
        ("round(x, 0.5)", 10, "round wants a whole number, and this is a double"),
        ("concat(s)", 1, "concat takes 2 or more values"),
        ("if(flag, 1)", 1, "if takes a condition and two values"),
        ("coalesce(i, s)", 1, "the values of coalesce are of several types"),
        ("lenght(s) > 2", 1, "no function 'lenght'; there are abs, ceil"),
        ("1e999 > i", 1, "too large a number"),
        ("(" * 60 + "i" + ")" * 60, 51, "more than 50 levels"),
        ("-" * 60 + "i", 51, "more than 50 levels"),
        ("not " * 60 + "flag", 201, "more than 50 levels"),
        ("+".join("i" * 500), 401, "more than 200 operators"),
        ("", 1, "it ends, and a value is expected"),
    ],
)
def test_an_error_says_where(text: str, place: int, words: str) -> None:
    with pytest.raises(UserError) as caught:
        Expression(text, TABLE, "--where")
    said = str(caught.value)
    assert said.startswith(f"--where, character {place}: {words}") and "\n" not in said


def test_what_is_deep_is_computed() -> None:
    assert value("+".join("i" * 200)) == 1400
    assert value("(" * 49 + "i" + ")" * 49) == 7
    assert value("abs(" * 49 + "+".join("i" * 150) + ")" * 49) == 1050
    assert value(" and ".join(["i = 7"] * 2000)) is True


def test_a_condition_is_true_or_false() -> None:
    assert Expression("i > 2", TABLE).condition().columns == [1]
    with pytest.raises(UserError, match="'i' is an int, and a condition is wanted"):
        Expression("i", TABLE).condition()


def test_columns_that_a_text_mentions() -> None:
    assert mentioned("I > 3 or `u v` = 'flag' or (", TABLE) == {"i", "u v"}


# Random expressions, each as we write it and as duckdb does. By decision we differ in that what is divided by 0 is
# missing (duckdb: infinity, NaN or an error), and in what overflows; the numbers here are too small for that.

Pair = tuple[str, str]
LITERALS = {
    "number": ["0", "1", "3", "-2", "2.5", "-0.5", "1e3", "7"],
    "text": ["'a'", "'b c'", "''''", "'Tromsø'", "'B'"],
    "time": ["'2024-02-29'", "'2024-02-29 13:05:00'", "'1999-12-31'"],
}
NAMES = {
    "boolean": ["flag"],
    "number": ["i", "big", "huge", "x", "y"],
    "text": ["s", "u v"],
    "time": ["day", "at"],
}


def column(name: str) -> Pair:
    return (f"`{name}`" if " " in name else name), f'"{name}"'


def number(rng: random.Random, depth: int) -> Pair:
    kind = rng.randrange(9) if depth else rng.randrange(2)
    if kind == 0:
        return (literal := rng.choice(LITERALS["number"])), (f"{literal}::DOUBLE" if "." in literal else literal)
    if kind in (1, 2):
        return column(rng.choice(NAMES["number"]))
    if kind == 3:
        (a, A), (b, B), (c, C) = condition(rng, depth - 1), number(rng, depth - 1), number(rng, depth - 1)
        return f"if({a}, {b}, {c})", f"(CASE WHEN {A} THEN {B} ELSE {C} END)"
    (a, A), (b, B) = number(rng, depth - 1), number(rng, depth - 1)
    if kind == 4:
        return f"coalesce({a}, {b})", f"coalesce({A}, {B})"
    sign = rng.choice("+-*/%")
    if sign in "/%":  # a whole number by a whole one is a double in both
        return f"(({a}) {sign} ({b}))", f"(({A}) {sign} nullif({B}, 0))"
    return f"(({a}) {sign} ({b}))", f"(({A}) {sign} ({B}))"


def text(rng: random.Random, depth: int) -> Pair:
    kind = rng.randrange(6) if depth else rng.randrange(2)
    if kind == 0:
        return (rng.choice(LITERALS["text"]),) * 2  # type: ignore[return-value]
    if kind in (1, 2):
        return column(rng.choice(NAMES["text"]))
    (a, A), (b, B) = text(rng, depth - 1), text(rng, depth - 1)
    if kind == 3:
        return f"concat({a}, {b}, {a})", f"({A} || {B} || {A})"
    if kind == 4:
        return f"replace({a}, {b}, 'z')", f"replace({A}, {B}, 'z')"
    name = rng.choice(["trim", "lower"])
    return f"{name}({a})", f"{name}({A})"


def condition(rng: random.Random, depth: int) -> Pair:
    kind = rng.randrange(8) if depth else 0
    if kind in (1, 2):
        parts = [condition(rng, depth - 1) for _ in range(rng.randint(2, 3))]
        words = (" and ", " or ")[kind - 1]
        return f"({words.join(one for one, _ in parts)})", f"({words.join(other for _, other in parts)})"
    if kind == 3:
        ours, theirs = condition(rng, depth - 1)
        return f"not {ours}", f"(NOT {theirs})"
    group = rng.choice(["number", "number", "text", "time", "boolean"])
    make = {"number": number, "text": text, "boolean": lambda rng, _: column("flag")}
    if group == "time":
        (a, A), (b, B) = column(rng.choice(NAMES["time"])), column(rng.choice(NAMES["time"]))
        if rng.random() < 0.5:
            b = rng.choice(LITERALS["time"])
            B = f"TIMESTAMP {b}"
    else:
        (a, A), (b, B) = make[group](rng, max(0, depth - 1)), make[group](rng, max(0, depth - 1))
    if kind == 4:
        return f"({a} is not null)", f"({A} IS NOT NULL)"
    if kind == 5:
        return f"{a} between {b} and {a}", f"({A} BETWEEN {B} AND {A})"
    if kind == 6:
        negated = rng.choice(["", "not "])
        c, C = (a, A) if rng.random() < 0.3 else ("null", "NULL")
        return f"{a} {negated}in ({b}, {c})", f"({A} {negated}IN ({B}, {C}))"
    if kind == 7 and group == "text":
        name = rng.choice(["contains", "starts_with", "ends_with"])
        return f"{name}({a}, {b})", f"{name}({A}, {B})"
    sign = rng.choice(["=", "!=", "<>", "<", "<=", ">", ">="])
    return f"({a} {sign} {b})", f"({A} {sign} {B})"


def table(rng: random.Random, rows: int) -> list[list[Any]]:
    choices: list[list[Any]] = [
        [True, False],
        [-3, 0, 1, 2, 7],
        [-(10**9), 0, 3, 10**9],
        [-(10**18), 0, 1, 10**18],
        [math.nan, math.inf, -math.inf, 0.0, -0.5, 2.5, 1000.0],
        [math.nan, 1e10, -2.0, 2.5, 3.0],
        [b"a", b"b c", b" a ", "Tromsø".encode(), b"'", b"B"],
        [b"a", b"z", b"", "é".encode()],
        [date(1999, 12, 31), date(2024, 2, 29)],
        [datetime(2024, 2, 29), datetime(2024, 2, 29, 13, 5), datetime(1970, 1, 1)],
    ]
    return [[None if rng.random() < 0.2 else rng.choice(one) for one in choices] for _ in range(rows)]


@pytest.fixture(scope="module")
def theirs() -> tuple[duckdb.DuckDBPyConnection, list[list[Any]]]:
    rows = table(random.Random(5), 200)
    known = duckdb.connect()
    columns = ", ".join(f'"{name}" {kind}' for name, (_, kind) in COLUMNS.items())
    known.execute(f"CREATE TABLE t (n INT, {columns})")
    shown = [[one.decode() if isinstance(one, bytes) else one for one in row] for row in rows]
    known.executemany(f"INSERT INTO t VALUES (?{', ?' * len(COLUMNS)})", [[n, *row] for n, row in enumerate(shown)])
    return known, rows


@pytest.mark.parametrize("make", [condition, number, text])
def test_random_expressions_are_as_duckdb_has_them(make: Any, theirs: Any) -> None:
    known, rows = theirs
    rng = random.Random(11)
    for _ in range(150):
        ours, sql = make(rng, rng.randint(1, 3))
        function = Expression(ours, TABLE).function()
        found = [function(row) for row in rows]
        expected = [one for (one,) in known.execute(f"SELECT {sql} FROM t ORDER BY n").fetchall()]
        assert [shown(one) for one in found] == [shown(one) for one in expected], (ours, sql)


def shown(one: Any) -> Any:
    if isinstance(one, bytes):
        return one.decode()
    return "NaN" if one != one else float(one) if isinstance(one, int) and not isinstance(one, bool) else one
