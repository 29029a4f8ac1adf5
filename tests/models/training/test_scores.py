"""Scores on the validation split, and how candidates that tie are told apart."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.training import candidates, train_texts
from models.training.in_memory import InMemory
from models.training.runs import Unfit
from models.training.scores import Scores, measure
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.test_train import VALIDATION, documents, write


def test_scores_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.2, 0.2, 0.6]]))
    found = measure(logits, np.array([0, 1, 1, -1]))
    # F1 of -1, 0, 1 and 2: 0, 2/3, 2/3 and 0.
    assert found.accuracy == 0.5 and found.macro_f1 == pytest.approx(1 / 3)
    assert found.log_loss == pytest.approx(-(math.log(0.5) + math.log(0.25) + math.log(0.5)) / 3)
    assert measure(logits, np.full(4, -1)) == Scores(0.0, 0.0, math.log(3))


def test_the_scale_changes_nothing_but_the_log_loss() -> None:
    logits, y = np.array([[1.0, 0.0], [0.0, 3.0]]), np.array([0, 1])
    one, two = measure(logits, y), measure(logits, y, 2.0)
    assert one.rank("accuracy")[:2] == two.rank("accuracy")[:2] and two.log_loss < one.log_loss


def test_ties_go_to_macro_f1_and_then_to_log_loss() -> None:
    worse, better, best = Scores(0.9, 0.5, 0.1), Scores(0.9, 0.6, 0.3), Scores(0.9, 0.6, 0.2)
    assert sorted([best, worse, better], key=lambda one: one.rank("accuracy")) == [worse, better, best]
    sure = Scores(0.8, 0.7, 0.05)
    assert max([best, sure], key=lambda one: one.rank("accuracy")) == best
    assert max([best, sure], key=lambda one: one.rank("macro-f1")) == sure
    assert max([best, sure], key=lambda one: one.rank("log-loss")) == sure


def test_candidates_that_know_no_more_than_the_majority_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = documents(90, 0)
    monkeypatch.setattr(InMemory, "try_out", lambda trials, candidate: answers[candidate.name])
    stages = Stages([write(tmp_path / "train.tsv", found)], tmp_path / "work", runner="inline")
    names = ("igm", "tf-idf")
    tried = train_texts._candidates("linear", Settings(candidates=names))
    validation = [label for label, text in found if text.encode() in VALIDATION]
    most = max(set(validation), key=validation.count)
    share = validation.count(most) / len(validation)
    answers = {
        one.name: train_texts.Tried(one, Scores(share, 0.2 + 0.1 * place, 0.5), 1.0, [])
        for place, one in enumerate(tried)
    }
    choice = train_texts.choose(stages, "linear", Settings(candidates=names))
    assert choice.best.candidate.name == "tf-idf"
    assert choice.scores["igm"] == {"accuracy": round(share, 4), "macro-f1": 0.2, "log-loss": 0.5}
    assert f"warning: no candidate is better on validation than to answer '{most}' always" in capsys.readouterr().err
    answers["igm"] = train_texts.Tried(tried[0], Scores(share + 0.1, 0.2, 0.5), 1.0, [])
    assert train_texts.choose(stages, "linear", Settings(candidates=names)).best.candidate.name == "igm"
    assert "no candidate is better" not in capsys.readouterr().err


def test_a_candidate_that_cannot_be_fitted_is_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No word is in two documents, which "naive bayes" wants; and a rate at which every loss grows beyond all numbers.
    found = [("some" if i % 3 else "other", f"w{i} x{i}") for i in range(60)]
    path = write(tmp_path / "train.tsv", found)
    made = {one.name: replace(one, epochs=2, fewest=2) for one in candidates._TEXTS["linear"]()}
    first = replace(made["igm"], rate=1e30)
    monkeypatch.setitem(candidates._TEXTS, "linear", lambda: [first, made["naive bayes"], made["tf-idf"]])
    stages = Stages([path], tmp_path / "work", runner="inline")
    choice = train_texts.choose(stages, "linear", Settings())
    words = capfd.readouterr().err
    assert "left out: candidate igm: the loss is " in words
    assert "left out: candidate naive bayes: " in words
    assert "no document of label 'other' holds a token of 2 or more documents" in words
    assert choice.best.candidate.name == "tf-idf" and set(choice.scores) == {"tf-idf"}
    splits = choice.found["splits"]
    assert sum(splits.values()) == 60 and splits["validation"] == sum(text.encode() in VALIDATION for _, text in found)
    with pytest.raises(Unfit, match=r"naive bayes: .*train\.tsv, train split: no document of label 'other'"):
        train_texts.choose(stages, "linear", Settings(candidates=("naive bayes",)))
    assert "left out" not in capfd.readouterr().err
