"""Training on images of our own: from record lines to a model that takes raw pixels; pairs that make no sense."""

from __future__ import annotations

import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from mapreduce.output import manifest
from models import evaluate, predict, train
from models.serving.loaded_images import LoadedAutoencoder, LoadedImageModel
from models.training import candidates

SHAPE = (8, 8, 1)
LABELS = ["bottom", "left", "top"]


def pictures(number: int, seed: int) -> tuple[list[str], Any]:
    """Labels and uint8 [number, 8, 8, 1]: noise, and a bright bar at one of three sides."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 60, (number, *SHAPE), np.uint8)
    labels = [LABELS[i % 3] for i in range(number)]
    for image, label in zip(images, labels):
        place = {"top": np.s_[:2], "bottom": np.s_[-2:], "left": np.s_[:, :2]}[label]
        image[place] = generator.integers(150, 256, image[place].shape, np.uint8)
    return labels, images


def write(path: Path, labels: list[str], images: Any) -> Path:
    texts = [f"8x8x1:{urlsafe_b64encode(image.tobytes()).decode()}" for image in images]
    path.write_text("".join(f"{label}\t{text}\n" for label, text in zip(labels, texts)))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.tsv and test.tsv of images, and texts.tsv."""
    made = tmp_path_factory.mktemp("images")
    write(made / "train.tsv", *pictures(150, 0))
    write(made / "test.tsv", *pictures(60, 1))
    (made / "texts.tsv").write_text("".join(f"{label}\ta text {i}\n" for i in range(9) for label in ("a", "b")))
    return made


def run(folder: Path, model: str, *more: str, records: str = "train.tsv") -> int:
    files = ["--train", str(folder / records), "--test", str(folder / "test.tsv")]
    return train.main([*files, "--model", model, "--output", str(folder / model), *more])


@pytest.fixture(scope="module")
def mlp(folder: Path) -> Path:
    assert run(folder, "mlp") == 0
    return folder / "mlp"


def test_raw_pixels_to_probabilities(folder: Path, mlp: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "mlp") == 0
    out, words = capfd.readouterr()
    labels, images = pictures(60, 1)
    model = models.load(mlp)
    assert isinstance(model, LoadedImageModel) and model.labels == LABELS and model.shape == SHAPE
    probabilities = model(images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    right = np.mean([a == b for a, b in zip(model.predict(images), labels)])
    assert out == f"accuracy {right:.4f}\n" and right > 0.8
    assert "up to date" in words


def test_one_image_is_answered_as_many_are(mlp: Path) -> None:
    _, images = pictures(600, 2)
    model = models.load(mlp)
    many = model(images)
    assert many.shape == (600, 3)
    np.testing.assert_allclose(model(images[599:]), many[599:], atol=1e-6)
    np.testing.assert_array_equal(model(images[..., 0]), many)
    assert model(images[:0]).shape == (0, 3)


def test_the_keras_file_answers_the_same(mlp: Path) -> None:
    _, images = pictures(5, 3)
    np.testing.assert_allclose(models.load_keras(mlp)(images), models.load(mlp)(images), atol=1e-6)


@pytest.mark.slow
def test_the_keras_file_needs_no_code_of_ours(mlp: Path, tmp_path: Path) -> None:
    program = "import keras, sys; print(keras.models.load_model(sys.argv[1]).name)"
    command = [sys.executable, "-c", program, str(mlp / "model.keras")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "classifier\n", done.stderr


def test_the_saved_model_needs_no_code_of_ours(mlp: Path) -> None:
    import tensorflow as tf

    _, images = pictures(5, 3)
    served = tf.saved_model.load(str(mlp / "saved_model")).signatures["serving_default"](pixels=tf.constant(images))
    np.testing.assert_allclose(served["probabilities"], models.load(mlp)(images), atol=1e-6)
    assert [name.decode() for name in served["labels"].numpy()] == LABELS


def test_the_manifest_says_which_epoch_was_best(mlp: Path) -> None:
    results = manifest.read(mlp, "model")["results"]
    measured = [one["validation"] for one in results["history"]["mlp"]]
    assert len(measured) == candidates.image_candidate("mlp").epochs
    assert results["epoch"] == measured.index(max(measured)) + 1
    assert results["validation"]["mlp"]["accuracy"] == round(max(measured), 4)
    assert set(results["validation"]["mlp"]) == {"accuracy", "macro-f1", "log-loss"}


def test_evaluate_reads_image_records(folder: Path, mlp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(mlp), str(folder / "test.tsv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("accuracy 0.") or lines[0] == "accuracy 1.0000"
    assert any(line.startswith("left\t") for line in lines)


def test_predict_reads_image_records(folder: Path, mlp: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert predict.main([str(mlp), str(folder / "test.tsv")]) == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == models.load(mlp).predict(pictures(60, 1)[1])


def test_images_of_another_shape_are_one_line(mlp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.tsv").write_text(f"left\t2x2x1:{urlsafe_b64encode(bytes(4)).decode()}\n")
    assert evaluate.main([str(mlp), str(tmp_path / "other.tsv")]) == 2
    words = capsys.readouterr().err
    assert words.count("\n") == 1 and "the model takes images of 8x8x1: another shape" in words
    with pytest.raises(UserError, match=r"8x8x1, uint8\. Received: 8x8x1, float32"):
        models.load(mlp)(np.zeros((1, *SHAPE), np.float32))


@pytest.mark.parametrize("name", ["autoencoder", pytest.param("convolutional_autoencoder", marks=pytest.mark.slow)])
def test_an_autoencoder_reports_its_error_and_shows_it(
    folder: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    import tensorflow as tf

    assert run(folder, name) == 0
    out = capfd.readouterr().out
    _, images = pictures(60, 1)
    model = models.load(folder / name)
    assert isinstance(model, LoadedAutoencoder)
    error = np.square(model(images) - images / 255).mean()
    assert out == f"reconstruction error {error:.4f}\n"
    picture = tf.io.decode_png((folder / name / "reconstructions.png").read_bytes())
    assert picture.shape == (2 * 10, 10 * 10, 1)  # two rows of ten images, a pixel around each
    assert evaluate.main([str(folder / name), str(folder / "test.tsv")]) == 0
    assert capfd.readouterr().out == out
    with pytest.raises(UserError, match="knows no labels"):
        model.predict(images)
    assert predict.main([str(folder / name), str(folder / "test.tsv")]) == 2
    assert "knows no labels" in capfd.readouterr().err


def test_an_autoencoder_learns(folder: Path) -> None:
    results = manifest.read(folder / "autoencoder", "model")["results"]
    history = results["history"]["autoencoder"]
    assert history[-1]["validation"] > history[0]["validation"] and history[-1]["loss"] < history[0]["loss"]


@pytest.mark.parametrize(
    ("model", "records", "said"),
    [
        ("textcnn", "train.tsv", "textcnn reads texts, and {} holds images; the models of images are mlp, cnn"),
        ("cnn", "texts.tsv", "cnn reads images, and {} holds texts; the models of texts are linear, textcnn"),
    ],
)
def test_a_senseless_pair_is_refused_before_any_job(
    folder: Path, model: str, records: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, model, records=records) == 2
    out, words = capfd.readouterr()
    assert out == "" and words.count("\n") == 1 and said.format(folder / records) in words
    assert not (folder / f"{model}.work").exists()


def test_too_few_images_for_a_validation_split(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from mapreduce.input.records import SplitRule

    labels, images = pictures(9, 0)
    lines = write(tmp_path / "train.tsv", labels, images).read_text().splitlines(keepends=True)
    rule = SplitRule("validation")
    kept = [line for line in lines if line.rstrip("\n").split("\t")[1].encode() not in rule]
    (tmp_path / "train.tsv").write_text("".join(kept))
    write(tmp_path / "test.tsv", labels, images)
    assert run(tmp_path, "mlp") == 0
    out, words = capfd.readouterr()
    assert "the last epoch is taken" in words and out.startswith("accuracy ")


def test_one_label_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, images = pictures(30, 0)
    write(tmp_path / "train.tsv", ["cat"] * 30, images)
    write(tmp_path / "test.tsv", ["cat"] * 30, images)
    assert run(tmp_path, "mlp") == 2
    assert "one label only, 'cat'" in capfd.readouterr().err
    assert not (tmp_path / "mlp").exists()
