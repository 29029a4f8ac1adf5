"""The library's counting of rows against its twin in Python: the same figures, whatever the rows and however they are
cut into blocks; and exact figures against what they are by definition."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import pytest

from mapreduce.input.formats import Layout
from mapreduce.input.records import RecordReader
from mapreduce.native import library as native
from mapreduce.native import rows as native_rows
from mapreduce.tables import columns, types
from mapreduce.tables.counting import Blocks, count_columns, count_groups
from mapreduce.tables.expressions import Expression
from mapreduce.tables.figures import ExactSum, deviation
from mapreduce.tables.groups import FIGURES, Figure, Grouping, State, merged
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import BOOLEAN, DATE, DOUBLE, INT, LONG, NUMBERS, TEXT, TIMESTAMP

VALUES = {
    TEXT: 'a|b|Oslo|a\tb|q"q|x\ny|back\\slash|\x01\x02||café| sp|a text of more than sixteen bytes|N|123 St|12-34|a,b',
    INT: "1|007|-5|+3|2147483647|0|-0||12",
    LONG: "1|9223372036854775807|-3|123456789012345678|1234567890123456789|",
    DOUBLE: "1|1.5|-2.25|1e3|0.1|0.30000000000000004|3.14159265358979323846|1e-300|1e300|NaN|Infinity| 4||-0.0|.5|5.|"
    "123456789.123456789|-1e22|1E5|1e23|9007199254740993",
    DATE: "2020-01-31|1999-12-31|0001-01-01|2020-02-29|",
    TIMESTAMP: "2020-01-31 10:00:00|2020-01-31T10:00:00|2020-01-31T10:00:00Z|2020-01-31|2020-01-31 10:00|"
    "2020-01-31T10:00:00+02:00|1969-12-31 23:59:59|2020-01-31 10:00:00.5|",
    BOOLEAN: "true|FALSE|True|",
}
LITERALS = {INT: "3", LONG: "1000.5", DOUBLE: "0.5", DATE: '"2000-01-01"', TIMESTAMP: '"2000-01-01 10:00:00"'}
Count = Callable[[Blocks], Iterator[bytes]]

needs_library = pytest.mark.skipif(
    not native_rows.available(native.load()), reason="no native library that counts rows"
)


def quoted(value: str, draw: random.Random) -> str:
    if any(mark in value for mark in ',\n\r"') or draw.random() < 0.15:
        return '"' + value.replace('"', '""') + '"'
    return value


def drawn(kind: str, draw: random.Random) -> str:
    if draw.random() < 0.02:
        return "oops"
    if kind == DOUBLE and draw.random() < 0.5:
        return repr(draw.gauss(0, 1) * 10.0 ** draw.randint(-5, 5))
    if kind == LONG and draw.random() < 0.5:
        return str(draw.randint(-(10**12), 10**12))
    return draw.choice(VALUES[kind].split("|"))


def table(kinds: list[str], rows: int, draw: random.Random) -> bytes:
    """A CSV file with a header: rows that are too short, empty lines, a last line without its end."""
    lines = [",".join(f"c{i}" for i in range(len(kinds)))]
    for _ in range(rows):
        row = [quoted(drawn(kind, draw), draw) for kind in kinds]
        lines.append(",".join(row[:-1] if draw.random() < 0.01 else row))
        if draw.random() < 0.01:
            lines.append("")
    end = draw.choice(["\n", "\r\n"])
    return (end.join(lines) + end * (draw.random() < 0.7)).encode()


def counted(count: Count, data: bytes, names: tuple[str, ...], cuts: Iterable[int]) -> tuple[list[bytes], object]:
    """The lines, and what the reader has counted, of data in blocks of some sizes."""
    layout = Layout(names=names, delimiter=b",", header=True, labelled=False)
    reader = RecordReader("csv", layout=layout, begins=True, keep=1000)

    def blocks() -> Iterator[tuple[RecordReader, bytes]]:
        whole, at = data if data.endswith(b"\n") else data + b"\n", 0
        for size in cuts:
            if at < len(whole):
                yield reader, whole[at : at + size]
            at += size
        reader.finish()

    lines = [line for block in count(blocks()) for line in block.split(b"\n")[:-1]]
    seen = (reader.lines, reader.used, reader.headers, reader.continued, dict(reader.rejected), list(reader.samples))
    return lines, seen


def groups(grouping: Grouping, lines: list[bytes]) -> dict[bytes, bytes]:
    """The rows of figures by group that lines of states come to."""
    states: dict[bytes, list[bytes]] = {}
    for line in lines:
        key, _, state = line.partition(b"\t")
        states.setdefault(key, []).append(state)
    found: dict[bytes, State] = {}
    for key, values in states.items():
        group, state_of = merged(grouping, key, values)
        found.setdefault(group, State(grouping)).merge(state_of.written())
    return {key: state_of.row() for key, state_of in found.items()}


def any_grouping(kinds: list[str], draw: random.Random) -> Grouping:
    schema = Schema(tuple(Column(f"c{i}", kind) for i, kind in enumerate(kinds)), ("a", "12") * (draw.random() < 0.3))
    places = range(len(kinds))
    figures = [
        Figure(kind, place, schema.columns[place])
        for place in places
        for kind in FIGURES
        if draw.random() < 0.4 and not (kind in ("sum", "mean") and kinds[place] not in NUMBERS)
    ]
    where = None
    if draw.random() < 0.6:
        one, other = draw.choice(places), draw.choice(places)
        literal = {TEXT: '"b"', BOOLEAN: "true"}.get(kinds[one]) or LITERALS[kinds[one]]
        leaf = f"c{one} {draw.choice(['=', '!=', '<', '<=', '>', '>='])} {literal}"
        forms = ["{0}", "not {0}", "{0} or c{1} is null", "({0} or c{1} is null) and not c{1} is null"]
        where = Expression(draw.choice(forms).format(leaf, other), schema)
    required = tuple(place for place in places if draw.random() < draw.choice([0, 0.3, 1]))
    by = tuple(place for place in places if draw.random() < 0.4)
    return Grouping(schema, by, tuple(figures), where, required, draw.random() < 0.3)


@needs_library
@pytest.mark.parametrize("seed", range(24))
def test_the_library_counts_what_its_twin_counts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    kinds = [draw.choice(list(VALUES)) for _ in range(draw.randint(1, 6))]
    data, grouping = table(kinds, draw.randint(0, 300), draw), any_grouping(kinds, draw)
    schema = grouping.schema
    found = Schema(
        tuple(Column(one.name, one.type if draw.random() < 0.4 else types.NULL) for one in schema.columns), schema.nulls
    )
    results = []
    for use in "10":
        monkeypatch.setenv(native.OFF, use)
        cuts = [draw.choice([7, 64, 100, 1000, 5000]) for _ in range(len(data))]
        lines, seen = counted(lambda blocks: count_groups(blocks, grouping), data, schema.names, cuts)
        states, also_seen = counted(lambda blocks: states_of(blocks, found), data, schema.names, cuts)
        results.append((groups(grouping, lines), seen, figures_of(found, states), also_seen))
    for native_one, twin in zip(*results):
        assert native_one == twin


def states_of(blocks: Blocks, schema: Schema) -> Iterator[bytes]:
    for place, column in enumerate(count_columns(blocks, schema)):
        yield b"%06d\t%s\n" % (place, column.written())


def figures_of(schema: Schema, lines: Iterable[bytes]) -> list[object]:
    found = []
    for line, column in zip(lines, schema.columns):
        state = columns.Column(
            None if column.type == types.NULL else column.type, [null.encode() for null in schema.nulls]
        )
        state.merge(line.partition(b"\t")[2])
        found.append(state.figures())
    return found


MANY: dict[str, Callable[[random.Random], str]] = {
    "int": lambda draw: str(draw.randint(-(10**6), 10**6)),
    "long": lambda draw: str(draw.randint(-(10**17), 10**17)),
    "double": lambda draw: repr(draw.gauss(0, 1) * 10.0 ** draw.randint(-8, 8)),
    "timestamp": lambda draw: (
        f"{draw.randint(1, 9999):04d}-05-11 {draw.randint(0, 23):02d}:{draw.randint(0, 59):02d}:07"
    ),
    "text": lambda draw: f"é{draw.randint(0, 10**6)}" if draw.random() < 0.9 else str(draw.randint(0, 99)),
}


@needs_library
@pytest.mark.parametrize("kind", MANY)
def test_sketches_are_those_of_the_twin(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    values = [MANY[kind](draw) for _ in range(19_500)]
    data = "\n".join(["c0", *values]).encode()
    results, schema = [], Schema((Column("c0", types.NULL),))
    for use in "10":
        monkeypatch.setenv(native.OFF, use)
        lines, seen = counted(lambda blocks: states_of(blocks, schema), data, ("c0",), [100_000] * 20)
        results.append((figures_of(schema, lines)[0], seen))
    assert results[0] == results[1]
    found, distinct = results[0][0], len(set(values))
    assert isinstance(found, dict) and found["type"] == kind and found["top"] is None
    assert abs(found["distinct"] / distinct - 1) < 4 * columns.DISTINCT_ERROR
    if kind in NUMBERS:
        numbers = sorted(map(float if kind == DOUBLE else int, values))
        assert found["sum"] == (math.fsum(numbers) if kind == DOUBLE else sum(numbers))
        assert found["deviation"] == pytest.approx(statistics.stdev(map(Fraction, numbers[:])), rel=1e-12)
        for share, value in found["quantiles"].items():
            wanted = numbers[math.ceil(float(share) * len(numbers)) - 1]
            assert value == pytest.approx(wanted, rel=2 * columns.QUANTILE_ERROR, abs=1)


@pytest.mark.parametrize("parts", [2, 7])
def test_a_column_is_the_same_however_it_is_split(parts: int) -> None:
    draw = random.Random(parts)
    for kind, size in (("int", 3000), ("double", 20_000), ("text", 18_000)):
        values = [MANY[kind](draw).encode() for _ in range(size)] + [b""] * 5
        whole, split = columns.Column(), [columns.Column() for _ in range(parts)]
        for value in values:
            whole.add(value)
            draw.choice(split).add(value)
        joined = columns.Column()
        for one in split:
            joined.merge(one.written())
        assert joined.figures() == whole.figures()


def test_a_number_among_texts_makes_a_text_whatever_came_first() -> None:
    for values in ([b"1", b"x"], [b"x", b"1"]):
        state = columns.Column()
        for value in values:
            state.add(value)
        assert state.figures()["type"] == TEXT and "sum" not in state.figures()


def test_sums_are_rounded_once() -> None:
    draw = random.Random(0)
    for _ in range(200):
        values = [draw.choice([1, 1e-300, 1e300, 1e10]) * draw.gauss(0, 1) for _ in range(20)]
        total, squares = ExactSum(), ExactSum()
        for value in values:
            total.add(value)
            squares.add_square(value)
        again = ExactSum()
        again.merge(total.written())
        assert total.value() == again.value() == math.fsum(values)
        assert squares.exact() == sum(Fraction(value) ** 2 for value in values)
    far = [1e9 + draw.gauss(0, 1) for _ in range(1000)]
    total, squares = ExactSum(), ExactSum()
    for value in far:
        total.add(value)
        squares.add_square(value)
    assert deviation(1000, total.exact() or Fraction(), squares.exact() or Fraction()) == statistics.stdev(far)
