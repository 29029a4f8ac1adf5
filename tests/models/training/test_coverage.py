"""What a model cannot see is told: documents of hardly a word, and a validation split of other words."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mapreduce.tokens.specification import Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer
from models.training import coverage, train_texts
from models.training.settings import Settings
from models.training.stages import Stages


@pytest.mark.parametrize(
    "specification",
    [
        preset("words"),
        preset("words", ngrams=3),
        preset("sentences", ngrams=2, head=8),
        preset("words", ngrams=(1, 3)),
        preset("words", skips=True),
        preset("words", ngrams=2, head=4, skips=True, head_pairs=4, prefixes=5),
    ],
)
def test_words_are_told_from_the_number_of_features(specification: Specification) -> None:
    tokenizer = Tokenizer(specification)
    features = [len(tokenizer.features(b"w " * n)) for n in range(20)]
    np.testing.assert_array_equal(coverage.word_counts(specification, np.array(features)), range(20))


def test_a_validation_split_of_other_words_is_warned_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    numbers = random.Random(0)
    records = [
        f"{'ab'[i % 2]}\t{' '.join(str(numbers.random()) for _ in range(2))} {'xy'[i % 2]}\n" for i in range(200)
    ]
    (tmp_path / "train.tsv").write_text("".join(records))
    stages = Stages([tmp_path / "train.tsv"], tmp_path / "work")
    choice = train_texts.choose(stages, "linear", Settings(tokenizer="whitespace", candidates=("tf-idf",), epochs=1))
    assert choice.found == {
        "splits": {"train": 181, "validation": 19},
        "words": 3.0,
        "unknown": pytest.approx(2 / 3, abs=1e-4),
    }
    assert "warning: 67 % of the words of the validation split are not in the vocabulary" in capfd.readouterr().err


def test_documents_of_one_word_are_warned_of() -> None:
    (line,) = coverage.warnings({"words": 1.2, "unknown": 0.1})
    assert line.startswith("documents have 1.2 words in the mean")
    assert not list(coverage.warnings({"words": 7.0, "unknown": 0.3}))
