"""Records that a program holds make the model that a file of them makes; what is none of them is counted and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from mapreduce.errors import RecordError, UserError
from mapreduce.output import manifest
from models import records
from models.training import candidates
from tests.models.test_train import documents

PAIRS = documents(90, 0)


@pytest.fixture(autouse=True)
def one_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one is chosen is not what is tested."""
    monkeypatch.setitem(candidates._TEXTS, "linear", lambda made=candidates._TEXTS["linear"]: made()[:1])


def lines(found: Any, **more: Any) -> list[tuple[str, str]]:
    """The pairs that are written."""
    settings = {"text": "text", "label": "label", "most": 0.01, **more}
    return [(one["label"], one["text"]) for one in map(json.loads, records._lines(found, **settings))]


def test_a_table_makes_a_model_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frame = pandas.DataFrame(PAIRS, columns=["topic", "words"])
    model = records.fit(frame, tmp_path / "model", text="words", label="topic")
    tests = documents(30, 2)
    right = sum(label == found for (label, _), found in zip(tests, model.predict([text for _, text in tests])))
    assert right > 25
    assert model.manifest["results"]["labels"] == {"food": 30, "money": 30, "sport": 30}
    made = (tmp_path / "model").stat().st_ino
    capfd.readouterr()
    records.fit(({"label": label, "text": text} for label, text in PAIRS), tmp_path / "model")
    assert "up to date" in capfd.readouterr().err and (tmp_path / "model").stat().st_ino == made
    (described,) = manifest.read(tmp_path / "model")["inputs"]
    assert described["path"] == str(tmp_path / "model.work" / "records.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.work"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([("a", "one"), ["b", "two\n\u2028\ud800"]], [("a", "one"), ("b", "two\n\u2028\ud800")]),
        ([{"label": 3, "text": "x", "more": None}, {"label": np.int64(-4), "text": "y"}], [(3, "x"), (-4, "y")]),
        (pandas.DataFrame({"label": [1, 2], "text": ["x", "y"]}), [(1, "x"), (2, "y")]),
        (pandas.DataFrame({"label": pandas.Categorical(["p", "q"]), "text": ["x", "y"]}), [("p", "x"), ("q", "y")]),
    ],
)
def test_what_is_a_record(found: Any, expected: list[tuple[Any, str]]) -> None:
    assert lines(found) == expected


def test_what_is_none_is_counted_and_the_first_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pandas.DataFrame({"label": ["a", None, "b", "c"], "text": ["x", "y", np.nan, pandas.NA]})
    with pytest.raises(RecordError) as error:
        lines(frame)
    assert re.fullmatch(
        r"3 of 4 records are none: no text \(2\), no label \(1\); the first: record 1, \((None|nan), 'y'\); more than "
        r"max_rejected=0.01; mend them, or give other fields \(text='text', label='label'\)",
        str(error.value),
    )
    assert lines(frame, most=3) == [("a", "x")]
    assert capsys.readouterr().err.startswith("fit: 3 of 4 records are none: no text (2), no label (1); ")
    strange = [(True, "x"), (1.0, "x"), ("\t", "x"), ("a\tb", "x"), ("a", b"x"), ("a", " "), ("a", 3)]
    with pytest.raises(RecordError, match="7 of 8 records are none: no label"):
        lines([("a", "x"), *strange])
    with pytest.raises(RecordError, match=r"the first: record 0, \{'review': 'x'"):
        lines([{"review": "x", "label": "a"}])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (pandas.DataFrame({"label": ["a"]}), r"0 columns 'text' and not one; there are \['label'\]"),
        ({"label": ["a"], "text": ["x"]}, "Received: dict"),
        ("text", "Received: str"),
        (3, "Received: int"),
        ([("a", "x"), ("a", "b", "c")], "record 1 is neither a dict nor a pair"),
        (["xy"], "record 0 is neither"),
        ([], "no records to train on"),
    ],
)
def test_what_cannot_be_records_is_one_line_and_leaves_nothing(found: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said) as error:
        records.fit(found, tmp_path / "model")
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


def test_a_model_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mlp reads images, and .* holds texts"):
        records.fit(PAIRS, tmp_path / "model", model="mlp")
