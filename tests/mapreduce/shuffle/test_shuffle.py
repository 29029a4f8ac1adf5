"""Spill, merge, partitioner and combiner together: reducers get the same, whatever the memory and the back end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.job import Job
from mapreduce.native import library as native
from mapreduce.shuffle import merge as merging
from mapreduce.shuffle.combine import LEAST, add_lines
from mapreduce.shuffle.combine import kind as kind_of
from mapreduce.shuffle.lines import key_of, with_tabs
from mapreduce.shuffle.memory import FILES
from mapreduce.shuffle.merge import merge, merge_blocks
from mapreduce.shuffle.partition import hash_partition, key_field_partition
from mapreduce.shuffle.spill import Spill
from mapreduce.shuffle.sums import add, add_columns, add_labelled, in_order
from mapreduce.textjob import TextJob

keys = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"a\x00", b"a" * 8, b"a" * 9, b"a" * 17, b"\xff", b"\x01"]),
    st.binary(max_size=20).map(lambda k: k.replace(b"\t", b"").replace(b"\n", b"")),
)
numbers = st.integers(-(10**17), 10**17).map(lambda n: b"%d" % n)
ADDED = {
    "add": numbers,
    "add_labelled": st.tuples(st.sampled_from([b"x", b"y", b""]), numbers, numbers).map(b"\t".join),
}
KINDS = {"add": native.ADD, "add_labelled": native.ADD_LABELLED, "in_order": native.IN_ORDER, None: native.AS_IS}


@pytest.fixture(params=["native", "python"], autouse=True)
def back_end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "native" and native.load() is None:
        pytest.skip("the native library was not built")
    monkeypatch.setenv(native.OFF, str(int(request.param == "native")))
    return str(request.param)


def shuffle(
    folder: Path,
    lines: list[bytes],
    reduces: int,
    memory: int,
    kind: str | None,
    partition: object = hash_partition,
    order: int = native.BY_KEY,
) -> list[list[bytes]]:
    """The lines of each partition, through `Spill` and `merge`."""
    for name in os.listdir(folder):
        os.remove(folder / name)
    combine = None
    if kind == "add":
        combine = add_lines
    elif kind == "add_labelled":

        def combine(lines: Iterator[bytes]) -> Iterator[bytes]:
            for key, group in groupby(lines, key_of):
                values = [line.partition(b"\t")[2] for line in group]
                yield from (b"%s\t%s" % pair for pair in add_labelled(None, key, values))

    spill = Spill(str(folder), reduces, partition, combine, order, memory, KINDS[kind])  # type: ignore[arg-type]
    for line in lines:
        spill.write(line)
        spill.write(b"\n")
        if memory == 1:
            spill._take()
    spill.close()
    return [list(merge(runs, str(folder), order, memory)) for runs in spill.runs]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), reduces=st.integers(1, 4), memory=st.sampled_from([1, 1 << 20]))
@pytest.mark.parametrize("kind", ["add", "add_labelled", None])
def test_reducers_get_every_key_once_in_order(
    tmp_path: Path, kind: str | None, data: st.DataObject, reduces: int, memory: int
) -> None:
    values = ADDED.get(str(kind), st.binary(max_size=5).map(lambda v: v.replace(b"\n", b"")))
    lines = data.draw(st.lists(st.tuples(keys, values).map(b"\t".join), max_size=40))
    found = shuffle(tmp_path, lines, reduces, memory, kind)
    for number, part in enumerate(found):
        names = [key_of(line) for line in part]
        assert names == sorted(names)
        assert all(hash_partition(name, reduces) == number for name in names)
    after = [line for part in found for line in part]
    if kind is None:  # values in the order in which they came
        for key in {key_of(line) for line in lines}:
            assert [v for v in after if key_of(v) == key] == [v for v in lines if key_of(v) == key]
        assert len(after) == len(lines)
    else:
        assert totals(after, kind) == totals(lines, kind)


def totals(lines: list[bytes], kind: str) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = {}
    for line in lines:
        fields = line.split(b"\t")
        head = 1 if kind == "add" else 2
        name = b"\t".join(fields[:head])
        columns = list(map(int, fields[head:]))
        found[name] = [a + b for a, b in zip(found.get(name, [0] * len(columns)), columns)]
    return found


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["add", "add_labelled", "in_order"]), least=st.integers(-5, 5))
def test_the_library_reduces_as_its_twin(
    tmp_path: Path, back_end: str, data: st.DataObject, kind: str, least: int
) -> None:
    if back_end == "python":
        return
    small = st.integers(-3, 3).map(lambda n: b"%d" % n)
    values = {
        "add": small,
        "add_labelled": st.tuples(st.sampled_from([b"x", b"y"]), small, small).map(b"\t".join),
        "in_order": st.sampled_from([b"", b"1", b"\x00", b"a\tb"]),
    }
    runs, expected = [], []
    for number in range(data.draw(st.integers(1, 3))):
        lines = data.draw(st.lists(st.tuples(keys, values[kind]).map(b"\t".join), max_size=20))
        lines.sort(key=(lambda line: line.partition(b"\t")) if kind == "in_order" else key_of)
        path = tmp_path / f"run-{number}"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        runs.append(str(path))
        expected += lines
    expected.sort(key=key_of)
    twin = []
    for key, group in groupby(expected, key_of):
        rows = [line.partition(b"\t")[2] for line in group]
        if kind == "add":
            twin.append(b"%s\t%s\n" % (key, add_columns(rows)))
        elif kind == "add_labelled":
            sums = list(add_labelled(None, key, rows))
            if sum(int(v.rpartition(b"\t")[2]) for _, v in sums) >= least:
                twin += [b"%s\t%s\n" % pair for pair in sums]
        else:
            twin += [b"%s\t%s\n" % pair for pair in in_order(None, key, rows)]
    order = native.BY_VALUE if kind == "in_order" else native.BY_KEY
    assert b"".join(merge_blocks(runs, str(tmp_path), KINDS[kind], order, least)) == b"".join(twin)


@pytest.mark.parametrize("value", [b"x", b"007", b"+1", b"1\t2\t3", b"9" * 19, b"1" + b"0" * 18, b"", b" 1"])
def test_what_the_library_cannot_add_is_left_to_python(tmp_path: Path, back_end: str, value: bytes) -> None:
    if back_end == "python":
        return
    for number in range(2):
        (tmp_path / str(number)).write_bytes(b"k\t%s\n" % (value if number else b"1"))
    with pytest.raises(native.Unsupported):
        list(merge_blocks([str(tmp_path / "0"), str(tmp_path / "1")], str(tmp_path), native.ADD))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), memory=st.sampled_from([1, 1 << 20]))
def test_values_come_in_order_behind_their_keys(tmp_path: Path, data: st.DataObject, memory: int) -> None:
    """A key may hold bytes below the tab, and a value bytes below the line end: neither is the order of whole lines."""
    values = st.one_of(st.sampled_from([b"", b"\x00", b"a", b"a\x05", b"a\x00", b"a\tb"]), st.binary(max_size=20))
    lines = st.tuples(keys, values.map(lambda value: value.replace(b"\n", b""))).map(b"\t".join)
    some = data.draw(st.lists(lines, max_size=60))
    expected = sorted(some, key=lambda line: line.partition(b"\t"))
    assert shuffle(tmp_path, some, 1, memory, None, order=native.BY_VALUE)[:1] == [expected]


def test_a_key_with_many_values_is_sorted_in_linear_time(tmp_path: Path) -> None:
    some = [b"k\tv"] * 100_000 + [b"k\t" + b"v" * 1000] * 100 + [b"k\tv%d" % (i % 7) for i in range(100_000)]
    started = time.process_time()
    found = shuffle(tmp_path, some, 1, 1 << 30, None, order=native.BY_VALUE)
    assert found == [sorted(some)]
    assert time.process_time() - started < 5


def test_labelled_lines_of_one_key_are_added_up_on_the_way(tmp_path: Path, back_end: str) -> None:
    """More lines than are held at once, in the spill and in the merge."""
    some = [b"k\tl%d\t1\t%d" % (i % 5, i) for i in range(200_000)]
    labels = [b"k\tl%d\t40000\t%d" % (label, sum(range(label, 200_000, 5))) for label in range(5)]
    assert shuffle(tmp_path, some, 1, 1 << 30, "add_labelled") == [labels]
    if back_end == "native":
        run = tmp_path / "run"
        run.write_bytes(b"\n".join(some) + b"\nk\tz\tx\n")
        with pytest.raises(native.Unsupported):
            list(merge_blocks([str(run)], str(tmp_path), native.ADD_LABELLED))
        run.write_bytes(b"\n".join(some) + b"\n")
        assert b"".join(merge_blocks([str(run)], str(tmp_path), native.ADD_LABELLED)).split(b"\n")[:-1] == labels


def test_what_cannot_be_added_up_is_left_by_a_combiner(tmp_path: Path, back_end: str) -> None:
    if back_end == "python":
        return
    some = [b"k\tl\t1"] * 100_000 + [b"k\tl\t01"] * 3 + [b"k\tl\t1"] * 100_000 + [b"z\tl\t1"] * 2
    (found,) = shuffle(tmp_path, some, 1, 1 << 30, "add_labelled")
    assert totals(found, "add_labelled") == {b"k\tl": [200_003], b"z\tl": [2]}


def test_refused_lines_leave_nothing_behind(tmp_path: Path, back_end: str) -> None:
    if back_end == "python":
        return
    sorter = native.Sorter(native.load(), 1, 1, native.AS_IS, native.BY_KEY, 1 << 20)
    for refused in (b"b\t1\nno tab\n", b"b\t1\nno end\t1"):
        with pytest.raises(native.Unsupported):
            sorter.write(refused)
    sorter.write(b"a\t1\n")
    assert sorter.spill([str(tmp_path / "run")]) == ([True], 4)
    assert (tmp_path / "run").read_bytes() == b"a\t1\n"


def test_more_runs_than_are_merged_at_a_time(tmp_path: Path) -> None:
    runs = []
    for number in range(FILES * 2 + 3):
        runs.append(str(tmp_path / f"run-{number}"))
        Path(runs[-1]).write_bytes(b"%05d\t%d\nz\t%d\n" % (number * 7 % 131, number, number))
    lines = list(merge(runs, str(tmp_path), memory=1))
    assert lines[: len(runs)] == sorted(lines[: len(runs)])
    assert lines[len(runs) :] == [b"z\t%d" % number for number in range(len(runs))]


def test_fewer_runs_are_merged_where_lines_are_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run has a line in memory."""
    lines = [b"%03d\t" % (i * 7 % 40) + b"v" * 300_000 for i in range(40)]
    seen: list[int] = []
    merged, heap = native.merged, merging._heap
    monkeypatch.setattr(native, "merged", lambda lib, runs, *rest: seen.append(len(runs)) or merged(lib, runs, *rest))
    monkeypatch.setattr(merging, "_heap", lambda runs, order: seen.append(len(runs)) or heap(runs, order))
    monkeypatch.setattr(merging, "task_memory", lambda: 1 << 20)
    assert shuffle(tmp_path, lines, 1, 1, None) == [sorted(lines)]
    assert max(seen) * 300_000 <= 2 << 20 and len(seen) > 5


def test_a_line_beyond_every_buffer(tmp_path: Path) -> None:
    lines = [b"k" * 300_000 + b"\t" + b"v" * 300_000, b"a\t1", b"k" * 300_000 + b"\tw"]
    assert shuffle(tmp_path, lines, 1, 1 << 30, None) == [sorted(lines, key=key_of)]


def test_lines_without_a_tab_get_one() -> None:
    assert with_tabs(b"a\n\nb\tc\n\td\ne\n") == b"a\t\n\t\nb\tc\n\td\ne\t\n"
    assert with_tabs(b"a\tb\n") == b"a\tb\n"


def test_key_field_partition_spills_as_it_says(tmp_path: Path) -> None:
    lines = [b"%d\tv" % number for number in range(50)]
    for number, part in enumerate(shuffle(tmp_path, lines, 3, 1 << 20, None, key_field_partition)):
        assert part == sorted(line for line in lines if key_field_partition(key_of(line), 3) == number)


def test_values_are_sorted_in_the_runs_where_no_combiner_changes_them() -> None:
    class Sorted(Job):
        INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = TextJob.INTERNAL_PROTOCOL
        reducer = in_order

    class Combined(Sorted):
        combiner = add

    assert kind_of(Sorted([]), 0, "reducer") == (native.IN_ORDER, LEAST)
    assert kind_of(Combined([]), 0, "reducer") is None
