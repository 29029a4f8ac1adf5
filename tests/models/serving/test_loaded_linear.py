"""The linear model without TensorFlow: what its arrays answer is what the exported graph and the Keras file answer."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from mapreduce.native import library as native
from mapreduce.output import manifest
from mapreduce.tokens.specification import Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer
from models.counts import linear
from models.serving import linear_graph, loaded_linear
from models.serving.export import export
from models.serving.exports import arrays
from models.serving.linear_model import LinearModel
from models.serving.loaded_linear import LoadedLinear
from models.serving.loaded_texts import LoadedModel
from models.training import candidates
from tests.conftest import ROOT

LABELS = ["pos", "neg", "né"]
PIECES = [
    *("a", "B", "it's", "film", " ", "  ", "\t", "\n", "\r", "\x0b", "\x00", "\x1c", "\x7f", ".", "!?", "-", "_", "1"),
    *(
        "é",
        "e\u0301",
        "ß",
        "İ",
        "ﬁ",
        "½",
        "我",
        "爱",
        "ไทย",
        "か",
        "\u0085",
        "\u00a0",
        "\u2028",
        "\u200b",
        "\ufeff",
        "🙂",
    ),
    *("x" * 300, "the the the"),
]
BAD = [b"\xff\xfe", b"\xc3", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf0\x9f", b"\x80"]
SPECIFICATIONS = {
    "sentences": preset("sentences", ngrams=2, head=8),
    "words": preset("words", ngrams=3, character_ngrams=(3, 4, 5)),
    "rare": preset("words", ngrams=(), skips=True, head_pairs=2, prefixes=3, characters_across=(3, 4)),
    "keras": preset("keras"),
    "cjk": preset("cjk", ngrams=2),
}


ABOUT = {"parts": [{"term_frequency": "sqrt", "normalize": True}]}


def hostile(number: int, seed: int = 0) -> list[bytes]:
    """Texts of what has broken tokenizers, some of them no UTF-8, some empty."""
    draw = random.Random(seed)
    pieces = [piece.encode() for piece in PIECES]
    found = [b"", b" ", b"a" * 20_000, b"a b " * 5_000]
    while len(found) < number:
        found.append(b"".join(draw.choice(BAD if draw.random() < 0.05 else pieces) for _ in range(draw.randrange(30))))
    return found[:number]


def exported(folder: Path, specification: Specification, seed: int = 0, *kinds: str) -> Path:
    """A model of weights that are drawn, of every second feature of hostile texts; of an odd seed a sum of three."""
    features = sorted({f for text in hostile(300, seed + 1) for f in Tokenizer(specification).features(text)})
    tokens = [token for token in features if b"\n" not in token and b"\r" not in token][::2]
    draw = np.random.default_rng(seed)
    candidate = candidates._TEXTS["linear"]()[seed % 2]
    parts = []
    for _ in range(1 + 2 * (seed % 2)):
        one = linear.empty(len(tokens), 3, scale=draw.uniform(0.5, 2, len(tokens)), **candidate.architecture)
        one.rows[2:] = draw.normal(size=(len(tokens), 3))
        one.bias[:] = draw.normal(size=3)
        parts.append(one)
    model = linear.Sum(parts)
    served = LinearModel(
        model,
        specification=specification,
        tokens=tokens,
        labels=LABELS,
        scale=1.7,
    )
    export(served, directory=folder, manifest=manifest.build("model"), kinds=kinds or None)
    return folder


@pytest.mark.parametrize("number", [500, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in ("sentences", "rare"))) for name in SPECIFICATIONS],
)
def test_the_graph_and_the_keras_file_answer_the_same(name: str, number: int, tmp_path: Path) -> None:
    import tensorflow as tf

    folder = exported(tmp_path / "model", SPECIFICATIONS[name], len(name))
    one, graph, texts = models.load(folder), LoadedModel(folder), hostile(number)
    assert isinstance(one, LoadedLinear)
    found = one(texts)
    np.testing.assert_allclose(found, graph(texts), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    keras_file = models.load_keras(folder)
    batches = [texts[i : i + 500] for i in range(0, len(texts), 500)]
    np.testing.assert_allclose(
        found, np.concatenate([keras_file(tf.constant(batch)).numpy() for batch in batches]), atol=1e-5
    )
    assert len(np.unique(found.argmax(axis=1))) == 3
    ours, theirs = one.encode(texts[:50]), graph.encode(texts[:50])
    for part in ("ids", "counts"):
        np.testing.assert_array_equal(ours[part], theirs[part])


def test_python_answers_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, texts = exported(tmp_path / "model", SPECIFICATIONS["sentences"], 0, arrays.NAME), hostile(300)
    assert sorted(path.name for path in folder.iterdir()) == ["_SUCCESS", "_manifest.json", "arrays"]
    natively = models.load(folder)(texts)
    monkeypatch.setattr(native, "load", lambda: None)
    np.testing.assert_allclose(models.load(folder)(texts), natively, atol=1e-6)


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = models.load(exported(tmp_path / "model", SPECIFICATIONS["words"], 0, arrays.NAME)), hostile(200)
    found = model(texts)
    monkeypatch.setattr(loaded_linear, "BATCH_BYTES", 50)
    np.testing.assert_array_equal(model(texts), found)
    monkeypatch.setattr(loaded_linear, "MOST_NUMBERS", 1)
    np.testing.assert_array_equal(model(texts), found)
    assert model([]).shape == (0, 3) and model.predict([]) == []
    assert model.predict(texts[:3]) == [LABELS[i] for i in found[:3].argmax(axis=1)]


def test_a_text_that_is_too_much_costs_no_other_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.load(exported(tmp_path / "model", SPECIFICATIONS["keras"], 0, arrays.NAME))
    expected = model(["a film"])
    monkeypatch.setitem(model.__dict__, "longest", 10)
    found, causes = model.answer(["a film", "a film that is longer", "a film"])
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 0]])
    assert causes == {1: "longer than 10 bytes"} and np.isnan(found[1]).all()

    bags = model._bags

    def fails(texts: list[bytes], *more: Any) -> Any:
        if b"huge" in texts:
            raise MemoryError
        return bags(texts, *more)

    monkeypatch.setattr(model, "_bags", fails)
    found, causes = model.answer(["a film", "huge", "a film"])
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 0]])
    assert causes == {1: "too little memory"}


@pytest.mark.parametrize(
    ("name", "data"), [("rows.npy", b"no array"), ("scale.npy", b""), ("bias.npy", None), ("vocabulary.txt", None)]
)
def test_a_changed_file_is_one_line(name: str, data: bytes | None, tmp_path: Path) -> None:
    path = exported(tmp_path / "model", SPECIFICATIONS["keras"], 0, arrays.NAME) / "arrays" / name
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(UserError, match=rf"{name}: .*"):
        models.load(tmp_path / "model")


def test_threads_do_not_mix_their_texts(tmp_path: Path) -> None:
    model, texts = models.load(exported(tmp_path / "model", SPECIFICATIONS["words"], 0, arrays.NAME)), hostile(400)
    parts = [texts[i::4] for i in range(4)] * 10
    alone = [model(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(model, parts), alone):
            np.testing.assert_array_equal(found, expected)


def test_more_tokens_than_rows_are_one_line(tmp_path: Path) -> None:
    folder = exported(tmp_path / "model", SPECIFICATIONS["keras"], 0, arrays.NAME)
    with open(folder / "arrays" / "vocabulary.txt", "ab") as file:
        file.write(b"one more\n")
    with pytest.raises(UserError, match=r"not \(.*; export the model again"):
        arrays.read(folder, ABOUT, LABELS)


@pytest.mark.parametrize("shape", [(3, 3), (1, 2)])
def test_arrays_that_do_not_go_together_are_one_line(tmp_path: Path, shape: tuple[int, ...]) -> None:
    folder = exported(tmp_path / "model", SPECIFICATIONS["keras"], 0, arrays.NAME)
    np.save(folder / "arrays" / "bias.npy", np.zeros(shape, np.float32))
    with pytest.raises(UserError, match=r"arrays of \(.*; export the model again"):
        arrays.read(folder, ABOUT, LABELS)
    (folder / "arrays" / "rows.npy").write_bytes(b"\x93NUMPY and no more")
    with pytest.raises(UserError, match="cannot be loaded"):
        arrays.read(folder, ABOUT, LABELS)


def test_no_tensorflow_is_imported_from_raw_text_to_answers(tmp_path: Path) -> None:
    records = "".join(f"{'ab'[i % 2]}\t{'xy'[i % 2]} {i}\n" for i in range(60))
    (tmp_path / "train.tsv").write_text(records)
    program = (
        "import sys\n"
        "for package in ('tensorflow', 'keras'):\n    sys.modules[package] = None\n"
        "from models import evaluate, predict, train\n"
        "files = ['--train', 'train.tsv', '--test', 'train.tsv', '--output', 'model']\n"
        "assert train.main([*files, '--no-saved-model']) == 0\n"
        "assert predict.main(['model', 'lines']) == 0\n"
        "assert evaluate.main(['model', 'train.tsv']) == 0\n"
    )
    (tmp_path / "lines").write_text("x 1\ny 2\n")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "accuracy 1.0000" and [line.split("\t")[0] for line in said[1:3]] == ["a", "b"]
    assert said[3:5] == ["accuracy 1.0000", "macro F1 1.0000"] and said[5].startswith("calibration error 0.")
    assert not (tmp_path / "model" / "saved_model").exists()


@pytest.mark.slow
def test_graphs_are_written_by_another_process(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("".join(f"{'ab'[i % 2]}\t{'xy'[i % 2]} {i}\n" for i in range(60)))
    flags = "'--train', 'train.tsv', '--output', 'model', '--effort', 'best'"
    program = (
        f"import sys\nfrom models import train\nassert train.main([{flags}]) == 0\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder, texts = tmp_path / "model", ["x 1", "y 2", "x y", ""]
    assert {path.name for path in folder.iterdir()} > {"arrays", "saved_model", "model.keras"}
    found = models.load(folder)(texts)
    np.testing.assert_allclose(found, LoadedModel(folder)(texts), atol=1e-5)
    np.testing.assert_allclose(found, models.load_keras(folder)(np.array(texts)), atol=1e-5)


def test_a_process_that_was_begun_early_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with pytest.raises(KeyError), linear_graph.at_hand():
        linear_graph.begin()
        linear_graph.begin()
        (process,) = linear_graph._begun
        assert process.poll() is None
        raise KeyError
    assert process.poll() == -9 and not linear_graph._begun


@pytest.mark.slow
def test_ctrl_c_before_there_is_a_model_does_not_end_the_process_that_will_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, linear_graph.at_hand():
        patched.delitem(sys.modules, "tensorflow")
        linear_graph.begin()
        (process,) = linear_graph._begun
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        folder = exported(tmp_path / "model", SPECIFICATIONS["keras"])
        assert process.poll() == 0
    np.testing.assert_allclose(models.load(folder)(["a b"]), LoadedModel(folder)(["a b"]), atol=1e-5)


def test_a_process_that_fails_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_graph, "apart", lambda served, kinds: ["SavedModel"])
    for program, said, error in (("exit 2", "2", SystemExit), ("kill -9 $$", "not written, exit code -9", UserError)):
        shell = tmp_path / "python"
        shell.write_text(f"#!/bin/sh\n{program}\n")
        shell.chmod(0o700)
        monkeypatch.setattr(linear_graph.sys, "executable", str(shell))
        with pytest.raises(error, match=said):
            exported(tmp_path / "model", SPECIFICATIONS["keras"])
        assert [path.name for path in tmp_path.iterdir()] == ["python"]
