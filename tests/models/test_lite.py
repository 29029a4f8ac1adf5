"""LiteRT files answer as the SavedModel does, and are a fraction of its size; what is not converted says so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import models
from mapreduce.output import manifest
from mapreduce.tokens.specification import preset
from models import lite
from models.serving import litert
from tests.models.conftest import export_images, export_texts
from tests.models.test_train_images import LABELS, pictures, write

needs_litert = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None,
    reason="needs LiteRT's interpreter: pip install 'featuremill[lite]'",
)


def about(name: str) -> dict[str, Any]:
    return manifest.build("model", results={"candidate": {"model": name}})


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from models.architectures.mlp import mlp

    folder = tmp_path_factory.mktemp("lite")
    keras.utils.set_random_seed(0)
    model = mlp((8, 8, 1), 3, hidden=256)
    export_images(model, labels=LABELS, scale=2.0, directory=folder / "model", manifest=about("mlp"))
    write(folder / "test.tsv", *pictures(40, 1))
    return folder


@needs_litert
def test_pixels(images: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert lite.main([str(images / "model"), str(images / "m.tflite"), "--test", str(images / "test.tsv")]) == 0
    out, words = capfd.readouterr()
    saved, light = (line.split("\t") for line in out.splitlines())
    assert saved[0] == "SavedModel" and light[0] == "LiteRT" and words == ""
    assert int(light[1].split()[0]) == (images / "m.tflite").stat().st_size < int(saved[1].split()[0]) / 3
    assert abs(float(light[2].split()[1]) - float(saved[2].split()[1])) <= 0.05
    model, found = models.load(images / "model"), litert.LiteModel(images / "m.tflite")
    for number in (1, 7, 40):
        pixels = pictures(number, 3)[1]
        np.testing.assert_allclose(found(pixels), model(pixels), atol=0.03)


@needs_litert
def test_textcnn_on_ids(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from models.architectures.textcnn import textcnn

    keras.utils.set_random_seed(0)
    tokens = [b"w%d" % i for i in range(200)]
    export_texts(
        textcnn(200, 3, dimensions=32, filters=32),
        kind="ids",
        specification=preset("keras"),
        tokens=tokens,
        labels=LABELS,
        scale=3.0,
        directory=tmp_path / "model",
        manifest=about("textcnn"),
    )
    texts = [" ".join(f"w{(7 * i + j) % 210}" for j in range(i % 9)) or "w1" for i in range(30)]
    (tmp_path / "test.tsv").write_text("".join(f"left\t{text}\n" for text in texts))
    assert lite.main([str(tmp_path / "model"), str(tmp_path / "m.tflite"), "--test", str(tmp_path / "test.tsv")]) == 0
    saved, light = (line.split("\t") for line in capfd.readouterr().out.splitlines())
    assert int(light[1].split()[0]) < int(saved[1].split()[0]) / 2
    model, found = models.load(tmp_path / "model"), litert.LiteModel(tmp_path / "m.tflite")
    np.testing.assert_allclose(found(model.encode(texts)), model(texts), atol=0.03)


@needs_litert
def test_an_autoencoder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from models.architectures.autoencoder import autoencoder

    model = autoencoder((8, 8, 1))
    export_images(model, labels=None, directory=tmp_path / "model", manifest=about("autoencoder"))
    write(tmp_path / "test.tsv", *pictures(20, 1))
    assert lite.main([str(tmp_path / "model"), str(tmp_path / "m.tflite"), "--test", str(tmp_path / "test.tsv")]) == 0
    errors = [float(line.split()[-1]) for line in capfd.readouterr().out.splitlines()]
    assert len(errors) == 2 and abs(errors[0] - errors[1]) < 0.005


def test_the_others_say_so(one_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = manifest.read(one_model)
    for name in ("linear", "lstm", "attention", "transformer"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.keras").touch()
        manifest.write(folder, {**found, "results": {"candidate": {"model": name}}})
        assert lite.main([str(folder), str(tmp_path / "m.tflite")]) == 2
        words = capsys.readouterr().err
        assert words == f"lite: {folder}: {name} is not converted; models of images and textcnn are\n"
    assert lite.main([str(one_model), str(tmp_path / "m.tflite")]) == 2
    assert "a network that models.train has not made is not converted" in capsys.readouterr().err
    assert lite.main([str(one_model.parent), str(tmp_path / "m.tflite")]) == 2
    assert f"there is model output in {one_model}: give the one that is meant" in capsys.readouterr().err
    assert not (tmp_path / "m.tflite").exists()


def test_a_missing_interpreter_is_one_line_before_anything_is_written(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "ai_edge_litert", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else known(name))
    assert lite.main([str(images / "model"), str(tmp_path / "m.tflite"), "--test", str(images / "test.tsv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "m.tflite").exists()
