"""The benchmark of classifiers: what its sets are split into, what its peers choose on, and when a floor holds."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mapreduce.errors import UserError
from tests.benchmarks import bench_classify, classify_peers
from tests.benchmarks.accuracy import Measured
from tests.benchmarks.bench_classify import FLOORS, PARTS, Floor


@pytest.mark.parametrize("count", [10_000, 10_799, 10_800, 120_000])
def test_the_last_tenth_of_each_part_is_the_test(count: int) -> None:
    places = [bench_classify.place(i, count) for i in range(count)]
    parts = [part for part, _ in places]
    assert parts == sorted(parts) and set(parts) == set(range(PARTS))
    for part, size in Counter(parts).items():
        assert size in (count // PARTS, count // PARTS + 1)
        tested = [test for one, test in places if one == part]
        assert tested == [False] * (size - size // 10) + [True] * (size // 10)


def test_sentences_are_taken_from_the_whole_text_and_none_twice(tmp_path: Path) -> None:
    books = tmp_path / "books.txt"
    books.write_text("".join(f"Number {i} is\there. So is Dr. {i}!  And?\n\n" for i in range(1000)))
    assert list(bench_classify.read_sentences(books))[:4] == ["Number 0 is here.", "So is Dr.", "0!", "And?"]
    train, test = bench_classify.write_sentences(books, 3999, tmp_path)
    records = [path.read_text().splitlines() for path in (train, test)]
    labels = [{line.split("\t")[0] for line in lines} for lines in records]
    assert labels[0] == labels[1] == {f"part{i:02}" for i in range(PARTS)}
    texts = Counter(line.split("\t")[1] for lines in records for line in lines)
    assert texts["And?"] in (999, 1000) and sum(texts.values()) == 3999
    assert texts["Number 0 is here."] == 1 and "999!" in texts
    with pytest.raises(UserError, match="has 4000 sentences, fewer than 4001"):
        bench_classify.write_sentences(books, 4001, tmp_path)


def taken(cpu: float, seconds: float = 1.0, accuracy: float = 0.9) -> Measured:
    return Measured(accuracy, "", 0.0, seconds, cpu)


def test_a_floor_holds_at_its_number_and_not_above() -> None:
    floors = [Floor("quick", "cpu", 0.25, "sklearn", ("20ng",))]
    peer = [taken(8.0), taken(8.0), taken(8.0)]
    at, above = [taken(2.0), taken(1.0), taken(9.0)], [taken(2.1), taken(1.0), taken(9.0)]
    assert bench_classify.broken("20ng", {"quick": at, "sklearn": peer}, floors) == []
    (line,) = bench_classify.broken("20ng", {"quick": above, "sklearn": peer}, floors)
    assert line == "20ng: quick takes 0.263 of sklearn's cpu, and 0.25 is the most"


def test_ratios_are_of_a_round_each() -> None:
    """A round in which the machine is busy slows both sides."""
    floors = [Floor("normal", "seconds", 0.5, "fasttext", ("mr",))]
    ours, theirs = ([taken(0.0, seconds) for seconds in times] for times in ((4, 400, 6), (10, 1000, 10)))
    assert bench_classify.broken("mr", {"normal": ours, "fasttext": theirs}, floors) == []


def test_accuracy_is_a_floor_where_it_says_so() -> None:
    accurate, fast = (Floor("normal", "seconds", 0.5, "fasttext", ("mr",), accurate=one) for one in (True, False))
    ours, better, level = (taken(1.0, seconds, number) for seconds, number in ((1, 0.8), (9, 0.8001), (9, 0.8)))
    (line,) = bench_classify.broken("mr", {"normal": [ours], "fasttext": [better]}, [accurate])
    assert line == "mr: the accuracy of normal is 0.8000, below fasttext's 0.8001"
    assert bench_classify.broken("mr", {"normal": [ours], "fasttext": [better]}, [fast]) == []
    assert bench_classify.broken("mr", {"normal": [ours], "fasttext": [level]}, [accurate]) == []


def test_what_was_not_measured_is_not_judged() -> None:
    floors = [Floor("quick", "cpu", 0.25, "sklearn", ("20ng",))]
    slow, peer = [taken(100.0)], [taken(1.0)]
    assert len(bench_classify.broken("20ng", {"quick": slow, "sklearn": peer}, floors)) == 1
    assert bench_classify.broken("imdb", {"quick": slow, "sklearn": peer}, floors) == []
    assert bench_classify.broken("20ng", {"best": slow, "sklearn": peer}, floors) == []
    assert bench_classify.broken("20ng", {"quick": slow, "fasttext": peer}, floors) == []


def test_floors_name_what_there_is() -> None:
    for floor in FLOORS:
        assert floor.effort in bench_classify.EFFORTS and floor.peer in classify_peers.PEERS
        assert set(floor.sets) <= set(bench_classify.SETS) and hasattr(taken(1.0), floor.measure)


def test_a_row_has_a_cell_for_each_column() -> None:
    peers = ["sklearn", "fasttext"]
    found = {"normal": [taken(3.0, 2.0)], "sklearn": [taken(6.0, 8.0)], "fasttext": [taken(4.0, 1.0)]}
    head = bench_classify.header(peers)
    rows = bench_classify.rows("mr", found, peers)
    assert rows[0] == "| mr | ours, normal | 3.0 | 2.0 | 0 | 0.9000 | 0.500 | 0.250 | 0.750 | 2.000 |"
    assert {line.count("|") for line in (*head, *rows)} == {11} and len(rows) == 3


def test_a_tenth_is_held_out_of_what_peers_choose_on() -> None:
    records = [("pos", f"text {i}") for i in range(95)]
    fitted, held_out = classify_peers.split(records)
    assert len(held_out) == 10 and sorted([*fitted, *held_out]) == sorted(records)
    assert classify_peers.split(records) == (fitted, held_out) and held_out != records[::10]


@pytest.mark.parametrize("name", classify_peers.PEERS)
def test_peers_learn(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    lines = [f"{label}\t{word} film {i}\n" for i in range(50) for label, word in (("so good", "good"), ("bad", "bad"))]
    train.write_text("".join(lines))
    test.write_text("so good\tGood film\nbad\tbad, bad\nso good\tbad\nunseen\tgood\n")
    command = [sys.executable, classify_peers.__file__, name, str(train), str(test)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"accuracy 0.5000\n"


@pytest.mark.parametrize(("cpu", "code"), [(1.5, 0), (1.6, 1)])
def test_a_floor_that_falls_is_the_exit_code(
    cpu: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sides: list[str] = []

    def measure(side: str, split: tuple[Path, Path], work: Path) -> Measured:
        sides.append(side)
        return taken(cpu if side == "normal" else 1.0)

    monkeypatch.setattr(bench_classify, "measure", measure)
    for name in ("trec-train.tsv", "trec-test.tsv"):
        (tmp_path / name).write_text("pos\ta film\n")
    given = ["--sets", "trec", "--efforts", "normal", "--peers", "sklearn", "--rounds", "2", "--raw", str(tmp_path)]
    assert bench_classify.main(given) == code
    out, words = capsys.readouterr()
    assert len(out.splitlines()) == 4 and ("and 1.5 is the most" in words) == bool(code)
    assert sides == ["normal", "sklearn", "normal", "sklearn", "sklearn", "normal"]  # the first two are not counted


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, words in (
        (["--sets", "sentences"], "give the text that they are taken from, --books FILE"),
        (["--sets", "sentences", "--books", str(tmp_path / "none")], "none: no such file"),
        (["--sets", "trec", "--raw", str(tmp_path)], "trec-train.tsv: no such file"),
    ):
        assert bench_classify.main(given) == 2
        out, said = capsys.readouterr()
        assert out == "" and words in said
