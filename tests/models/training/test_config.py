"""Flags from a TOML file, and the file beside a model that repeats its training."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import models
from mapreduce.output import manifest
from models import train
from models.training import config
from models.training.settings import Settings
from tests.models.test_train import documents, run, write
from tests.models.training.test_flags import QUICK

needs_toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 reads no TOML")


@needs_toml
def test_what_is_written_is_read_back() -> None:
    settings = Settings(
        seed=3,
        class_weight="balanced",
        candidates=("igm", "tf-idf", "words first"),
        learning_rate=1e-05,
        validation=0.25,
        mixed_precision=True,
        force=True,
    )
    import tomllib

    paths = ['/a "b"/é\x7f\t.tsv', "/c d.tsv"]
    flags = {"train": paths, **settings.flags(), "delimiter": "\\"}
    found = tomllib.loads(config.text(flags, {"salt": "1"}))
    assert found.pop("decisions") == {"salt": "1"} and found == flags and "force" not in flags


@needs_toml
@pytest.mark.parametrize(
    "settings",
    [
        Settings(ngrams=2, character_ngrams=(3, 4, 5), head=0, candidates=("tf-idf", "words first", "igm")),
        Settings(ngrams=(3,), character_ngrams=(4,), epochs=2, features=10),
        Settings(skips=True, head_pairs=4, prefixes=5, characters_across=(3,)),
        Settings(skips=False, head_pairs=0, prefixes=0, characters_across=(3, 6)),
        Settings(ngrams=(1, 3), validation="/a/valid.tsv", group_field="author", select="macro-f1"),
    ],
)
def test_settings_come_back_from_their_flags(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / config.NAME).write_text(config.text({"train": ["a"], "output": "b", **settings.flags()}, {}))
    options = train._options(["--config", str(tmp_path / config.NAME)])
    assert Settings(**{one.name: getattr(options, one.name) for one in fields(Settings)}) == settings


@needs_toml
def test_flags_come_from_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'train = "a.tsv"\ntest = ["b", "c"]\noutput = "there"\nepochs = 3\nlearning-rate = 0.5\nresume = true\n'
        'force = false\ncandidates = "igm,tf-idf"\n[decisions]\nsalt = "4"\n'
    )
    found = train._options(["--config", str(path), "--epochs", "4"])
    assert (found.train, found.test, str(found.output)) == (["a.tsv"], ["b", "c"], "there")
    assert (found.epochs, found.learning_rate, found.resume, found.force) == (4, 0.5, True, False)
    assert found.candidates == ("igm", "tf-idf")


@needs_toml
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 3", "no flag 'epoch'; did you mean epochs?"),
        ("xyzzy = 3", "no flag 'xyzzy'; the keys are the flags that --help lists"),
        ("config = 'other.toml'", "no flag 'config'"),
        ("resume = 1", "resume is true or false. Received: 1"),
        ("epochs = [1, 2]", "epochs is a string or a number. Received: [1, 2]"),
        ("train = [true]", "train is a string or a number. Received: True"),
        ("epochs = 0", "--epochs: a whole number from 1"),
        ("epochs 3", "not TOML"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_good_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SystemExit) as error:
        train.main(["--config", str(tmp_path / "mine.toml"), "--train", "a.tsv", "--output", "b"])
    words = capsys.readouterr().err
    assert error.value.code == 2 and words.count("\n") == 1 and said in words


def test_without_a_reader_of_toml_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(SystemExit):
        train._options(["--config", "mine.toml"])
    assert "--config mine.toml: Python 3.10 reads no TOML; take 3.11" in capsys.readouterr().err


@needs_toml
@pytest.mark.slow
@pytest.mark.parametrize("flags", [("--model", "textcnn", "--candidates", "words", "--epochs", "2"), QUICK])
def test_a_model_is_made_again_from_the_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    write(tmp_path / "test.tsv", documents(9, 1))
    monkeypatch.chdir(tmp_path)
    more = ["--seed", "5", "--validation", "0.2", "--class-weight", "balanced", "--format", "tsv"]
    assert train.main(["--train", "train.tsv", "--test", "test.tsv", "--output", "model", *flags, *more]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert train.main(["--config", str(tmp_path / "model" / config.NAME), "--output", "other"]) == 0
    one, other = tmp_path / "model", tmp_path / "elsewhere" / "other"
    assert "train.toml" in [part["name"] for part in manifest.read(one)["parts"]]
    assert (one / config.NAME).read_bytes() == (other / config.NAME).read_bytes()
    for a, b in zip(models.load_keras(one).get_weights(), models.load_keras(other).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_model_of_another_file_is_replaced_only_when_forced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    write(tmp_path / "more.tsv", documents(60, 2))
    write(tmp_path / "test.tsv", documents(9, 1))
    assert run(tmp_path, *QUICK) == 0
    made = (tmp_path / "model" / "_SUCCESS").read_bytes()
    capfd.readouterr()
    assert run(tmp_path, *QUICK, train_file="more.tsv") == 2
    words = capfd.readouterr().err.splitlines()[-1]
    assert words == (
        f"train: {tmp_path}/model: a model of {tmp_path}/train.tsv; give another --output, or --force to replace it"
    )
    assert (tmp_path / "model" / "_SUCCESS").read_bytes() == made
    assert run(tmp_path, *QUICK, "--force", train_file="more.tsv") == 0
    assert manifest.read(tmp_path / "model")["inputs"][0]["path"].endswith("more.tsv")


@pytest.mark.slow
def test_a_model_whose_own_file_has_changed_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    write(tmp_path / "test.tsv", documents(9, 1))
    assert run(tmp_path, *QUICK) == 0
    made = (tmp_path / "model" / "_SUCCESS").read_bytes()
    write(tmp_path / "train.tsv", documents(60, 3))
    assert run(tmp_path, *QUICK) == 0
    assert (tmp_path / "model" / "_SUCCESS").read_bytes() != made
