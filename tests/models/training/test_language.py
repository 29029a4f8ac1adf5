"""Texts without spaces between words are noticed by their letters, and their characters are the tokens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mapreduce.errors import UserError
from mapreduce.output import manifest
from models.training import language, train_texts
from models.training.candidates import TEXT_MODELS, candidates
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.small_training import run


def shares(folder: Path, text: str) -> dict[str, float]:
    (folder / "train.tsv").write_text(f"a\t{text}\n")
    stages = Stages([folder / "train.tsv"], folder / "work", runner="inline")
    return language.shares(stages.labelcount(candidates("linear")[0].specification, "all"))


@pytest.mark.parametrize(
    ("text", "explained"),
    [
        ("这部电影非常好看", "Han 100 %"),
        ("この映画はとても面白かった", "Kana 69 %, Han 31 %"),
        ("ภาพยนตร์เรื่องนี้ดีมาก", "Thai 100 %"),
        ("ຮູບເງົານີ້ດີຫຼາຍ", "Lao 100 %"),
        ("ភាពយន្តនេះល្អណាស់", "Khmer 100 %"),
        ("ဒီရုပ်ရှင်ကောင်းတယ်", "Burmese 100 %"),
        ("这部电影 a film that I like", "Han 22 %"),
    ],
)
def test_scripts_without_spaces(text: str, explained: str, tmp_path: Path) -> None:
    found = shares(tmp_path, text)
    assert language.is_unspaced(found)
    line = language.explain(found)
    assert line == f"texts without spaces between words ({explained}): characters are the tokens"


@pytest.mark.parametrize(
    "text",
    [
        "a good film",
        "이 영화는 정말 좋았다",
        "फिल्म बहुत अच्छी थी",
        "очень хороший фильм",
        "好 is but one word of all these",
        "1 2",
    ],
)
def test_texts_with_spaces(text: str, tmp_path: Path) -> None:
    assert not language.is_unspaced(shares(tmp_path, text))


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_candidates_without_spaces(model: str) -> None:
    for labels in (2, 5):
        found = candidates(model, labels, unspaced=True)
        known = {one.name for one in candidates(model)}
        assert found and {one.name.removesuffix(", shorter") for one in found} <= known
        for one in found:
            assert one.specification.level == "codepoint" and not one.specification.head
            assert one.shares == (1.0, 1.0, 1.0, 1.0)


def test_a_candidate_that_there_is_not_without_spaces_is_named() -> None:
    with pytest.raises(
        UserError, match="linear has no 'words first'; it has igm, shorter; igm; tf-idf, shorter; tf-idf;"
    ):
        candidates("linear", names=["tf-idf", "words first"], unspaced=True)


ENGLISH = "the play we saw at home last week was told by many who came there".split()


def write(folder: Path, good: str, bad: str, characters: str, english: float = 0.0) -> None:
    """A training and a test file of two labels that one run of characters tells apart, a share of it in English."""
    generator = random.Random(0)
    for name, number in (("train.tsv", 400), ("test.tsv", 100)):
        lines = []
        for i in range(number):
            said = (good, bad)[i % 2]
            if generator.random() < english:
                words = [*generator.choices(ENGLISH, k=8), ("great", "awful")[i % 2], *generator.choices(ENGLISH, k=8)]
                lines.append(f"{'pn'[i % 2]}\t{' '.join(words)}\n")
            else:
                before, after = ("".join(generator.choices(characters, k=10)) for _ in range(2))
                lines.append(f"{'pn'[i % 2]}\t{before}{said}{after}\n")
        (folder / name).write_text("".join(lines))


CHINESE = ("好看", "难看", "这部电影的故事我们昨天在家里说了很多人都来")


@pytest.mark.slow
def test_validation_tells_apart_what_is_separable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, *CHINESE)
    stages = Stages([tmp_path / "train.tsv"], tmp_path / "work")
    choice = train_texts.choose(stages, "linear", Settings(candidates=("tf-idf",)))
    assert choice.best.scores.accuracy == 1.0
    splits = {"train": 364, "validation": 36}
    assert choice.found == {"splits": splits, "scripts": {"Han": 1.0}, "words": 22.0, "unknown": 0.0}
    err = capfd.readouterr().err
    assert "texts without spaces between words (Han 100 %): characters are the tokens\n" in err and "warning" not in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("good", "bad", "characters", "english", "model"),
    [
        (*CHINESE, 0.0, "linear"),
        (*CHINESE, 0.5, "linear"),
        ("ดีมาก", "แย่มาก", "กขคงจชซฐณดตถทธนบปผ", 0.0, "linear"),
        ("すばらしい", "つまらない", "この映画はきのう見たものでした", 0.0, "linear"),
        (*CHINESE, 0.0, "textcnn"),
    ],
)
def test_what_is_separable_is_told_apart(
    good: str, bad: str, characters: str, english: float, model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, good, bad, characters, english)
    assert run(tmp_path, model) == 0
    out, err = capfd.readouterr()
    assert out == "accuracy 1.0000\n", err
    assert "texts without spaces between words" in err
    results = manifest.read(tmp_path / "model")["results"]
    assert results["candidate"]["specification"]["level"] == "codepoint" and results["scripts"]


@pytest.mark.slow
def test_a_tokenizer_that_is_asked_for_is_taken(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, *CHINESE)
    assert run(tmp_path, "linear", "--tokenizer", "words", "--candidates", "tf-idf") == 0
    err = capfd.readouterr().err
    assert "texts without spaces" not in err
    assert "of the words of the validation split are not in the vocabulary" in err and "1.0 words in the mean" in err
