"""Measures agree with scikit-learn's, and every label of the test file counts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from models.evaluate import Evaluation, evaluate, main
from models.training import calibration

sklearn_metrics = pytest.importorskip("sklearn.metrics")


class Fixed:
    """Predicts what the text says."""

    labels = ["a", "b", "c", "never"]

    def __call__(self, texts: list[str]) -> np.ndarray[Any, Any]:
        """Sure by 0.7 of the label that is the text."""
        return 0.1 + 0.6 * np.array([[text == label for label in self.labels] for text in texts])


def test_equal_to_scikit_learn() -> None:
    r = random.Random(3)
    true = r.choices(["a", "b", "c", "unknown"], [5, 3, 1, 1], k=500)
    predicted = [t if r.random() < 0.6 and t != "unknown" else r.choice("abc") for t in true]
    found = evaluate(Fixed(), predicted, true)  # type: ignore[arg-type]
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(true, predicted))
    assert found.macro_f1 == pytest.approx(sklearn_metrics.f1_score(true, predicted, average="macro", zero_division=0))
    table = sklearn_metrics.classification_report(true, predicted, output_dict=True, zero_division=0)
    for label in found.seen:
        expected = table[label]
        names = ("precision", "recall", "f1-score", "support")
        assert found.scores(label) == pytest.approx([expected[name] for name in names])
    matrix = sklearn_metrics.confusion_matrix(true, predicted, labels=found.seen).tolist()
    assert [[found.confusion[t, p] for p in found.seen] for t in found.seen] == matrix
    assert found.unknown == {"unknown": true.count("unknown")}
    assert found.calibration_error == pytest.approx(abs(0.7 - found.accuracy))


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(UserError, match="0 texts"):
        evaluate(Fixed(), [], [])  # type: ignore[arg-type]
    with pytest.raises(UserError, match="1 texts, 2 labels"):
        evaluate(Fixed(), ["a"], ["a", "b"])  # type: ignore[arg-type]


def test_the_command(one_model: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    test = tmp_path / "test.tsv"
    test.write_bytes("up\trise\nup\tfall\ndöwn\tFall!\r\nnew\tfall\nno tab\n".encode())
    assert main([str(one_model), str(test)]) == 0
    out, err = capsysbinary.readouterr()
    sure = models.load(one_model)(["rise", "fall", "Fall!", "fall"]).max(axis=1)
    error = calibration.error(sure, np.array([True, False, True, False]))
    assert out.decode() == (
        f"accuracy 0.5000\nmacro F1 0.3889\ncalibration error {error:.4f}\n\n"
        "label\tprecision\trecall\tF1\tdocuments\n"
        "döwn\t0.3333\t1.0000\t0.5000\t1\nnew\t0.0000\t0.0000\t0.0000\t1\nup\t1.0000\t0.5000\t0.6667\t2\n\n"
        "true \\ predicted\tdöwn\tnew\tup\ndöwn\t1\t0\t0\nnew\t1\t0\t0\nup\t1\t0\t1\n"
    )
    said = err.decode().splitlines()
    assert "1 of 5 lines are no tsv records: no label (1)" in said[0]
    assert said[1] == "evaluate: labels that the model was not trained on count as wrong: 'new' (1)"


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("none.tsv", None, "no such input file"),
        ("lines.txt", b"rise\n", "no label column in plain text; give --format"),
        ("empty.tsv", b"", "no labelled record"),
        ("bad.tsv", b"rise\n", "1 of 1 lines are no tsv records"),
        ("bad.csv", b"a,b\n1,2\n", "no one column 'text'"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    name: str,
    content: bytes | None,
    match: str,
    one_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main([str(one_model), str(tmp_path / name)]) != 0
    out, err = capsys.readouterr()
    assert out == "" and match in err and err.count("\n") == 1


def test_the_measures_agree_with_the_model(one_model: Path) -> None:
    texts, labels = ["rise", "west", "fall"], ["up", "up", "döwn"]
    found = evaluate(models.load(one_model), texts, labels)
    assert isinstance(found, Evaluation) and found.accuracy == pytest.approx(2 / 3)
    assert found.confusion == {("up", "up"): 1, ("up", "left right"): 1, ("döwn", "döwn"): 1}
