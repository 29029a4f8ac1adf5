"""The flags of `models.train` that change candidates and how they are compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapreduce.errors import UserError
from mapreduce.output import manifest
from mapreduce.tokens.specification import preset
from models import train
from models.training import build, candidates
from models.training.settings import Settings, tokenized
from models.training.stages import Stages
from tests.models.test_train import documents, run, write

QUICK = ("--candidates", "tf-idf, words first", "--epochs", "2")


@pytest.mark.slow
def test_candidates_are_changed_and_nothing_else_is() -> None:
    settings = Settings(epochs=3, learning_rate=0.5, batch_size=7, features=99, tokenizer="cjk")
    before = candidates.candidates("linear")
    for one, changed in zip(before, settings.change(before)):
        specification = preset(
            "cjk",
            ngrams=one.specification.ngrams,
            character_ngrams=one.specification.character_ngrams,
            head=one.specification.head,
        )
        assert changed == replace(one, epochs=3, rate=0.5, batch_size=7, features=99, specification=specification)
    assert Settings().change(before) == before
    rare: dict[str, Any] = {"skips": True, "head_pairs": 4, "prefixes": 5, "characters_across": (3, 6)}
    features = {"ngrams": (1, 2), "character_ngrams": (3, 5), "head": 4, **rare}
    for one, changed in zip(before, Settings(ngrams=2, character_ngrams=(3, 5), head=4, **rare).change(before)):
        assert changed == replace(one, specification=replace(one.specification, **features))


def test_words_of_one_character_have_no_ngrams_of_characters() -> None:
    found = tokenized(preset("words", ngrams=3, character_ngrams=(3, 4)), "characters")
    assert (found.ngrams, found.character_ngrams) == ((1, 2, 3), ())
    rare: dict[str, Any] = {"skips": True, "head_pairs": 4, "prefixes": 5, "characters_across": (3, 6)}
    for name in ("characters", "cjk"):
        assert tokenized(preset("words", ngrams=(), **rare), name) == preset(name, ngrams=(), **rare)


def test_candidates_by_name() -> None:
    names = [one.name for one in candidates.candidates("linear", names=("tf-idf", "words first", "igm"))]
    assert names == ["igm", "tf-idf, words first"]
    assert [one.name for one in candidates.candidates("linear", 2, 1e6, ("naive bayes", "spelling"))] == [
        "naive bayes, spelling"
    ]
    with pytest.raises(UserError, match="none of naive bayes is for 3 labels"):
        candidates.candidates("linear", 3, names=("naive bayes",))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--candidates", "igm,bm25"], "linear has no 'bm25'; it has igm; tf-idf; tf-idf, words first; igm, spelling"),
        (["--epochs", "0"], "--epochs: a whole number from 1 to 100000. Received: 0"),
        (["--learning-rate", "nan"], "--learning-rate: a number above 0 and below 1e+06. Received: nan"),
        (["--batch-size", "x"], "--batch-size: a whole number"),
        (["--validation", "1"], "--validation: a number above 0 and below 1. Received: 1"),
        (["--ngrams", "0"], "--ngrams: a number, a range as 3-5"),
        (["--tokenizer", "moses"], "--tokenizer: invalid choice: 'moses'"),
        (["--select", "f1"], "--select: invalid choice: 'f1'"),
        (["--class-weight", "none"], "--class-weight: invalid choice: 'none'"),
    ],
)
def test_a_flag_that_is_no_good_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    write(tmp_path / "train.tsv", documents(30, 0))
    write(tmp_path / "test.tsv", documents(9, 1))
    try:
        assert run(tmp_path, *flags) == 2
    except SystemExit as error:
        assert error.code == 2
    out, words = capfd.readouterr()
    assert out == "" and words.count("\n") == 1 and said in words
    assert not (tmp_path / "model.work").exists()


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        ("cnn", Settings(tokenizer="words"), "--tokenizer: cnn reads images"),
        (
            "linear",
            Settings(validation=1.0),
            "validation a path or a share above 0 and below 1.* Received: .*validation=1.0",
        ),
        ("linear", Settings(epochs=0), "numbers are above 0"),
        ("linear", Settings(select="f1"), "select is one of accuracy, macro-f1, log-loss"),
        ("cnn", Settings(features=9), "--features: cnn reads images"),
        ("cnn", Settings(character_ngrams=(3,)), "--character-ngrams: cnn reads images"),
        ("cnn", Settings(skips=True), "--skips: cnn reads images"),
        ("cnn", Settings(candidates=("resnet",)), "cnn has no 'resnet'; it has cnn"),
        ("autoencoder", Settings(class_weight="balanced"), "--class-weight: autoencoder gives images"),
        ("autoencoder", Settings(select="log-loss"), "--select: autoencoder gives images"),
    ],
)
def test_a_setting_that_is_no_good_or_for_another_model_is_refused(model: str, settings: Settings, said: str) -> None:
    with pytest.raises(UserError, match=said):
        train.check_settings(model, settings)


@pytest.mark.parametrize("loss", ["squared hinge", "cross-entropy"])
def test_a_weighted_loss_is_the_mean_of_weighed_losses(loss: str) -> None:
    candidate = replace(candidates.image_candidate("mlp"), loss=loss)
    y, logits = tf.constant([0, 1, 1, 2]), tf.random.stateless_normal([4, 3], [1, 2])
    weights = {0: 2.0, 1: 0.5, 2: 1.0}
    plain = build.loss(candidate)
    single = (
        [float(plain(y[i : i + 1], logits[i : i + 1])) for i in range(4)]
        if loss == "cross-entropy"
        else (plain(y, logits).numpy().tolist())
    )
    model = keras.Sequential([keras.Input((3,))])
    model.compile(loss=build.loss(candidate, weights))
    expected = np.mean(np.array(single) * [2.0, 0.5, 0.5, 1.0])
    assert model.evaluate(logits, y, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_flags_make_another_model_that_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    write(tmp_path / "test.tsv", documents(9, 1))
    flags = [*QUICK, "--tokenizer", "unicode", "--features", "50", "--validation", "0.3", "--class-weight", "balanced"]
    assert run(tmp_path, *flags) == 0
    found: dict[str, Any] = manifest.read(tmp_path / "model")
    (one,) = found["arguments"]["candidates"]
    assert (one["name"], one["epochs"], one["features"]) == ("tf-idf, words first", 2, 50)
    assert (found["arguments"]["class_weight"], found["arguments"]["validation"]) == ("balanced", 0.3)
    assert (
        found["results"]["candidate"] == one
        and found["specification_fingerprint"]
        == tokenized(candidates.candidates("linear")[1].specification, "unicode").fingerprint
    )
    (score,) = json.loads((tmp_path / "model.work" / "scores.json").read_bytes())
    assert {"class_weight": "balanced", "validation": 0.3}.items() <= json.loads(score["key"]).items()
    for folder in (tmp_path / "model.work").glob("*/"):
        if not folder.name.endswith("-vocabulary"):
            assert manifest.read(folder)["arguments"]["validation"] == 0.3
    capfd.readouterr()
    assert run(tmp_path, *flags) == 0 and "up to date" in capfd.readouterr().err


def test_outputs_of_another_share_or_salt_are_made_anew(tmp_path: Path) -> None:
    path, specification = write(tmp_path / "train.tsv", documents(90, 0)), preset("words")
    seen = set()
    for drawn in ({}, {"validation": 0.4}, {"salt": "1"}):
        stages = Stages([path], tmp_path / "work", runner="inline", **drawn)  # type: ignore[arg-type]
        output = stages.labelcount(specification, "train")
        seen.add((output / "_SUCCESS").read_bytes())
        assert stages.labelcount(specification, "train").stat().st_mtime_ns == output.stat().st_mtime_ns
    assert len(seen) == 3
