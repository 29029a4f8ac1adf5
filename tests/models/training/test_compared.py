"""Several models on the same records: which is taken, what a budget leaves out, and that a configuration repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from mapreduce.output import manifest
from models import train
from models.training import compared
from models.training.candidates import TEXT_MODELS, split_models
from models.training.compared import Rival
from models.training.scores import measure
from tests.models.small_training import run
from tests.models.test_train import documents, write


def rival(answers: list[int], y: np.ndarray[Any, Any], **shares: float) -> Rival:
    logits = np.eye(3, dtype=np.float32)[answers]
    return Rival(shares, logits, 1.0, measure(logits, y))


def test_another_one_has_to_be_better_beyond_chance() -> None:
    y = np.array([0, 1] * 50)
    right = y.tolist()

    def wrong(*places: int) -> list[int]:
        return [2 if place in places else label for place, label in enumerate(right)]

    first = rival(wrong(*range(10)), y, linear=1.0)
    same_but_one = rival(wrong(*range(1, 10)), y, textcnn=1.0)  # 1 gained, none lost: as likely as not by chance
    assert compared._best([first, same_but_one], y, "accuracy") is first
    other = rival(wrong(*range(20, 29)), y, textcnn=1.0)  # 10 gained, 9 lost
    assert compared._best([first, other], y, "accuracy") is first
    better = rival(wrong(*range(5, 10)), y, lstm=1.0)  # 5 gained, none lost
    best = rival(wrong(9), y, linear=0.5, lstm=0.5)
    assert compared._best([first, same_but_one, better], y, "accuracy") is better
    assert compared._best([first, better, best], y, "accuracy") is best
    assert compared._best([first], y, "accuracy") is first
    assert compared._best([first, same_but_one], y, "macro-f1") is same_but_one  # by its rank alone


def test_names_of_models() -> None:
    assert split_models("mlp") == ("mlp",) and split_models("lstm,linear") == ("lstm", "linear")
    assert split_models("auto") == TEXT_MODELS
    for name in ("linear,mlp", "linear,linear", "linear,", "none", ""):
        with pytest.raises(UserError, match="no model"):
            split_models(name)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--model", "linear", "--budget", "10m"), "--budget: bounds how many models are tried"),
        (("--model", "auto", "--budget", "soon"), "a time, as 90s, 10m or 2h. Received: soon"),
        (("--model", "linear,mlp"), "no model 'mlp'"),
        (("--model", "auto", "--candidates", "igm"), "--candidates: of one model"),
        (("--model", "auto", "--effort", "best"), "--effort best: of one model"),
        (("--model", "auto", "--no-saved-model"), "--no-saved-model: for linear alone"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    flags: tuple[str, ...], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.tsv", documents(30, 0))
    arguments = ["--train", str(tmp_path / "train.tsv"), "--output", str(tmp_path / "model"), *flags]
    try:
        code = train.main(arguments)
    except SystemExit as stop:
        code = int(str(stop.code))
    words = capfd.readouterr().err
    assert code == 2 and said in words and words.count("\n") == 1 and not (tmp_path / "model").exists()


@pytest.mark.slow
def test_what_the_budget_leaves_out_is_said_and_repeated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train.tsv", documents(150, 0))
    write(tmp_path / "test.tsv", documents(60, 1))
    assert run(tmp_path, "auto", "--budget", "0.001s", "--features", "500") == 0
    out, words = capfd.readouterr()
    for model in ("textcnn", "attention", "lstm", "transformer"):
        assert f"left out: {model}: half of --budget is spent" in words
    assert "taken: linear: " in words
    found = manifest.read(tmp_path / "model", "model")
    assert found["results"]["models"] == ["linear"] and found["model"]["arrays"]
    kept = pytest.importorskip("tomllib").loads((tmp_path / "model" / "train.toml").read_text())
    assert kept["model"] == "linear" and "budget" not in kept
    flags = ["--config", str(tmp_path / "model" / "train.toml"), "--output", str(tmp_path / "again")]
    assert train.main(flags) == 0 and capfd.readouterr().out == out
    assert run(tmp_path, "auto", "--budget", "0.001s", "--features", "500") == 0
    assert "up to date" in capfd.readouterr().err


@pytest.mark.slow
def test_a_sum_is_fitted_exported_and_repeated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train.tsv", documents(300, 0))
    write(tmp_path / "test.tsv", documents(60, 1))
    monkeypatch.setattr(compared, "_best", lambda rivals, *_: next(one for one in rivals if len(one.shares) > 1))
    assert run(tmp_path, "linear,attention") == 0
    out, words = capfd.readouterr()
    assert "taken: 0.75 linear: igm" in words and float(out.split()[1]) > 0.8
    results = manifest.read(tmp_path / "model", "model")["results"]
    assert [part["model"] for part in results["candidate"]["parts"]] == ["linear", "attention"]
    assert {name.split(":")[0] for name in results["validation"]} >= {"linear", "attention", "0.5 linear"}
    texts = [text for _, text in documents(60, 1)]
    found = models.load(tmp_path / "model")(texts)
    np.testing.assert_allclose(models.load_keras(tmp_path / "model")(np.array(texts)), found, atol=1e-5)
    flags = ["--config", str(tmp_path / "model" / "train.toml"), "--output", str(tmp_path / "again")]
    assert train.main(flags) == 0
    np.testing.assert_array_equal(models.load(tmp_path / "again")(texts), found)


@pytest.mark.slow
def test_ctrl_c_while_a_network_is_tried_leaves_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = compared.choose

    def stopped(stages: Any, model: str, *more: Any) -> Any:
        if model != "linear":
            raise KeyboardInterrupt
        return choose(stages, model, *more)

    write(tmp_path / "train.tsv", documents(150, 0))
    write(tmp_path / "test.tsv", documents(60, 1))
    monkeypatch.setattr(compared, "choose", stopped)
    assert run(tmp_path, "linear,textcnn") == 130
    assert "interrupted while candidates were compared" in capfd.readouterr().err
    found = manifest.read(tmp_path / "model", "model")["results"]
    assert found["interrupted"] and found["candidate"]["model"] == "linear"
    texts, labels = [text for _, text in documents(60, 1)], [label for label, _ in documents(60, 1)]
    assert np.mean([a == b for a, b in zip(models.load(tmp_path / "model").predict(texts), labels)]) > 0.7
