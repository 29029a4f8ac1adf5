"""What is told before training: labels and leaks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mapreduce.errors import LeakError, UserError
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
        ("C02", "C04", False),
        ("item 1", "item 2", False),
        ("item 1", "item 12", False),
        ("item1", "item 1", True),
        ("itme 1", "item 1", True),
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


def lines(path: Path, pairs: list[tuple[str, str]]) -> str:
    path.write_text("".join(f"{label}\t{text}\n" for label, text in pairs))
    return str(path)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (
            [(f"{i / 7:.2f}", f"a film {i}") for i in range(20)],
            "20 labels in 20 records, such as 0.00: they are numbers",
        ),
        ([(f"{i}", f"a film {i}") for i in range(30)], "numbers, and this is regression, which is not here yet"),
        ([(f"{i % 97 / 7:.2f}", f"a film {i}") for i in range(2000)], "97 labels in 2000 records, such as 0.00: they"),
        ([(f"a long film {i}", "pos") for i in range(5)], "give --text-field 1 --label-field 2"),
        ([(f"a long film {i}", "pos") for i in range(20)], "give --text-field 1 --label-field 2"),
        ([(f"tt{i}", f"a film {i}") for i in range(11)] + [("tt0", "more")] * 9, "they may be ids"),
        ([(f"tt{i % 1001}", f"a film {i}") for i in range(4000)], "1001 labels in 4000 records"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, pairs: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(UserError) as error:
        check([lines(tmp_path / "train.tsv", pairs)])
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "pairs",
    [
        [(f"tt{i % 18}", f"a film {i}") for i in range(19)],
        [(f"{i % 90 / 10}", f"a section {i}") for i in range(4500)],
        [(f"{i % 10}", f"a film {i}") for i in range(20)],
        [(f"tt{i % 1000}", f"a film {i}") for i in range(3000)],
    ],
)
def test_many_classes_are_classes(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    assert len(check([lines(tmp_path / "train.tsv", pairs)])["labels"]) > 9


@pytest.mark.parametrize(
    ("name", "line", "reading", "said"),
    [
        ("a.jsonl", '{"label": "a long film %d", "text": "pos"}\n', {}, "--text-field label --label-field text"),
        ("a.tsv", "pos\ta long film %d\n", {"text_field": "1", "label_field": "2"}, "--text-field 2 --label-field 1"),
    ],
)
def test_swapped_fields_are_named_the_other_way_round(
    tmp_path: Path, name: str, line: str, reading: dict[str, str], said: str
) -> None:
    (tmp_path / name).write_text("".join(line % i for i in range(20)))
    with pytest.raises(UserError, match=f"if the columns are swapped, give {said}"):
        check([str(tmp_path / name)], **reading)  # type: ignore[arg-type]


def test_texts_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    pairs = [("pos", "the same text"), ("neg", "the same text")] * 100
    with pytest.raises(UserError, match="all 200 texts are 'the same text', so nothing tells labels apart"):
        check([lines(tmp_path / "train.tsv", pairs)])
    check([lines(tmp_path / "train.tsv", [*pairs, ("pos", "another")])])


def test_what_looks_like_a_header_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = [(label, f"{label} film {i}") for label in ("good", "bad") for i in range(60)]
    path = lines(tmp_path / "train.tsv", [("Label", "what they say"), *body])
    said = "'Label' and 'what they say' in the first record: a header line? give --header yes"
    check([path])
    assert said in capsys.readouterr().err
    check([path], header="no")
    assert "header" not in capsys.readouterr().err
    other = lines(tmp_path / "more.tsv", [("Label", "what they say"), *body])
    check([path, other])
    assert said in capsys.readouterr().err
    check([lines(tmp_path / "train.tsv", [("class", "text one"), ("class", "text two"), *body])])  # a label so called
    assert "header" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("", "no record; give a labelled --test file"),
        ("\ta text\n", "no label (1)"),
        (None, "no label in its records"),
    ],
)
def test_a_test_file_without_labels_is_found_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], test: str | None, said: str
) -> None:
    train = write(tmp_path / "train.tsv", {"pos": numbered("a", 9), "neg": numbered("b", 9)})
    path = tmp_path / ("test.txt" if test is None else "test.tsv")
    path.write_text("a text\n" if test is None else test)
    code = main(["--train", train, "--test", str(path), "--output", str(tmp_path / "model")])
    words = capsys.readouterr().err
    assert code in (2, 3) and said in words and "fit" not in words
    assert not (tmp_path / "model.work").exists()


def test_class_folders_are_converted_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("pos", "neg"):
        (tmp_path / "my films" / label).mkdir(parents=True)
        (tmp_path / "my films" / label / "1.txt").write_text("a film")
    assert main(["--train", str(tmp_path / "my films"), "--output", str(tmp_path / "model")]) == 2
    words = capsys.readouterr().err
    assert words.count("\n") == 1 and f"python data/convert.py '{tmp_path}/my films' --output train.tsv" in words
