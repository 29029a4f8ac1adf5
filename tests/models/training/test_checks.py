"""What is told before training: labels and leaks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mapreduce.errors import LeakError
from models.train import main
from models.training.checks import check, typing_errors, warnings


def write(path: Path, records: dict[str, list[str]]) -> str:
    path.write_text("".join(f"{label}\t{text}\n" for label, texts in records.items() for text in texts))
    return str(path)


def numbered(name: str, n: int) -> list[str]:
    return [f"{name} {i}" for i in range(n)]


def test_everything_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(
        tmp_path / "train.tsv",
        {
            "sports": numbered("ball", 100),
            "sport": numbered("x", 2),
            "Politics": ["vote"],
            "politics": numbered("y", 50),
        },
    )
    test = write(
        tmp_path / "test.tsv", {"sports": ["ball 3", "ball 3", "new"], "polticis": ["a", "b"], "weather": ["vote"]}
    )
    found = check([train], [test])
    assert found == {"labels": {"Politics": 1, "politics": 50, "sport": 2, "sports": 100}, "leaks": 3, "salt": "16"}
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "warning: labels with one record, which cannot be validated: 'Politics'",
        "warning: label 'Politics' (1) may be a typing error of 'politics' (50)",
        "warning: label 'sport' (2) may be a typing error of 'sports' (100)",
        "warning: imbalanced: 'sports' has 100 records (65 %) and 'Politics' 1",
        "warning: 3 test records have labels that training never sees and count as wrong: "
        "'polticis' (for 'politics'?), 'weather'",
        "warning: 3 of 6 test records (2 texts) are in the training set as well; jobs/duplicates.py lists them, and "
        "similar ones",
        "labels that are not in both splits: 'sport'; with --salt 16 all of two or more records are, so it is taken",
    ]
    with pytest.raises(LeakError, match="3 of 6 test records") as error:
        check([train], [test], forbid_leaks=True)
    assert error.value.exit_code == 4


def test_nothing_is_said_where_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "train.tsv", {"pos": numbered("good", 40), "neg": numbered("bad", 40)})
    test = write(tmp_path / "test.tsv", {"pos": ["c"], "neg": ["d"]})
    assert check([train], [test], forbid_leaks=True)["leaks"] == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("one", "other", "is_error"),
    [
        ("sprots", "sports", True),
        ("sporrts", "sports", True),
        ("spirts", "sports", True),
        ("sports ", "sports", True),
        ("alt.atheism", "alt.theism", True),
        ("cpi", "cpu", False),
        ("1001", "1002", False),
        ("spoons", "sports", False),
    ],
)
def test_typing_errors(one: str, other: str, is_error: bool) -> None:
    assert typing_errors(Counter({one: 3, other: 100})) == ([(one, other)] if is_error else [])
    assert typing_errors(Counter({one: 50, other: 100})) == []


def test_many_labels_take_no_time() -> None:
    labels = Counter({f"label number {i}": 1 + i % 50 for i in range(20_000)})
    assert sum(1 for _ in warnings(labels)) > 0


def test_no_tensorflow() -> None:
    code = "import models.training.checks, sys; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_fails_where_leaks_are_forbidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "train.tsv", {"pos": numbered("a", 9), "neg": numbered("b", 9)})
    output = tmp_path / "model"
    assert main(["--train", train, "--test", train, "--output", str(output), "--forbid-leaks"]) == 4
    assert "18 of 18 test records" in capsys.readouterr().err and not output.exists()


@pytest.mark.data
@pytest.mark.parametrize(("name", "leaks"), [("20ng", 7), ("r52", 6), ("r8", 4)])
def test_leaks_of_the_data_sets(name: str, leaks: int, root: Path) -> None:
    raw = root / "data" / "raw"
    assert check([str(raw / f"{name}-train.tsv")], [str(raw / f"{name}-test.tsv")])["leaks"] == leaks
