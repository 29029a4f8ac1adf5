"""Training on small data of our own: what may see which records, the same accuracy twice, and errors in one line."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import models
from mapreduce.input import records
from mapreduce.output import manifest
from models import train
from models.counts import feature_weights
from models.training import candidates, train_texts
from models.training.in_memory import InMemory
from models.training.on_shards import OnShards
from models.training.settings import Settings
from models.training.stages import Stages

WORDS = {
    "sport": "goal match team win".split(),
    "money": "bank share price stock".split(),
    "food": "bread soup".split(),
}
VALIDATION = records.SplitRule("validation")


def documents(number: int, seed: int) -> list[tuple[str, str]]:
    """(label, text) of three labels; one word in three is of the label."""
    generator = random.Random(seed)
    labels = list(WORDS)
    found = []
    for i in range(number):
        label = labels[i % len(labels)]
        words = [generator.choice(WORDS[label]) for _ in range(3)] + [f"w{generator.randrange(40)}" for _ in range(6)]
        generator.shuffle(words)
        found.append((label, " ".join(words)))
    return found


def write(path: Path, found: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{label}\t{text}\n" for label, text in found))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.tsv, test.tsv and `model`, trained by the command."""
    folder = tmp_path_factory.mktemp("trained")
    write(folder / "train.tsv", documents(150, 0))
    write(folder / "test.tsv", [(label, f"{text} onlyintest") for label, text in documents(60, 1)])
    assert run(folder) == 0
    return folder


def run(folder: Path, *more: str, output: str = "model", train_file: str = "train.tsv") -> int:
    files = ["--train", str(folder / train_file), "--test", str(folder / "test.tsv")]
    return train.main([*files, "--output", str(folder / output), *more])


@pytest.fixture
def one_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the choice does not matter, one candidate of each model is enough."""
    for name, made in list(candidates._TEXTS.items()):
        monkeypatch.setitem(candidates._TEXTS, name, lambda made=made: made()[:1])


def scores(folder: Path) -> object:
    return manifest.read(folder)["results"]["validation"]


def test_the_last_line_is_the_accuracy_of_the_exported_model(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(trained) == 0
    out, words = capfd.readouterr()
    assert "up to date" in words and "candidate" not in words
    pairs = [line.split("\t") for line in (trained / "test.tsv").read_text().splitlines()]
    predicted = models.load(trained / "model").predict([text for _, text in pairs])
    right = sum(a == b for (a, _), b in zip(pairs, predicted))
    assert out == f"accuracy {right / len(pairs):.4f}\n"
    assert right > 50


def test_the_same_command_gives_the_same_model_twice(trained: Path) -> None:
    assert run(trained, output="again") == 0
    texts = [text for _, text in documents(30, 2)]
    np.testing.assert_array_equal(models.load(trained / "model")(texts), models.load(trained / "again")(texts))
    assert scores(trained / "again") == scores(trained / "model")


def test_no_test_document_reaches_a_count(trained: Path) -> None:
    outputs = list((trained / "model.work").rglob("part-*"))
    assert len(outputs) == 3
    for path in outputs:
        assert b"onlyintest" not in path.read_bytes()
    for folder in (trained / "model.work").glob("*/"):
        assert all("test.tsv" not in one["path"] for one in manifest.read(folder)["inputs"])


def test_manifests_name_the_inputs_by_sha256_and_what_the_checks_found(trained: Path) -> None:
    data = (trained / "train.tsv").read_bytes()
    sums = [{"path", "size", "crc32", "sha256"}, len(data), hashlib.sha256(data).hexdigest()]
    for folder in [trained / "model", *(trained / "model.work").glob("*/")]:
        (one,) = manifest.read(folder)["inputs"]
        assert [set(one), one["size"], one["sha256"]] == sums, folder
    results = manifest.read(trained / "model")["results"]
    assert sum(results["labels"].values()) == data.count(b"\n") and len(results["labels"]) == 3
    assert isinstance(results["leaks"], int)


def relabelled(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same documents, every label of the validation split changed to another."""
    labels = list(WORDS)
    return [
        (labels[(labels.index(label) + 1) % 3] if text.encode() in VALIDATION else label, text) for label, text in found
    ]


def test_validation_labels_change_neither_counts_nor_weights_nor_candidates(tmp_path: Path) -> None:
    found = documents(150, 0)
    changed = relabelled(found)
    assert 5 < sum(a != b for a, b in zip(found, changed)) < 40
    seen = []
    several = candidates.candidates("linear", 3)
    for name, pairs in (("as_is", found), ("changed", changed)):
        stages = Stages([write(tmp_path / f"{name}.tsv", pairs)], tmp_path / name, runner="inline")
        trials = train_texts.choose(stages, "linear", Settings()).trials
        assert isinstance(trials, InMemory)
        tried = [trials.try_out(one) for one in several]
        counted = [one.counted.counts for one in tried if one.counted is not None]
        weight = [
            feature_weights.scale(counts, one.weights, one.shares).tolist()  # type: ignore[union-attr]
            for counts, one in zip(counted, several)
        ]
        kept = [(counts.features, counts.tf.tolist(), counts.documents.tolist()) for counts in counted]
        losses = [one.history for one in tried]
        seen.append((kept, weight, losses, [one.scores.accuracy for one in tried]))
    assert seen[0][:3] == seen[1][:3]  # counts, weights, and how each fit went, bit for bit
    # The labels were read, but to compare alone.
    assert min(seen[0][3]) > 0.8 and max(seen[1][3]) < 0.2


def test_an_interrupted_run_goes_on(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    work = trained / "model.work"
    for path in work.glob("all-*-shards"):
        (path / manifest.SUCCESS).unlink()  # as if it was interrupted there
    kept = {path.name: path.stat().st_mtime_ns for path in work.glob("all-*") if not path.name.endswith("-shards")}
    assert len(kept) == 2  # labels and vocabulary
    (trained / "model").rename(trained / "before")
    assert run(trained) == 0
    words = capfd.readouterr().err
    assert words.count(" split\n") == 1 and "encode: all split" in words and "fit " not in words
    assert {name: (work / name).stat().st_mtime_ns for name in kept} == kept
    assert scores(trained / "before") == scores(trained / "model")


@pytest.mark.usefixtures("one_candidate")
def test_other_records_make_another_model(trained: Path) -> None:
    shutil.copytree(trained / "model", trained / "replaced")
    write(trained / "more.tsv", documents(90, 0))
    assert run(trained, "--force", output="replaced", train_file="more.tsv") == 0
    assert manifest.read(trained / "replaced")["inputs"][0]["size"] == (trained / "more.tsv").stat().st_size


@pytest.mark.usefixtures("one_candidate")
@pytest.mark.slow
def test_textcnn_trains_too(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(trained, "--model", "textcnn", output="cnn") == 0
    assert float(capfd.readouterr().out.split()[1]) > 0.5


def test_a_label_that_was_never_trained_counts_as_wrong(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(trained / "other.tsv", [("sport", "goal match team"), ("music", "goal match team")])
    files = ["--train", str(trained / "train.tsv"), "--test", str(trained / "other.tsv")]
    assert train.main([*files, "--output", str(trained / "model")]) == 0
    out, words = capfd.readouterr()
    assert out == "accuracy 0.5000\n" and "count as wrong: 'music' (1)" in words


def test_few_records_take_the_first_candidate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    few = [pair for pair in documents(40, 3) if pair[1].encode() not in VALIDATION][:9]
    write(tmp_path / "train.tsv", few)
    write(tmp_path / "test.tsv", documents(9, 4))
    assert run(tmp_path) == 0
    out, words = capfd.readouterr()
    assert "the first candidate is taken" in words and out.startswith("accuracy ")


def one_label(folder: Path) -> None:
    write(folder / "train.tsv", [("sport", text) for _, text in documents(30, 0)])


def empty_label(folder: Path) -> None:
    write(folder / "train.tsv", [*documents(60, 0), *(("void", "!" * i) for i in range(1, 40))])


def plain_text(folder: Path) -> None:
    (folder / "train.tsv").write_text("no label here\nnor here\n")


def no_train(folder: Path) -> None:
    (folder / "train.tsv").unlink()


def no_test(folder: Path) -> None:
    (folder / "test.tsv").unlink()


def occupied(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "thesis.txt").write_text("years of work")


def above(folder: Path) -> None:
    (folder / "model" / "linear").mkdir(parents=True)
    (folder / "model" / "linear" / "model.keras").touch()
    manifest.write(folder / "model" / "linear", manifest.build("model"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (one_label, "one label only, 'sport'"),
        (empty_label, "no document of label 'void' holds a token"),
        (plain_text, "tsv"),
        (no_train, "no such input file"),
        (no_test, "no such input file"),
        (occupied, "not a whole model; give another --output"),
        (above, "not a whole model (there is model output in "),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], spoil: Callable[[Path], None], said: str
) -> None:
    write(tmp_path / "train.tsv", documents(60, 0))
    write(tmp_path / "test.tsv", documents(9, 1))
    spoil(tmp_path)
    before = {path for path in tmp_path.rglob("*") if "model.work" not in path.parts}
    try:
        # TextCNN's first candidate turns punctuation to space, so that a text may hold no token.
        code = run(tmp_path, "--model", "textcnn", "--candidates", "words")
    except SystemExit as error:  # the job has said why
        code = int(str(error.code))
    out, words = capfd.readouterr()
    progress = ("labelcount:", "featurecount:", "encode:")
    lines = [line for line in words.splitlines() if not (line.startswith(progress) and line.endswith(" split"))]
    assert code in (2, 3) and out == "" and len(lines) == 1 and said in lines[0]
    assert "Traceback" not in words
    assert {p for p in tmp_path.rglob("*") if "model.work" not in p.relative_to(tmp_path).parts} - before <= set()


def test_specifications_that_come_to_the_same_tokens_do_not_mix(tmp_path: Path) -> None:
    found = candidates.candidates("textcnn")
    stages = Stages([write(tmp_path / "train.tsv", documents(30, 0))], tmp_path / "work", runner="inline")
    trials = OnShards(stages, found[0], Settings())
    words, sentences = (trials.count(replace(one, minimum_df=1), "all") for one in found)
    assert words.counts.features == sentences.counts.features and words.vocabulary != sentences.vocabulary
    outputs = {trials.encode(words, "all"), trials.encode(sentences, "all")}
    assert len(outputs) == 2
