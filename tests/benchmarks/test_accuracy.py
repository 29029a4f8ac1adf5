"""The README's table: rows replace those of their data set, folds cover every record once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mapreduce.errors import UserError
from tests.benchmarks import accuracy, accuracy_networks


def test_rows_stand_in_one_order_and_replace_earlier_ones(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    begin, end = accuracy.TABLE.markers
    readme.write_text(f"before\n{begin}{end}\nafter\n")
    for row in ("| TREC | 1 |", "| R8 | 2 |", "| TREC | 3 |"):
        accuracy.write_row(readme, row)
    table = "\n".join([*accuracy.TABLE.lines([]), "| R8 | 2 |", "| TREC | 3 |"])
    assert readme.read_text() == f"before\n{begin}{table}\n{end}\nafter\n"


def test_a_file_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no table")
    with pytest.raises(UserError, match="to put the table between"):
        accuracy.write_row(tmp_path / "README.md", "| R8 | 2 |")


def test_the_readme_has_the_markers(root: Path) -> None:
    text = (root / "README.md").read_text()
    for table in (accuracy.TABLE, accuracy_networks.TABLE):
        assert [text.count(marker) for marker in table.markers] == [1, 1]


def test_folds_test_every_record_once_and_never_train_on_it(tmp_path: Path) -> None:
    records = [f"pos\ttext {i}\n".encode() for i in range(53)]
    (tmp_path / "mr.tsv").write_bytes(b"".join(records))
    pairs = accuracy.folds(tmp_path / "mr.tsv", tmp_path / "folds")
    tested = [line for _, test in pairs for line in test.read_bytes().splitlines(keepends=True)]
    assert len(pairs) == accuracy.FOLDS and sorted(tested) == sorted(records) and tested != records
    for train, test in pairs:
        lines = train.read_bytes().splitlines(keepends=True) + test.read_bytes().splitlines(keepends=True)
        assert sorted(lines) == sorted(records)


def test_the_mean_of_folds_names_their_choices() -> None:
    found = [accuracy.Measured(*one) for one in ((0.5, "a", 1.0, 2.0), (0.75, "b", 3.0, 4.0), (1.0, "a", 2.0, 3.0))]
    assert accuracy.mean(found) == accuracy.Measured(0.75, "a (2), b (1)", 2.0, 9.0)


def test_the_peer_learns(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    lines = "".join(
        f"{label}\t{word} film {i}\n" for i in range(9) for label, word in (("pos", "good"), ("neg", "bad"))
    )
    (tmp_path / "train.tsv").write_text(lines)
    (tmp_path / "test.tsv").write_text("pos\ta good film\nneg\tso bad\nneg\tgood good\n")
    assert accuracy.scikit_learn(tmp_path / "train.tsv", tmp_path / "test.tsv") == pytest.approx(2 / 3)


def test_what_a_command_takes_is_measured(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"a\" * 200_000_000; sum(range(10**7))'])"
    )
    found = accuracy.run([sys.executable, "-c", f"{program}; print('accuracy 0.5')"])
    assert found.accuracy == 0.5 and found.peak > 190 and 0.05 < found.cpu < found.seconds + 5
    with pytest.raises(UserError, match="ended with exit code 3"):
        accuracy.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_missing_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main(["trec", "--trec", str(tmp_path), "--work", str(tmp_path)]) == 2
    out, words = capsys.readouterr()
    assert out == "" and "trec-train.tsv: no such file" in words
