"""Cross-validation answers every record by a model that has not seen it, and adds up what is best together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from mapreduce.local import machine
from mapreduce.output import manifest
from models import train
from models.counts.linear import Sum
from models.training import crossed, fit_linear, train_texts
from models.training.candidates import candidates
from models.training.in_memory import InMemory, Selected
from models.training.runs import Fitted, Interrupted, Unfit
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.test_train import documents, write
from tests.models.training.test_redraws import noisy

NAMES = ("naive bayes, spelling", "naive bayes, characters", "igm, order, two labels")


def trials(folder: Path) -> InMemory:
    found = noisy(200)
    stages = Stages([write(folder / "t.tsv", found)], folder / "work", runner="inline")
    several = candidates("linear", 2, 5.0, effort="best")
    return InMemory(stages, several, {label: sum(label == one for one, _ in found) for label in "ab"}, Settings())


def test_no_fold_sees_its_own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = trials(tmp_path)
    (candidate,) = candidates("linear", names=("naive bayes", "sublinear"))
    splits = list(memory.folds())
    before = [split.logits(candidate) for split in splits]
    # Other labels of one fold change the answers of the others, and not its own.
    y = memory._pools[candidate.name].documents.y
    y[splits[2]._validation] ^= 1
    after = [split.logits(candidate) for split in memory.folds()]
    assert [np.array_equal(a, b) for a, b in zip(before, after)] == [False, False, True, False, False]
    assert sum(len(split.truth) for split in splits) == 200


def test_a_sum_is_better_than_its_parts_where_they_see_other_things(tmp_path: Path) -> None:
    memory = trials(tmp_path)
    several = candidates("linear", 2, 5.0, effort="best")
    found = crossed.cross(memory, several, "accuracy")
    assert 1 <= len(found.parts) <= crossed.PARTS and len({one.name for one in found.parts}) == len(found.parts)
    assert found.sum.rank("accuracy") >= max(one.rank("accuracy") for one in found.scores.values())
    assert set(found.scores) == {one.name for one in several}
    least = crossed.cross(memory, several, "log-loss")
    assert least.sum.log_loss <= min(one.log_loss for one in found.scores.values()) and least.sum.log_loss < 0.7


def test_the_logits_of_a_sum_are_those_of_its_parts(tmp_path: Path) -> None:
    memory = trials(tmp_path)
    parts = [one for one in candidates("linear", 2, 5.0, effort="best") if one.name in NAMES]
    fitted, counted = memory.fit_sum(parts)
    assert isinstance(fitted.model, Sum) and len(fitted.model.parts) == 3
    features = [memory.count_all(one).counts.features for one in parts]
    assert set(counted.counts.features) == {one for several in features for one in several}
    assert counted.counts.features[: len(features[0])] == features[0]
    everything = np.arange(200)
    assert isinstance(counted, Selected)
    together = fitted.model.logits(memory._pools[NAMES[0]].select(everything, counted.kept).bags)
    alone = sum(
        memory.fit_all(one).model.logits(memory._labelled(one, everything).bags) for one in map(memory.count_all, parts)
    )
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_what_cannot_be_fitted_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memory = trials(tmp_path)
    first, second = candidates("linear", names=("naive bayes", "naive bayes", "spelling"))
    wild = replace(first, rate=1e30)
    found = crossed.cross(memory, [wild, second], "accuracy")
    assert [one.name for one in found.parts] == [second.name] and set(found.scores) == {second.name}
    assert "left out: candidate naive bayes: the loss is" in capsys.readouterr().err
    with pytest.raises(Unfit):
        crossed.cross(memory, [wild], "accuracy")


def test_more_answers_than_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = trials(tmp_path)
    monkeypatch.setattr(machine, "memory", lambda: 1_000)
    with pytest.raises(UserError, match="answers of 1 candidates to 200 records, 2 labels each, are 0 MiB, more than"):
        crossed.cross(memory, candidates("linear", names=("igm",)), "accuracy")


@pytest.mark.parametrize("validation", ["share", "file"])
@pytest.mark.slow
def test_from_records_to_a_model_of_several_parts(
    tmp_path: Path, validation: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.tsv", noisy(300))
    write(tmp_path / "test.tsv", held := [(label, f"{text} t") for label, text in noisy(60)])
    flags = ["--train", str(tmp_path / "train.tsv"), "--test", str(tmp_path / "test.tsv"), "--effort", "best"]
    if validation == "file":
        write(tmp_path / "validation.tsv", [(label, f"{text} v") for label, text in noisy(80)])
        flags += ["--validation", str(tmp_path / "validation.tsv")]
    assert train.main([*flags, "--output", str(tmp_path / "model"), "--no-saved-model"]) == 0
    out, words = capfd.readouterr()
    results = manifest.read(tmp_path / "model")["results"]
    parts = results["candidate"]["parts"]
    name = " + ".join(one["name"] for one in parts)
    assert results["candidate"]["name"] == name and f"chosen: {name}\n" in words
    assert name in results["validation"] and len(results["validation"]) >= 7 and 0 < results["unknown"] < 0.5
    made = models.load(tmp_path / "model")
    right = sum(a == label for a, (label, _) in zip(made.predict([text for _, text in held]), held))
    assert out == f"accuracy {right / len(held):.4f}\n" and right > 40
    assert json.dumps(made.manifest["model"]["arrays"]["parts"]).count("term_frequency") == len(parts)
    again = ["--config", str(tmp_path / "model" / "train.toml"), "--output", str(tmp_path / "again")]
    assert train.main(again) == 0
    assert manifest.read(tmp_path / "again")["results"]["candidate"] == results["candidate"]
    for one in ("rows.npy", "scale.npy", "vocabulary.txt"):
        assert (tmp_path / "again" / "arrays" / one).read_bytes() == (tmp_path / "model" / "arrays" / one).read_bytes()


def test_quick_tries_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    flags = ["--train", str(tmp_path / "train.tsv"), "--output", str(tmp_path / "model"), "--no-saved-model"]
    assert train.main([*flags, "--effort", "quick"]) == 0
    assert set(manifest.read(tmp_path / "model")["results"]["validation"]) == {"igm"}
    assert capfd.readouterr().err.count("candidate ") == 1
    assert train.main(flags) == 0  # another effort is another training
    assert len(manifest.read(tmp_path / "model")["results"]["validation"]) > 1


def test_the_best_effort_is_for_linear_where_it_is_fitted_natively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    for model in ("textcnn", "linear"):
        if model == "linear":
            monkeypatch.setattr(fit_linear, "fits", lambda candidate: False)
        with pytest.raises(UserError, match="--effort best: for linear alone, where it is fitted natively"):
            train.check_settings(model, Settings(effort="best"))


def test_ctrl_c_while_a_sum_is_fitted_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(trials: InMemory, parts: Any) -> None:
        raise Interrupted(Fitted(None, 1, [{"loss": 1.0}]))  # a part has an epoch, the sum has none

    stages = Stages([write(tmp_path / "t.tsv", noisy(200))], tmp_path / "work", runner="inline")
    monkeypatch.setattr(InMemory, "fit_sum", stop)
    with pytest.raises(Interrupted):
        train_texts.make(stages, "linear", Settings(effort="best"))
