"""Joins are duckdb's, row for row, whatever the strategy, runner and splits; what would explode is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from jobs.groupcount import GroupCount
from jobs.join import Join
from jobs.schema import DescribeTable
from mapreduce.errors import UserError
from mapreduce.input import rows
from mapreduce.input.formats import Layout
from mapreduce.input.records import SPLITS, RecordReader
from mapreduce.output import manifest
from mapreduce.shuffle import memory
from mapreduce.tables import joining, types
from mapreduce.tables.joining import HOW, Arranged, Joining, Kept
from mapreduce.tables.misfits import Misfit
from mapreduce.tables.schema import Column, Schema
from tests.conftest import ROOT, Run

STRATEGIES = ("memory", "shuffle")
SQL = {"text": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "double": "DOUBLE", "date": "DATE"}
TEXTS = ["", "a", "A", "a\tb", "a\nb", 'say "a"', "\\", "\\t", "é", " a", "a,b;c", "\x01", "a\x01", "NULL", "0", "00"]
KEYS = [("text", "text"), ("int", "int"), ("int", "long"), ("int", "double"), ("double", "double"), ("date", "date")]
DELIMITERS = {",": "comma", ";": "semicolon", "|": "bar", "\t": "tab"}
Rows = list[list[Any]]


def written(table: Rows, names: list[str], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """A table as CSV."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows([names, *table])  # type: ignore[call-overload]
    return file.getvalue()


def lines(table: Iterable[list[bytes]]) -> bytes:
    """Rows as lines in order: of the first field, then of the others."""
    parts = sorted(rows.join(row).partition(b"\t") for row in table)
    return b"".join([key + tab + rest + b"\n" for key, tab, rest in parts])


@dataclass
class Tables:
    """Two tables, what is joined on, and what duckdb makes of them. A missing value is ""."""

    tables: tuple[Rows, Rows]
    kinds: tuple[list[str], list[str]]
    on: tuple[list[int], list[int]]

    @property
    def schemas(self) -> list[Schema]:
        both = zip("lr", self.kinds)
        return [Schema(tuple(Column(f"{side}{i}", kind) for i, kind in enumerate(kinds))) for side, kinds in both]

    def joining(self, how: str) -> Joining:
        left, right = self.schemas
        return Joining(left, right, tuple(self.on[0]), tuple(self.on[1]), how)

    def expected(self) -> Iterator[tuple[str, bytes]]:
        """For every way to join the lines in their order."""
        with duckdb.connect() as database:
            for name, table, kinds in zip("lr", self.tables, self.kinds):
                columns = ", ".join(f"c{i} {SQL[kind]}" for i, kind in enumerate(kinds))
                database.execute(f"create table {name} ({columns})")
                places = ", ".join(f"({', '.join('?' * len(kinds))})" for _ in table)
                values = [None if value == "" else value for row in table for value in row]
                if table:
                    database.execute(f"insert into {name} values {places}", values)
            same = " and ".join(f"l.c{a} = r.c{b}" for a, b in zip(*self.on))
            lefts = [f"l.c{i}" for i in range(len(self.kinds[0])) if i not in self.on[0]]
            rights = [f"r.c{i}" for i in range(len(self.kinds[1])) if i not in self.on[1]]
            wanted = [types.join(self.kinds[0][a], self.kinds[1][b]) for a, b in zip(*self.on)]
            for how in HOW:
                sql = {"inner": "join", "left": "left join", "outer": "full join", "anti": "anti join"}[how]
                is_anti = how == "anti"
                keys = [f"l.c{a}" if is_anti else f"coalesce(l.c{a}, r.c{b})" for a, b in zip(*self.on)]
                keys = [f"cast({key} as {SQL[kind]})" for key, kind in zip(keys, wanted)]
                columns = ", ".join([*keys, *lefts, *([] if is_anti else rights)])
                found = database.execute(f"select {columns} from l {sql} r on {same}").fetchall()
                yield how, lines([types.write(v.encode() if isinstance(v, str) else v) for v in row] for row in found)


def drawn(draw: random.Random) -> Tables:
    """Tables of any types, with duplicates, missing values, and all that a field may hold."""
    pairs = draw.choices(KEYS, k=draw.choice([1, 1, 2, 3]))
    tables, all_kinds, on = [], [], []
    for side in (0, 1):
        kinds = [pair[side] for pair in pairs] + ["text"] * draw.choice([0, 1, 1, 2])
        order = draw.sample(range(len(kinds)), len(kinds))
        all_kinds.append([kinds[i] for i in order])
        on.append([order.index(i) for i in range(len(pairs))])
        size = draw.choice([0, 1, 8, 40])
        tables.append([[value_of(draw, kind) for kind in all_kinds[-1]] for _ in range(size)])
    return Tables((tables[0], tables[1]), (all_kinds[0], all_kinds[1]), (on[0], on[1]))


def value_of(draw: random.Random, kind: str) -> Any:
    if draw.random() < 0.15:
        return ""
    if kind in ("int", "long"):
        return draw.randrange(-2, 5)
    if kind == "double":
        return draw.choice([-0.5, 0.0, 1.0, 2.0, 2.5])
    return f"2020-02-0{draw.randrange(1, 5)}" if kind == "date" else draw.choice(TEXTS)


def form(draw: random.Random, value: Any, kind: str) -> str:
    """A value in one of the forms that its type has."""
    if value != "" and kind in ("int", "long"):
        return draw.choice([f"{value}", f"{value:+d}", f"{value:04d}"])
    if value != "" and kind == "double":
        return draw.choice([repr(value), f"{value:.3f}", f"{value:e}", f" {value}"])
    return str(value)


def computed(tables: Tables, how: str, strategy: str, draw: random.Random, folder: Path) -> bytes:
    """The same by the functions that the job's tasks call, with rows in any order."""
    join = tables.joining(how)
    sides: list[tuple[list[bytes], list[bytes]]] = []
    for is_right, (table, kinds) in enumerate(zip(tables.tables, tables.kinds)):
        arrange = join.table(bool(is_right))
        forms = [[form(draw, value, kind).encode() for value, kind in zip(row, kinds)] for row in table]
        pairs = [arrange.row(row) for row in draw.sample(forms, len(forms))]
        sides.append(([key for key, _ in pairs], [rest for _, rest in pairs]))
    if strategy == "shuffle":
        marked = [line for side in (0, 1) for line in joining.marked(join, bool(side), *sides[side])]
        draw.shuffle(marked)
        marked.sort(key=lambda line: line.partition(b"\t")[0])
        return b"".join(joining.joined(join, [line + b"\n" for line in marked], 10**9))
    holds_right = how != "inner" or draw.random() < 0.5
    held = (key + rest + b"\n" for key, rest in zip(*sides[holds_right]) if not joining.is_missing(key))
    (folder / "held").write_bytes(b"".join(held))
    table = joining.Table(str(folder / "held"), len(join.left_on), join.table(holds_right).has_rest)
    found = joining.matched(join, table, holds_right, *sides[not holds_right])
    parts = sorted(line.partition(b"\t") for line in found.split(b"\n")[:-1])
    return b"".join([b"".join(part) + b"\n" for part in parts])


@pytest.mark.parametrize("cases", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_tables_are_joined_as_duckdb_joins_them(cases: int, tmp_path: Path) -> None:
    draw = random.Random(cases)
    rows_found = 0
    for _ in range(cases):
        tables = drawn(draw)
        for how, wanted in tables.expected():
            for strategy in STRATEGIES[how == "outer" :]:
                found = computed(tables, how, strategy, draw, tmp_path)
                if len(tables.joining(how).output.names) == 1:
                    found = found.replace(b"\t\n", b"\n")  # which a runner gives each
                assert found == wanted, (how, strategy, tables)
            rows_found += wanted.count(b"\n")
    assert rows_found > 20 * cases


@pytest.mark.parametrize("cases", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_rows_are_read_alike_at_once_and_by_themselves(cases: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of CSV that end anywhere, plain in places, with keys of any form, values that are missing or none."""
    draw, real, at_once = random.Random(cases), Arranged.lines, list[int]()

    def lines_at_once(self: Arranged, data: bytes) -> Any:
        found = real(self, data)
        at_once.append(len(found[0]) if found else 0)
        return found

    monkeypatch.setattr(joining, "_AT_ONCE", 80)
    monkeypatch.setattr(Arranged, "lines", lines_at_once)
    for _ in range(cases):
        kinds = draw.choices(["int", "double", "text", "date"], k=draw.choice([1, 2, 4]))
        names = [*(f"c{i}" for i in range(1, len(kinds))), "c 0"]
        schema = Schema(tuple(map(Column, names, kinds)), ("NULL", "-"))
        on = draw.sample(range(len(kinds)), draw.randrange(1, len(kinds) + 1))
        arrange, odd = Arranged(schema, on, [kinds[place] for place in on]), draw.choice([0.0, 0.01, 0.5])
        table = [[form(draw, value_of(draw, kind), kind) for kind in kinds] for _ in range(draw.randrange(80))]
        for row in table:
            row[:] = [value if value.isalnum() or draw.random() < odd else "" for value in row]
            if draw.random() < odd / 2:
                row[draw.randrange(len(row))] = draw.choice(["-", "NULL", "bad", "c1", "99999999999", "  ", "a@b"])
            if draw.random() < odd / 4:
                row[:] = draw.choice([row[1:], [*row, ""], ["\t".join(row)]])
        if len(table) > 1 and draw.random() < 0.2:  # one field less, and one more
            table[-2].append(table[-1].pop() if table[-1] else "")
        delimiter, header = draw.choice([*DELIMITERS]), [name.replace(" ", draw.choice(" \n")) for name in names]
        text = written(table, header, delimiter).replace("\n", draw.choice(["\n", "\r\n"])).replace("@", "\r")
        data, begins = text.encode(), draw.choice([True, None])
        layout = Layout(names=tuple(names), delimiter=delimiter.encode(), labelled=False, keeps_all=True)
        readers = [RecordReader("csv", layout=layout, begins=begins) for _ in range(2)]
        cuts = sorted(draw.choices(range(len(data)), k=draw.randrange(4)))
        blocks = [data[begin:stop] for begin, stop in zip([0, *cuts], [*cuts, len(data)]) if begin < stop]
        found = list(joining.arranged(((readers[0], block) for block in blocks), repeat(arrange).__next__))
        alone = []
        for number, _, record in readers[1].entries(data):
            if isinstance(record, tuple):
                try:
                    alone.append(arrange.row(rows.split(record[1])))
                except Misfit as cause:
                    readers[1].reject(number, str(cause))
        for reader in readers:
            reader.finish()
        assert sorted(pair for keys, rests in found for pair in zip(keys, rests)) == sorted(alone)
        counted = [[r.used, r.rejected, r.lines, r.headers, r.continued, sorted(r.samples)] for r in readers]
        assert counted[0] == counted[1]
    assert sum(at_once) > 5 * cases


def test_a_key_is_missing_where_one_of_its_values_is() -> None:
    found = [joining.is_missing(key) for key in (b"", b"\ta", b"a\t", b"a\t\tb", b"a\tb\tc", b" ")]
    assert found == [True] * 4 + [False] * 2


def joined(*arguments: object, job_class: Any = Join) -> bytes:
    """What the job prints, inline and in this process."""
    job = job_class(args=["-r", "inline", "-q", *map(str, arguments)])
    with job.make_runner() as runner:
        runner.run()
        return b"".join(runner.cat_output())


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(n, marks=pytest.mark.slow) for n in range(6, 200))])
def test_a_job_reads_both_tables_each_as_it_is_written(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    tables = drawn(draw)
    while not any(tables.tables):
        tables = drawn(draw)
    flags: list[str] = []
    for side, prefix in enumerate(("--", "--right-")):
        names, kinds = tables.schemas[side].names, tables.kinds[side]
        forms = [[form(draw, value, kind) for value, kind in zip(row, kinds)] for row in tables.tables[side]]
        delimiter = draw.choice([*DELIMITERS])
        quoting = csv.QUOTE_ALL if len(kinds) == 1 else draw.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
        (tmp_path / f"{side}.csv").write_text(written(forms, [*names], delimiter, quoting), newline="")
        flags += [f"{prefix}delimiter", DELIMITERS[delimiter], f"{prefix}types"]
        flags += [",".join(f"{name}:{kind}" for name, kind in zip(names, kinds))]
        flags += ["--right-on" if side else "--left-on", ",".join(names[place] for place in tables.on[side])]
    wanted = dict(tables.expected())
    for how, strategy in ((HOW[seed % 4], "shuffle"), (("inner", "left", "anti")[seed % 3], "memory")):
        found = joined(*flags, "--how", how, "--strategy", strategy, tmp_path / "0.csv", tmp_path / "1.csv")
        width = len(tables.joining(how).output.names)
        assert found == (wanted[how].replace(b"\n", b"\t\n") if width == 1 else wanted[how]), (how, strategy)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A left table of 8 MB and a small right one, hostile both; a key has a third of the rows of each."""
    draw, folder = random.Random(5), tmp_path_factory.mktemp("large")
    keys = [f"k{i}" for i in range(300)] + ["", "most"]
    chosen = draw.choices(keys, [1] * 301 + [150], k=6000)
    texts = [draw.choice(TEXTS) + "x" * draw.randrange(3500) * (key != "most") for key in chosen]
    left = [[n, key, text] for n, (key, text) in enumerate(zip(chosen, texts))]
    right = [[n, key] for n, key in enumerate([*draw.choices(keys, k=250), *["most"] * 40, "nobody"])]
    (folder / "left.csv").write_text(written(left, ["n", "key", "text"]), newline="")
    (folder / "right.csv").write_text(written(right, ["m", "key"], ";"), newline="")
    return folder / "left.csv", folder / "right.csv"


LARGE = ["--on", "key", "--types", "n:int,key:text,text:text", "--right-types", "m:int,key:text"]


@pytest.mark.parametrize("how", ["left", pytest.param("outer", marks=pytest.mark.slow)])
def test_any_splits_runner_and_strategy_give_the_same_parts(
    how: str, large: tuple[Path, Path], tmp_path: Path, run_job: Run
) -> None:
    ways = [("local", 7, "shuffle"), ("inline", 1 if how == "left" else 2, "shuffle")]
    ways += [("local", 2, "memory"), ("inline", 7, "memory")] * (how == "left")
    found = []
    for runner, maps, strategy in ways:
        out = tmp_path / f"{runner}-{maps}-{strategy}"
        flags = ["--jobconf", f"mapreduce.job.maps={maps}", "--jobconf", "mapreduce.job.reduces=3", "--how", how]
        run_job("join", "-r", runner, *LARGE, *flags, "--strategy", strategy, "--output-dir", out, *large)
        described = manifest.read(out)
        said = {name: described[name] for name in ("schema", "inputs", "records", "counters")}
        found.append(({part.name: part.read_bytes() for part in out.glob("part-*")}, said))
    assert all(one == found[0] for one in found)
    parts, said = found[0]
    ours = lines(rows.split(line) for part in parts.values() for line in part.split(b"\n")[:-1])
    left, right = (
        pandas.read_csv(path, sep=sep, dtype=str, keep_default_na=False).replace("", None)
        for path, sep in zip(large, ",;")
    )
    sql = "full" if how == "outer" else how
    query = f"select coalesce(a.key, b.key), n, text, m from left_ a {sql} join right_ b on a.key = b.key"
    with duckdb.connect() as database:
        database.register("left_", left)
        database.register("right_", right)
        theirs = database.execute(query).fetchall()
    assert ours == lines([b"" if value is None else value.encode() for value in row] for row in theirs)
    assert len(parts) == 3 and len(theirs) > 70_000
    assert said["records"]["used"] == len(left) + len(right) and said["records"]["out"] == len(theirs)
    assert [one["path"] for one in said["inputs"]] == [str(path) for path in large]


def test_memory_is_bounded_where_one_key_has_most_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("mapreduce_task_io_sort_mb", "1")
    spilled: list[int] = []
    real = memory._written
    monkeypatch.setattr(memory, "_written", lambda some: spilled.append(1) or real(some))  # type: ignore[func-returns-value]
    schema = Schema((Column("a", "int"), Column("b", "int"), Column("c", "text")))
    for on in ((0,), (0, 1)):
        join = Joining(schema, schema, on, on, "inner")
        rests = [b"\t%04d" % n for n in range(5000)]
        if len(on) == 1:
            rests = [b"\t7" + rest for rest in rests]
        key = b"\t".join([b"7"] * len(on))
        marked = [
            *joining.marked(join, False, [key] * 5000, rests),
            *joining.marked(join, True, [key] * 30, rests[:30]),
        ]
        blocks = (b"".join(line + b"\n" for line in marked[i::100]) for i in range(100))
        spilled.clear()
        total, last = 0, b""
        for block in joining.joined(join, blocks, 10**9):
            assert len(block) < 1 << 20 and last < block
            total, last = total + block.count(b"\n"), block
        assert total == 150_000 and len(spilled) > 20


def test_kept_lines_can_be_read_again_and_again() -> None:
    with Kept(500) as kept:
        for n in range(1000):
            kept.add(b"%d" % n)
        assert len(kept) == 1000 and len(kept._lines) < 10
        assert list(kept) == list(kept) == [b"%d" % n for n in range(1000)]


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_a_key(tmp_path: Path) -> None:
    """Half of the rows of both sides have one key: the largest process of a local run."""
    (tmp_path / "l.csv").write_text("k,a\n" + "".join(f"{'most' if n % 2 else n},{n}\n" for n in range(1_000_000)))
    (tmp_path / "r.csv").write_text("k,b\n" + "".join(f"{'most' if n % 2 else n},{n}\n" for n in range(40)))
    program = [
        sys.executable,
        str(ROOT / "jobs/join.py"),
        "-r",
        "local",
        "-q",
        "--num-cores",
        "2",
        "--strategy",
        "shuffle",
    ]
    program += ["--on", "k", "--types", "k:text,a:int", "--right-types", "k:text,b:int", "--sort-memory", "32M"]
    watch = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    watch += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)"
    command = [sys.executable, "-c", watch, *program, "--output-dir", str(tmp_path / "out")]
    done = subprocess.run([*command, str(tmp_path / "l.csv"), str(tmp_path / "r.csv")], capture_output=True, check=True)
    assert manifest.read(tmp_path / "out")["records"]["out"] == 500_000 * 20 + 20
    assert int(done.stdout) < 200


def table(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return table(tmp_path, "people.csv", "id,parent,name\n1,,a\n2,1,b\n3,1,c\n4,2,d\n")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_table_is_joined_with_itself(strategy: str, people: Path, tmp_path: Path, run_job: Run) -> None:
    flags = ["--left-on", "parent", "--right-on", "id", "--strategy", strategy, "--output-dir", tmp_path / "out"]
    done = run_job("join", "-r", "local", *flags, people, people)
    assert (tmp_path / "out" / "part-00000").read_bytes() == b"1\t2\tb\t\ta\n1\t3\tc\t\ta\n2\t4\td\t1\tb\n"
    described = manifest.read(tmp_path / "out")
    assert [one["name"] for one in described["schema"]["columns"]] == [
        "parent",
        "id",
        "name",
        "parent_right",
        "name_right",
    ]
    assert b"both tables have parent, name; of the right one the name ends in _right" in done.stderr
    assert [one["path"] for one in described["inputs"]] == [str(people)] * 2 and described["records"]["used"] == 8


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_too_many_rows_of_one_key_are_refused_before_they_are_written(
    strategy: str, people: Path, tmp_path: Path, run_job: Run
) -> None:
    flags = ["--on", "parent", "--output-dir", tmp_path / "out"]
    flags += ["--strategy", strategy] if strategy == "shuffle" else []
    runner = "local" if strategy == "memory" else "inline"
    done = run_job("join", "-r", runner, *flags, "--max-matches", 3, people, people, code=2)
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("join: parent is '1' in 2 rows of the left table and in 2 of the right one, which is 4 ")
    assert not (tmp_path / "out").exists() and [*tmp_path.iterdir()] == [people]
    joined(*flags, "--max-matches", 4, people, people)
    one = table(tmp_path, "one.csv", "parent,x\n1,y\n")  # what is no more than one of the tables has
    assert joined("--on", "parent", "--max-matches", 1, *flags[4:], people, one).count(b"\n") == 2
    with pytest.raises(UserError, match="--max-matches is seen to in the shuffle"):
        joined("--on", "parent", "--strategy", "memory", "--max-matches", 3, people, people)


def test_keys_are_equal_as_their_types_have_it(tmp_path: Path) -> None:
    left = table(tmp_path, "l.csv", "k,x\n1,a\n2.50,b\n-0.0,c\n1e3,d\n9007199254740993,e\nNaN,f\n")
    right = table(tmp_path, "r.csv", "k,y\n+01,A\n0,C\n1000,D\n9007199254740992,E\n")
    flags = ["--on", "k", "--types", "k:double", "--right-types", "k:long"]
    wanted = b"0.0\tc\tC\n1.0\ta\tA\n1000.0\td\tD\n9007199254740992.0\te\tE\n"
    for strategy in STRATEGIES:
        assert joined(*flags, "--strategy", strategy, left, right) == wanted
    assert joined("--on", "k", "--types", "k:text", "--right-types", "k:text", left, right) == b""
    assert joined("--on", "k", "--types", "k:double", left, left).count(b"\n") == 6  # NaN is NaN, as in duckdb
    days = table(tmp_path, "d.csv", "k,x\n2020-01-31,a\n")
    times = table(tmp_path, "t.csv", "k,y\n2020-01-31 02:00:00+02:00,b\n2020-01-31 02:00:00,c\n")
    assert joined("--on", "k", days, times) == b"2020-01-31 00:00:00\ta\tb\n"


def test_what_cannot_be_joined_is_told_in_a_line(people: Path, tmp_path: Path) -> None:
    cities = table(tmp_path, "cities.csv", "city,name\nOslo,a\n")
    for arguments, said in (
        (["--on", "name", people], "two tables are joined, LEFT and RIGHT"),
        (["--on", "name", people, people, people], "two tables are joined, LEFT and RIGHT"),
        (["--on", "name", "-", "-"], "two tables are joined, LEFT and RIGHT"),
        ([people, people], "name the columns to join on"),
        (["--left-on", "name", people, people], "name the columns to join on"),
        (["--on", "id", "--left-on", "name", people, people], "name the columns to join on"),
        (["--on", "nam,id", people, people], "--on, left table: no column 'nam'; perhaps name"),
        (["--left-on", "id", "--right-on", "cty", people, cities], "--right-on: no column 'cty'; perhaps city"),
        (["--left-on", "id,name", "--right-on", "city", people, cities], "as many columns of the right table"),
        (["--on", "id,id", people, people], "each once"),
        (["--left-on", "id", "--right-on", "city", people, cities], "id of the left table has the type int, and city"),
        (["--on", "id", "--suffix", "", people, people], "two columns of the output are called 'parent'"),
        (["--on", "id", "--how", "outer", "--strategy", "memory", people, people], "--strategy memory: rows of both"),
        (["--on", "id", people, tmp_path / "none.csv"], "no such input file"),
        (["--on", "id", "--right-types", "city:int,nme:text", people, cities], "--types: no column 'nme'"),
    ):
        with pytest.raises(UserError) as error:
            joined(*arguments)
        assert said in str(error.value) and "\n" not in str(error.value)


def test_files_of_any_formats_and_what_jobs_have_written(people: Path, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"name": ["a", "b", "b", None], "score": [1.5, None, 3.0, 4.0]})
    frame.to_parquet(tmp_path / "scores.parquet")
    frame.to_json(tmp_path / "scores.jsonl", orient="records", lines=True)
    frame.to_csv(tmp_path / "scores.tsv", index=False, sep="\t")
    (tmp_path / "scores.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbfname;score\r\na;1.5\r\nb;NA\r\nb;3.0\r\n-;4.0\r\n")
    (tmp_path / "utf16.csv").write_bytes(frame.to_csv(index=False).encode("utf-16"))
    (tmp_path / "bare.csv").write_bytes(b"a,1.5\nb,\nb,3.0\n,4.0\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "1.csv").write_text("name,score\na,1.5\nb,\n")
    (tmp_path / "folder" / "2.csv").write_text("name,score\nb,3.0\n,4.0\n")
    more: dict[str, list[str]] = {
        "marked.csv": ["--right-nulls", "NA,-"],
        "bare.csv": ["--right-header", "no", "--right-names", "name,score"],
    }
    wanted = b"a\t1\t\t1.5\nb\t2\t1\t\nb\t2\t1\t3.0\nc\t3\t1\t\nd\t4\t2\t\n"
    names = ["parquet", "jsonl", "tsv", "csv.gz"]
    for number, name in enumerate([*(f"scores.{suffix}" for suffix in names), "utf16.csv", "folder", *more]):
        strategy = STRATEGIES[number % 2]
        flags = ["--on", "name", "--how", "left", "--strategy", strategy, *more.get(name, [])]
        flags += ["--types", "id:int,parent:int,name:text", "--right-types", "name:text,score:double"]
        assert joined(*flags, people, tmp_path / name) == wanted, (name, strategy)
    out, again = tmp_path / "out", tmp_path / "again"
    joined("--on", "name", "--output-dir", out, people, tmp_path / "scores.parquet")
    assert manifest.read(out)["schema"]["columns"][-1] == {"name": "score", "type": "double"}
    found = joined("--by", "name", "--sum", "score", out, job_class=GroupCount)
    assert found == b"a\t1\t1.5\nb\t2\t3.0\n"
    assert joined(out, job_class=DescribeTable).count(b"\n") == 4
    for strategy in STRATEGIES:
        assert joined("--on", "id", "--how", "anti", "--strategy", strategy, people, out) == b"3\t1\tc\n4\t2\td\n"
    ids = table(tmp_path, "ids.csv", "id\n1\n\n5\n")
    joined("--on", "id", "--how", "anti", "--output-dir", again, ids, people)
    assert joined("--by", "id", again, job_class=GroupCount) == b"5\t1\n"


def test_standard_input_is_one_of_the_tables(people: Path, run_job: Run) -> None:
    wanted = b"1\t2\tb\t\ta\n1\t3\tc\t\ta\n2\t4\td\t1\tb\n"
    for strategy, named in zip(STRATEGIES, ([people, "-"], ["-", people])):
        flags = ["--types", "id:int,parent:int,name:text", "--right-types", "id:int,parent:int,name:text"]
        flags += ["--left-on", "parent", "--right-on", "id", "--strategy", strategy]
        assert run_job("join", *flags, *named, stdin=people.read_bytes()).stdout == wanted


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_of_both_tables_are_counted_and_rejected(strategy: str, tmp_path: Path, run_job: Run) -> None:
    left = table(tmp_path, "l.csv", "k,x\n" + "".join(f"{n},x\n" for n in range(50)) + "bad,x\n7\n")
    right = table(tmp_path, "r.csv", "k,y\n" + "".join(f"{n},y\n" for n in range(50)) + "8,y,z\n-,y\n1.5,y\n")
    flags = ["-r", "local", "--on", "k", "--types", "k:int,x:text", "--right-types", "k:int,y:text"]
    flags += ["--right-nulls", "-", "--strategy", strategy, "--output-dir", tmp_path / "out"]
    done = run_job("join", *flags, left, right, code=3)
    assert b"4 of 105 lines are no csv records: no int in column 1 (2), wrong number of fields (2)" in done.stderr
    run_job("join", *flags, "--max-rejected", "4", left, right)
    found = manifest.read(tmp_path / "out")["records"]
    assert found["in"] == 105 and found["used"] == 101 and found["out"] == 50
    rejected = [json.loads(line) for line in (tmp_path / "out" / "_rejected").read_text().splitlines()]
    where = {(Path(one["file"]).name, one["line"]) for one in rejected}
    assert where == {("l.csv", 52), ("l.csv", 53), ("r.csv", 52), ("r.csv", 54)}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_split_is_one_of_the_left_table(strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right table is whole; what is plain and what is not is split alike."""
    monkeypatch.setattr(joining, "_AT_ONCE", 60)
    draw = random.Random(1)
    left = [[n, draw.choice(["plain", "plain", 'a "quote"', "a\\b"])] for n in range(3000)]
    (tmp_path / "l.csv").write_text(written(left, ["k", "x"]))
    right = table(tmp_path, "r.csv", "k,y\n" + "".join(f"{n},{n}\n" for n in range(3000)))
    flags = ["--on", "k", "--types", "k:int,x:text", "--right-types", "k:int,y:int", "--strategy", strategy]
    found = {split: joined(*flags, "--split", split, tmp_path / "l.csv", right) for split in SPLITS}
    sizes = {split: data.count(b"\n") for split, data in found.items()}
    assert sizes["all"] == 3000 == sizes["train"] + sizes["validation"] and 200 < sizes["validation"] < 400
    assert sorted((found["train"] + found["validation"]).splitlines()) == sorted(found["all"].splitlines())


def test_the_smaller_table_is_held_where_it_is_small_enough(tmp_path: Path, run_job: Run) -> None:
    small = table(tmp_path, "small.csv", "k,a\n1,x\n2,y\n2,z\n")
    large = table(tmp_path, "large.csv", "k,b\n" + "".join(f"{n % 9},{n}\n" for n in range(20_000)))
    types = ["--on", "k", "--types", "k:int", "--right-types", "k:int"]

    def held(*arguments: object) -> str:
        job = Join(args=["-q", *map(str, arguments)])
        with job.make_runner():
            return str(job.options.held)

    assert held(*types, small, large) == "left" and held(*types, large, small) == "right"
    assert held(*types, "--how", "left", large, small) == "right"
    assert held(*types, "--how", "outer", large, small) == "neither"
    assert held(*types, "--how", "left", "--sort-memory", "1M", small, large) == "neither"
    assert held(*types, "--max-matches", "2000", small, large) == "neither"
    assert joined(*types, small, large) == joined(*types, "--strategy", "shuffle", small, large)
    said = run_job("join", *types, "--how", "anti", "--strategy", "memory", "--sort-memory", "1M", small, large, code=2)
    assert b"the right table takes more than the 1048576 bytes that a task may take" in said.stderr
