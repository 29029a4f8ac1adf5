"""Duplicates: equal texts, similar texts of a planted set, within a file and across files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from mapreduce.features.minhash import MinHash, pair_up
from mapreduce.input.records import record_hash
from mapreduce.output import manifest
from tests.conftest import Run


def triples(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return set(zip(words, words[1:], words[2:]))


def similarity(one: str, other: str) -> float:
    return len(triples(one) & triples(other)) / len(triples(one) | triples(other))


def altered(words: list[str], changes: int, chance: random.Random) -> list[str]:
    """The words with so many of them replaced: each change spoils three triples."""
    words = list(words)
    for place in chance.sample(range(len(words)), changes):
        words[place] = f"new{chance.random()}".replace(".", "")
    return words


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[frozenset[str]], set[frozenset[str]]]:
    """A file of 1,200 documents, and the pairs of 0.8 or more and of less; most lie between 0.7 and 0.9."""
    chance = random.Random(5)
    texts, near, far = [], set(), set()
    for _ in range(500):
        words = [f"w{chance.randrange(5_000)}" for _ in range(chance.randrange(30, 200))]
        other = altered(words, max(1, round(len(words) * chance.uniform(0.02, 0.07))), chance)
        one, two = " ".join(words), " ".join(other)
        texts += [one, two]
        (near if similarity(one, two) >= 0.8 else far).add(frozenset((one, two)))
    texts += [" ".join(f"w{chance.randrange(5_000)}" for _ in range(80)) for _ in range(200)]
    chance.shuffle(texts)
    path = tmp_path_factory.mktemp("planted") / "planted.tsv"
    path.write_text("".join(f"x\t{text}\n" for text in texts))
    assert len(near) > 150 < len(far)
    return path, near, far


def test_a_planted_set(
    planted: tuple[Path, set[frozenset[str]], set[frozenset[str]]],
    tmp_path: Path,
    run_job: Run,
) -> None:
    path, near, _ = planted
    run_job("duplicates", "-r", "local", "--output-dir", tmp_path / "out", path)
    texts = {record_hash(line.split("\t")[1].encode()): line.split("\t")[1] for line in path.read_text().splitlines()}
    lines = [line.split("\t") for line in (tmp_path / "out" / "part-00000").read_text().splitlines()]
    found = {frozenset((texts[one], texts[other])) for one, other, *_ in lines}
    assert len(found & near) / len(near) >= 0.95
    assert len(found & near) / len(found) >= 0.99
    for one, other, said, first, second in lines:
        assert float(said) == pytest.approx(similarity(texts[one], texts[other]), abs=1e-4)
        assert json.loads(first) == json.loads(second) == {"planted.tsv": 1}
    counters = manifest.read(tmp_path / "out", "duplicates")["counters"]["duplicates"]
    assert counters == {"similar": len(found), "similar within a source": len(found)}


def test_within_and_across(tmp_path: Path, run_job: Run) -> None:
    text, close = "one two three four five six seven eight nine ten eleven twelve", "the end of it"
    (tmp_path / "train.tsv").write_text(f"x\t{text}\ny\t{text}\nx\tother words\nx\t{close}\n")
    (tmp_path / "test.tsv").write_text(f"x\t{text}\nx\t{text} thirteen\nx\t!\nx\t?\n")
    out = tmp_path / "out"
    run_job("duplicates", "--output-dir", out, tmp_path / "train.tsv", tmp_path / "test.tsv")
    assert manifest.read(out)["counters"]["duplicates"] == {
        "equal": 1,
        "equal within a source": 1,
        "equal across sources": 1,
        "similar": 1,
        "similar within a source": 1,
        "similar across sources": 1,
    }
    first, second = sorted((out / "part-00000").read_text().splitlines(), key=lambda line: -float(line.split("\t")[2]))
    name = record_hash(text.encode())
    assert first == f'{name}\t{name}\t1.0000\t{{"test.tsv":1,"train.tsv":2}}\t{{"test.tsv":1,"train.tsv":2}}'
    assert second.split("\t")[2] == "0.9091"


def test_train_and_validation(tmp_path: Path, run_job: Run) -> None:
    """Equal texts are always of one split; similar ones need not be."""
    words = [f"w{i}" for i in range(40)]
    path = tmp_path / "x.txt"
    path.write_text("".join(" ".join([*words, str(i)]) + "\n" for i in range(20)) * 2)
    done = run_job("duplicates", "--by-split", "--output-dir", tmp_path / "out", path)
    counters = manifest.read(tmp_path / "out")["counters"]["duplicates"]
    assert (counters["equal"], counters["similar"]) == (20, 190) and "equal across sources" not in counters
    assert counters["similar across sources"] > 0 and done.stderr == b""


def test_equal_images(tmp_path: Path, run_job: Run) -> None:
    lines = ["7\t1x2x1:AAE=", "7\t1x2x1:AAI=", "1\t1x2x1:AAE="]
    (tmp_path / "x.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "y.tsv").write_text(lines[1] + "\n")
    found = run_job("duplicates", tmp_path / "x.tsv", tmp_path / "y.tsv").stdout.decode().splitlines()
    assert sorted(line.split("\t")[3] for line in found) == ['{"x.tsv":1,"y.tsv":1}', '{"x.tsv":2}']


def test_a_large_bucket_is_no_square() -> None:
    ids = [b"%05d" % i for i in range(1_000)]
    pairs = list(pair_up(ids))
    assert len(pairs) < 50_000 and {other for _, other in pairs} == set(ids[1:])


def test_bands() -> None:
    assert MinHash(0.8).bands == 7
    assert len(set(MinHash(0.8)({b"a", b"b"}))) == 7
    assert MinHash(0.8)([b"a", b"b"]) == MinHash(0.8)([b"b", b"a"])


def test_a_threshold_out_of_range(run_job: Run) -> None:
    done = run_job("duplicates", "--threshold", "1.1", stdin=b"x\n", code=2)
    assert b"--threshold" in done.stderr and len(done.stderr.splitlines()) == 1
