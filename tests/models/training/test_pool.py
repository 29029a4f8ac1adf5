"""Records in memory hold what jobs over each split would: the same documents, features and counts."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapreduce.input.records import SplitRule
from mapreduce.tokens.specification import preset
from models.training import coverage, pool
from models.training.candidates import TextCandidate, candidates
from models.training.in_memory import InMemory, Selected
from models.training.on_shards import OnShards
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.test_train import write

WORDS = ["good", "bad", "Film", "film", "it's", "a", "the", "plot,", "é", "..."]


def records(number: int, labels: str = "ab") -> list[tuple[str, str]]:
    draw = random.Random(1)
    return [
        (draw.choice(labels), " ".join([*draw.choices(WORDS, k=draw.randrange(9)), f"w{draw.randrange(40)}"]))
        for _ in range(number)
    ]


def trials(stages: Stages, found: list[tuple[str, str]], several: list[TextCandidate]) -> InMemory:
    every = {label: sum(label == one for one, _ in found) for label in sorted({label for label, _ in found})}
    return InMemory(stages, several, every, Settings())


def by_feature(counts: Any) -> dict[tuple[bytes, str], tuple[int, int]]:
    return {
        (counts.features[feature], counts.labels[label]): (tf, df)
        for feature, label, tf, df in zip(
            *(array.tolist() for array in (counts.feature, counts.label, counts.tf, counts.df))
        )
    }


@pytest.mark.slow
def test_the_counts_are_those_of_the_jobs(tmp_path: Path) -> None:
    found = records(300)
    stages = Stages([write(tmp_path / "t.tsv", found)], tmp_path / "work", runner="inline", salt="3")
    several = candidates("linear", 2, names=("igm", "tf-idf", "naive bayes", "naive bayes", "spelling"))
    assert [one.specification.character_ngrams for one in several].count((3, 4, 5)) == 1
    memory, disk = trials(stages, found, several), OnShards(stages, several[0], Settings())
    assert [len(members) for members in memory.families] == [2, 2]
    assert memory.documents() == disk.documents()
    for candidate in several:
        counted, bags = memory._train(candidate)
        wanted = disk.count(candidate, "train")
        assert by_feature(counted.counts) == by_feature(wanted.counts)
        np.testing.assert_array_equal(counted.counts.document_frequency, wanted.counts.document_frequency)
        assert counted.counts.documents.tolist() == wanted.counts.documents.tolist()
        assert bags.bags.counts.sum() == wanted.counts.tf.sum() and len(bags.y) == sum(disk.documents().values())
        tried = memory.try_out(candidate)
        if candidate.minimum_df == 1 and coverage.tells_words(candidate.specification):
            assert memory.unknown(tried) == pytest.approx(disk.unknown(replace(tried, counted=wanted)))
    some = memory.count_all(several[0]).counts
    assert by_feature(some) == by_feature(disk.count_all(several[0]).counts)


def test_the_least_frequent_features_are_cut_off(tmp_path: Path) -> None:
    found = records(100)
    stages = Stages([write(tmp_path / "t.tsv", found)], tmp_path / "work", runner="inline")
    several = [replace(one, features=20) for one in candidates("linear", names=("igm",))]
    memory = trials(stages, found, several)
    counted = memory.count_all(several[0])
    assert len(memory._pools["igm"].tokens) == pool.TIMES * 20 and len(counted.kept) == 20
    wanted = OnShards(stages, several[0], Settings()).count_all(several[0]).counts
    assert counted.counts.document_frequency.tolist() == wanted.document_frequency.tolist()


@pytest.mark.parametrize("salt", ["", "7"])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_split_is_that_of_the_jobs(tmp_path: Path, salt: str, grouped: bool) -> None:
    rows = [(label, text, f"author {i % 23}" if i % 5 else "") for i, (label, text) in enumerate(records(200))]
    (tmp_path / "t.csv").write_text("label,text,by\n" + "".join(f'{a},"{b}",{c}\n' for a, b, c in rows))
    reading = {"--group-field": "by"} if grouped else {}
    stages = Stages(
        [tmp_path / "t.csv"], tmp_path / "work", runner="inline", reading=reading, validation=0.3, salt=salt
    )
    memory = trials(stages, [row[:2] for row in rows], candidates("linear", names=("igm",)))
    rule = SplitRule("validation", 0.3, salt.encode())
    keys = [(by if grouped and by else text).encode() for _, text, by in rows]
    found = memory._pools["igm"]
    assert int(found.validation().sum()) == sum(key in rule for key in keys)
    train = {label: sum(label == row[0] and key not in rule for row, key in zip(rows, keys)) for label in "ab"}
    assert memory.documents() == train
    # Those that are alike are in one part, whatever is drawn.
    number = len(set(keys))
    for parts in (found.validation(4).astype(int), found.folds(4)):
        pairs = {*zip(found._hashes.tolist(), parts.tolist())}
        assert len(pairs) == number == len({key for key, _ in pairs})
    assert set(found.folds(found.evenest).tolist()) == set(range(pool.FOLDS))


def test_folds_have_the_same_share_of_each_label(tmp_path: Path) -> None:
    found = [(label, f"{text} {i}") for i, (label, text) in enumerate(records(2000, "aaab"))]
    stages = Stages([write(tmp_path / "t.tsv", found)], tmp_path / "work", runner="inline")
    memory = trials(stages, found, candidates("linear", names=("igm",)))
    splits = list(memory.folds())
    for label, number in memory._every.items():
        held = [number - split.documents()[label] for split in splits]
        assert sum(held) == number and max(abs(one / (number / 5) - 1) for one in held) < 0.12


def test_specifications_are_joined_where_their_features_can_be_told_apart() -> None:
    words, one = preset("words"), preset("words", ngrams=(3,), character_ngrams=(3, 4))
    assert pool.union(words, one) == preset("words", ngrams=(1, 3), character_ngrams=(3, 4))
    assert pool.union(one, preset("words", head=3)) == preset("words", ngrams=(1, 3), character_ngrams=(3, 4), head=3)
    assert pool.union(one, preset("words", character_ngrams=(3, 5))) is None
    assert pool.union(preset("words", head=3), preset("words", head=4)) is None
    assert pool.union(words, preset("sentences")) is None


def test_the_last_of_several_is_not_mixed_up(tmp_path: Path) -> None:
    found = records(120)
    stages = Stages([write(tmp_path / "t.tsv", found)], tmp_path / "work", runner="inline")
    several = candidates("linear", 2)
    memory = trials(stages, found, several)
    first = [memory.try_out(one).counted for one in several]
    assert all(isinstance(one, Selected) and one.candidate == other for one, other in zip(first, several))
    again = trials(stages, found, several)
    for one, other in reversed([*zip(several, first)]):
        counted = again._train(one)[0]
        assert isinstance(other, Selected) and counted.kept.tolist() == other.kept.tolist()
