"""Texts without spaces between words are noticed, and told apart by their characters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapreduce.output import manifest
from models.counts.feature_counts import FeatureCounts
from models.training import language
from models.training.candidates import TEXT_MODELS, candidates, without_spaces
from tests.conftest import ROOT


def counts(*words: str) -> FeatureCounts:
    ones = np.ones(len(words), np.int64)
    return FeatureCounts([w.encode() for w in words], ["a"], np.arange(len(words)), ones * 0, ones, ones, ones[:1])


@pytest.mark.parametrize(
    ("text", "script", "chinese"),
    [
        ("这部电影非常好看", "Han", True),
        ("この映画はとても面白かったです", "Kana", False),
        ("ภาพยนตร์เรื่องนี้ดีมาก", "Thai", False),
        ("ຮູບເງົານີ້ດີຫຼາຍ", "Lao", False),
        ("ភាពយន្តនេះល្អណាស់", "Khmer", False),
        ("ဒီရုပ်ရှင်ကောင်းတယ်", "Burmese", False),
        ("这部电影 iPhone 非常好看", "Han", True),
    ],
)
def test_scripts(text: str, script: str, chinese: bool) -> None:
    found = language.unspaced(counts(*text.split()))
    assert next(iter(found)) == script and language.is_chinese(found) == chinese
    assert script in language.explain(found)


@pytest.mark.parametrize(
    "text",
    ["a good film", "이 영화는 정말 좋았다", "फिल्म बहुत अच्छी थी", "очень хороший фильм", "好 is a word", "1 2", ""],
)
def test_texts_with_spaces(text: str) -> None:
    assert language.unspaced(counts(*text.split())) == {}


@pytest.mark.parametrize("model", TEXT_MODELS)
@pytest.mark.parametrize("chinese", [True, False])
def test_candidates_without_spaces(model: str, chinese: bool) -> None:
    for labels in (2, 5):
        found = without_spaces(candidates(model, labels), chinese)
        assert found and all(not one.specification.head for one in found)
        assert {one.specification.level for one in found} == {"codepoint"}
        assert len({one.name for one in found}) == len(found)
        assert {one.shares for one in found} == {(1.0, 1.0, 1.0, 1.0)}


def lines(good: str, bad: str, characters: str) -> str:
    fill = [characters[i % len(characters)] + characters[(i * 7 + 3) % len(characters)] for i in range(300)]
    return "".join(f"{'pn'[i % 2]}\t{fill[i]}{(good, bad)[i % 2]}{fill[-i]}{fill[i // 2]}\n" for i in range(300))


@pytest.mark.parametrize(
    ("good", "bad", "characters"),
    [
        pytest.param("好看", "难看", "这部电影的故事我们昨天在家里说了很多人都来", marks=pytest.mark.slow),
        pytest.param("ดีมาก", "แย่มาก", "กขคงจชซฐณดตถทธนบปผ", marks=pytest.mark.slow),
        pytest.param("すばらしい", "つまらない", "この映画はきのう見たものでした", marks=pytest.mark.slow),
    ],
)
def test_what_is_separable_is_told_apart(good: str, bad: str, characters: str, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(lines(good, bad, characters))
    (tmp_path / "test.tsv").write_text(lines(good, bad, characters[5:] + characters[:5]))
    command = ["-m", "models.train", "--train", "train.tsv", "--test", "test.tsv", "--output", "model"]
    more = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, *command], env=environment, **more)  # type: ignore[call-overload]
    assert done.stdout == "accuracy 1.0000\n", done.stderr
    assert "texts without spaces between words" in done.stderr
    assert manifest.read(tmp_path / "model")["results"]["candidate"]["specification"]["level"] == "codepoint"
