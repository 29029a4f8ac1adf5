"""Candidates that one validation split cannot tell apart are compared on further ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from models.training import fit_linear, redraws, train_texts
from models.training.candidates import candidates
from models.training.in_memory import InMemory
from models.training.scores import Scores
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.test_train import write


def of(*accuracies: float) -> dict[str, Scores]:
    return {str(number): Scores(one, 0.5, 0.5) for number, one in enumerate(accuracies)}


def noisy(number: int) -> list[tuple[str, str]]:
    """Records of which a fifth have the other label."""
    draw = random.Random(0)
    found = []
    for i in range(number):
        label = draw.choice("ab")
        words = [draw.choice("xy" if label == "a" else "zy") + str(draw.randrange(9)) for _ in range(4)]
        found.append((label if draw.random() < 0.8 else "ab".replace(label, ""), " ".join([*words, f"w{i}"])))
    return found


@pytest.mark.parametrize(
    ("accuracies", "records", "expected"),
    [
        ((0.9, 0.88, 0.86), 100, ["0", "1"]),  # an error of 0.03
        ((0.86, 0.88, 0.9), 100, ["1", "2"]),
        ((0.9, 0.88, 0.86), 10_000, []),
        ((0.9,), 100, []),
        ((1.0, 1.0), 100, []),  # there is no error, and the other scores decide
        ((0.5, 0.5), 100, ["0", "1"]),
    ],
)
def test_what_is_close(accuracies: tuple[float, ...], records: int, expected: list[str]) -> None:
    assert redraws.close(of(*accuracies), records) == expected


def test_the_mean_decides(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = Stages([write(tmp_path / "t.tsv", noisy(300))], tmp_path / "work", runner="inline")
    names = ("igm", "tf-idf")
    choice = train_texts.choose(stages, "linear", Settings(candidates=names))
    words = capfd.readouterr().err
    assert "too close to tell by one validation split: igm, tf-idf; further ones decide" in words
    assert choice.found["draws"] == [0, 1, 2] and isinstance(choice.trials, InMemory)
    accuracies = {
        one.name: [choice.trials.redraw(draw).try_out(one).scores.accuracy for draw in range(3)]
        for one in candidates("linear", names=names)
    }
    for name, scores in choice.scores.items():
        assert scores["accuracy"] == pytest.approx(sum(accuracies[name]) / 3, abs=1e-4)
        assert len(set(accuracies[name])) > 1  # they are other splits
    best = max(names, key=lambda name: (sum(accuracies[name]), choice.scores[name]["macro-f1"]))
    assert choice.best.candidate.name == best and f"chosen: {best}\n" in words


def test_a_split_that_lacks_a_label_is_not_drawn(tmp_path: Path) -> None:
    records = [*noisy(100), *(("rare", f"r {i}") for i in range(3)), ("single", "s")]
    stages = Stages([write(tmp_path / "t.tsv", records)], tmp_path / "work", runner="inline")
    every = {label: sum(label == one for one, _ in records) for label in ("a", "b", "rare", "single")}
    trials = InMemory(stages, candidates("linear", 4), every, Settings())
    drawn = list(redraws.draws(trials, every))
    assert len(drawn) <= redraws.DRAWS
    for other in drawn:
        assert 0 < other.documents()["rare"] < 3
    left_out = set(range(1, redraws.TRIED + 1)) - {other.draw for other in drawn}
    assert any(trials.redraw(draw).documents()["rare"] in (0, 3) for draw in left_out)


@pytest.mark.slow
def test_networks_and_split_files_are_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "t.tsv", noisy(200))
    held = write(tmp_path / "v.tsv", [(label, f"{text} v") for label, text in noisy(30)])
    settings = Settings(candidates=("igm", "tf-idf"), epochs=1)
    stages = Stages([tmp_path / "t.tsv"], tmp_path / "one", runner="inline", validation=str(held))
    assert "draws" not in train_texts.choose(stages, "linear", settings).found
    stages = Stages([tmp_path / "t.tsv"], tmp_path / "two", runner="inline")
    monkeypatch.setattr(fit_linear, "fits", lambda candidate: False)  # TensorFlow does
    assert "draws" not in train_texts.choose(stages, "linear", settings).found
