"""Training that survives: SIGKILL and --resume end with the same weights, Ctrl-C leaves the best model so far."""

from __future__ import annotations

import functools
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tqdm

import models
from mapreduce import manifest
from mapreduce.errors import UserError
from models import candidates, checkpoint, fit, train, train_texts
from models.candidates import Candidate
from models.epochs import Report
from models.fitted import Fitted, Interrupted
from models.settings import Settings
from models.stages import Stages
from tests.models.test_train import documents
from tests.models.test_train import write as write_texts
from tests.models.test_train_images import LABELS, pictures, write

ROOT = Path(__file__).resolve().parent.parent.parent
NETWORK = {"hidden": 8, "dropout": 0.5}
CANDIDATE = Candidate(name="small", model="mlp", architecture=NETWORK, epochs=4, batch_size=16, shift=1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The train and validation splits of small images, encoded."""
    folder = tmp_path_factory.mktemp("shards")
    stages = Stages([write(folder / "train.tsv", *pictures(150, 0))], folder / "work", runner="inline")
    return stages.encode_images("train"), stages.encode_images("validation")


def trained(shards: tuple[Path, Path], *, seed: int = 0, resume: bool = False, **more: Any) -> Fitted:
    settings = Settings(seed, resume)
    return fit.fit(CANDIDATE, shards[0], labels=LABELS, size=(8, 8, 1), settings=settings, validation=shards[1], **more)


def same(one: Fitted, other: Fitted) -> bool:
    return all(map(np.array_equal, one.model.get_weights(), other.model.get_weights()))


@pytest.fixture(scope="module")
def whole(shards: tuple[Path, Path]) -> Fitted:
    """What nothing has interrupted."""
    return trained(shards)


class Stop(keras.callbacks.Callback):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch, self.now = epoch, -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.now = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.now == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture
def stop_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Makes every training stop in this epoch; None lets it run."""

    def stop(epoch: int | None) -> None:
        monkeypatch.setattr(fit, "tensorboard", lambda *_: [] if epoch is None else [Stop(epoch)])

    return stop


def test_training_is_a_function_of_the_seed(shards: tuple[Path, Path], whole: Fitted) -> None:
    again, other = trained(shards), trained(shards, seed=1)
    assert same(again, whole) and again.history == whole.history and not same(other, whole)


def test_a_resumed_training_ends_as_an_uninterrupted_one(
    shards: tuple[Path, Path],
    whole: Fitted,
    tmp_path: Path,
    stop_in: Callable[[int | None], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "checkpoint.npz"
    stop_in(2)
    with pytest.raises(Interrupted):
        trained(shards, file=file, key="k", resume=True)
    stop_in(None)
    resumed = trained(shards, file=file, key="k", resume=True)
    assert same(resumed, whole) and resumed.history == whole.history
    assert "goes on after epoch 2 of 4" in capfd.readouterr().err
    assert os.listdir(tmp_path) == ["checkpoint.npz"]
    trained(shards, file=file, key="k")
    assert "goes on" not in capfd.readouterr().err  # without the flag it begins anew


def test_the_best_epoch_survives_too(
    shards: tuple[Path, Path], tmp_path: Path, stop_in: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([0.5, 0.9, 0.2, 0.1, 0.5, 0.9, 0.2, 0.1])
    monkeypatch.setattr(fit, "_measure", lambda *_: lambda: next(measured))
    whole = trained(shards, best=True)
    assert whole.epoch == 2
    file = tmp_path / "checkpoint.npz"
    stop_in(3)
    with pytest.raises(Interrupted) as stopped:
        trained(shards, best=True, file=file)
    assert stopped.value.fitted.epoch == 2 and same(stopped.value.fitted, whole)
    stop_in(None)
    assert same(trained(shards, best=True, file=file, resume=True), whole)


def test_a_checkpoint_is_for_its_own_training_alone(whole: Fitted, tmp_path: Path) -> None:
    state = checkpoint.State([{"loss": 1.0}], checkpoint.weights(whole.model), 1)
    whole.model.compile("sgd", "mse")  # a checkpoint is of a model in training
    checkpoint.write(tmp_path / "c.npz", whole.model, "a key", state)
    before = checkpoint.weights(whole.model)
    assert checkpoint.read(tmp_path / "c.npz", whole.model, "another key") is None
    assert checkpoint.read(tmp_path / "none.npz", whole.model, "a key") is None
    found = checkpoint.read(tmp_path / "c.npz", whole.model, "a key")
    assert found is not None and found.history == state.history and found.best_epoch == 1
    for one, other, third in zip(found.best, before, checkpoint.weights(whole.model)):
        assert np.array_equal(one, other) and np.array_equal(one, third)


def test_ctrl_c_in_the_first_epoch_leaves_nothing(
    shards: tuple[Path, Path], stop_in: Callable[[int | None], None]
) -> None:
    stop_in(0)
    with pytest.raises(KeyboardInterrupt) as stopped:
        trained(shards)
    assert not isinstance(stopped.value, Interrupted)


def test_a_damaged_checkpoint_is_one_line(shards: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"damaged .* remove it, or leave --resume out"):
        trained(shards, file=tmp_path / "c.npz", resume=True)


def test_a_loss_that_is_no_number_is_one_line(shards: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit.build, "loss", lambda _: lambda y, logits: keras.ops.mean(logits) * float("nan"))
    with pytest.raises(UserError, match="after epoch 1; the learning rate is too high"):
        trained(shards)


def test_dropout_is_seeded_by_epoch_and_place() -> None:
    inputs = keras.Input((100,))
    x = keras.layers.Dropout(0.5)(inputs)
    model = keras.Model(inputs, [x, keras.layers.Dropout(0.5)(inputs)])

    def drawn(seed: int, epoch: int) -> list[Any]:
        checkpoint.seed_layers(model, seed, epoch)
        return [np.array(one) for one in model(np.ones((1, 100)), training=True)]

    first, again, later, other = drawn(0, 0), drawn(0, 0), drawn(0, 1), drawn(1, 0)
    assert np.array_equal(first, again)
    for one in (later, other, first[::-1]):
        assert not np.array_equal(first, one)


def test_every_random_layer_of_a_network_is_seeded() -> None:
    from models.architectures.transformer import transformer

    model = transformer(20, 2, dimensions=8, heads=2, hidden=8)
    held = {id(variable) for variable in model.weights}
    states = [v for v in model.variables if id(v) not in held]
    before = [np.array(state) for state in states]
    checkpoint.seed_layers(model, 3, 4)
    assert len(states) >= 5 and not any(np.array_equal(a, b) for a, b in zip(before, states))


def run(folder: Path, model: str, *more: str, records: str = "train.tsv", output: str = "model") -> int:
    files = ["--train", str(folder / records), "--test", str(folder / "test.tsv")]
    return train.main([*files, "--model", model, "--output", str(folder / output), *more])


def test_ctrl_c_exports_the_best_epoch_of_images(
    tmp_path: Path, stop_in: Callable[[int | None], None], capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.tsv", *pictures(150, 0))
    write(tmp_path / "test.tsv", *pictures(30, 1))
    stop_in(3)
    assert run(tmp_path, "mlp") == 130
    out, words = capfd.readouterr()
    assert out == "" and "interrupted after epoch 3 of 5" in words and "holds the best model so far" in words
    results = manifest.read(tmp_path / "model", "model")["results"]
    assert len(results["history"]["mlp"]) == 3 and results["interrupted"]
    labels, images = pictures(60, 2)
    assert np.mean([a == b for a, b in zip(models.load(tmp_path / "model").predict(images), labels)]) > 0.5
    stop_in(None)
    assert run(tmp_path, "mlp", "--resume") == 0  # what was interrupted is not up to date
    assert "goes on after epoch 3 of 5" in capfd.readouterr().err
    assert run(tmp_path, "mlp", output="whole") == 0
    _, images = pictures(60, 2)
    np.testing.assert_array_equal(models.load(tmp_path / "model")(images), models.load(tmp_path / "whole")(images))
    assert not list((tmp_path / "model.work").glob("*checkpoint*"))


@pytest.mark.slow
def test_ctrl_c_exports_the_best_candidate_of_texts(
    tmp_path: Path,
    stop_in: Callable[[int | None], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = candidates._TEXTS["linear"]
    monkeypatch.setitem(candidates._TEXTS, "linear", lambda: made()[:2])
    write_texts(tmp_path / "train.tsv", documents(150, 0))
    write_texts(tmp_path / "test.tsv", documents(30, 1))
    stop_in(4)
    assert run(tmp_path, "linear") == 130  # in the first candidate: its last whole epoch
    assert "while candidates were compared" in capfd.readouterr().err
    texts = [text for _, text in documents(30, 2)]
    assert models.load(tmp_path / "model")(texts).shape == (30, 3)
    stop_in(10)
    assert run(tmp_path, "linear", "--resume") == 130  # in the second candidate, which has 12 epochs: the first one
    words = capfd.readouterr().err
    assert "goes on after epoch 4 of 8" in words and "candidate igm: validation" in words
    results = manifest.read(tmp_path / "model", "model")["results"]
    assert results["candidate"]["name"] == "igm" and set(results["validation"]) == {"igm"}
    stop_in(5)
    assert run(tmp_path, "linear", "--resume", output="model") == 130  # the second again, then the fit on all records
    stop_in(None)
    assert run(tmp_path, "linear", "--resume") == 0
    assert run(tmp_path, "linear", output="whole") == 0
    np.testing.assert_array_equal(models.load(tmp_path / "model")(texts), models.load(tmp_path / "whole")(texts))


def test_progress_away_from_a_terminal_is_plain_lines(
    shards: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fit.Report, "SECONDS", 0.0)
    trained(shards)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 4 and lines[-1].startswith("fit small: 100 %, epoch 4 of 4, loss ")
    assert lines[-1].endswith(" 0 s left") and "\r" not in "".join(lines)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(tqdm, "tqdm", functools.partial(tqdm.tqdm, mininterval=0))
    report = Report("small", steps=9, epochs=4, first=1)
    report.on_train_begin()
    report.bar.delay = 0
    for epoch in (1, 2):
        report.on_epoch_begin(epoch)
        report.on_train_batch_end(31)
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
    report.close()
    assert "fit small:  50%" in shown and "fit small:  75%" in shown and "27/36 [00:00<00:00" in shown


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn_dropout", "textcnn"])
def test_killed_and_resumed_ends_bit_for_bit_the_same(tmp_path: Path, model: str) -> None:
    if model == "textcnn":
        write_texts(tmp_path / "train.tsv", documents(300, 0))
        write_texts(tmp_path / "test.tsv", documents(60, 1))
        asked: Any = [text for _, text in documents(60, 2)]
    else:
        write(tmp_path / "train.tsv", *pictures(900, 0))
        write(tmp_path / "test.tsv", *pictures(60, 1))
        asked = pictures(60, 2)[1]

    def command(output: str, *more: str) -> list[str]:
        files = ["--train", str(tmp_path / "train.tsv"), "--test", str(tmp_path / "test.tsv")]
        flags = ["--model", model, "--output", str(tmp_path / output), *more]
        return [sys.executable, "-m", "models.train", *files, *flags]

    subprocess.run(command("whole"), cwd=ROOT, check=True, capture_output=True)
    killed, words = 0, ""
    for _ in range(3):
        running = subprocess.Popen(command("model", "--resume"), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "model.work").glob("*checkpoint.npz")}
        while running.poll() is None and time.monotonic() < deadline:
            now = {path: path.stat().st_mtime_ns for path in (tmp_path / "model.work").glob("*checkpoint.npz")}
            if any(before.get(path) != changed for path, changed in now.items()):
                time.sleep(0.05 * killed)
                break
            time.sleep(0.005)
        if running.poll() is None:
            running.send_signal(signal.SIGKILL)
            killed += 1
        words += running.communicate()[1]
    last = subprocess.run(command("model", "--resume"), cwd=ROOT, check=True, capture_output=True, text=True)
    assert killed >= 2 and "goes on after epoch" in words + last.stderr
    np.testing.assert_array_equal(models.load(tmp_path / "model")(asked), models.load(tmp_path / "whole")(asked))


def test_mixed_precision_without_a_gpu_changes_nothing(
    shards: tuple[Path, Path], whole: Fitted, capfd: pytest.CaptureFixture[str]
) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU, and this is about machines without one")
    found = fit.fit(CANDIDATE, shards[0], labels=LABELS, size=(8, 8, 1), settings=Settings(mixed_precision=True))
    assert same(found, whole) and "there is no GPU here" in capfd.readouterr().err


def test_mixed_precision_on_a_gpu(shards: tuple[Path, Path]) -> None:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a GPU, and there is none")
    found = fit.fit(CANDIDATE, shards[0], labels=LABELS, size=(8, 8, 1), settings=Settings(mixed_precision=True))
    assert found.model.get_layer("hidden").compute_dtype == "float16"
    assert found.model.get_layer("logits").compute_dtype == "float32"
    assert found.history[-1]["loss"] < found.history[0]["loss"]


@pytest.mark.parametrize("model", candidates.TEXT_MODELS)
def test_text_networks_train_in_mixed_precision(model: str, tmp_path: Path) -> None:
    stages = Stages([write_texts(tmp_path / "train.tsv", documents(120, 0))], tmp_path / "work", runner="inline")
    candidate = replace(candidates.candidates(model)[-1], epochs=3)
    counted = train_texts.count(stages, candidate, "train")
    shards = stages.encode(candidate.specification, "train", counted.vocabulary, counted.fingerprint)
    keras.config.set_dtype_policy("mixed_float16")  # a processor computes in it too, slowly
    try:
        found = fit.fit(candidate, shards, labels=counted.counts.labels, size=len(counted.counts.features))
    finally:
        keras.config.set_dtype_policy("float32")
    assert found.model.layers[-1].compute_dtype == "float32"
    assert found.history[-1]["loss"] < found.history[0]["loss"]


def test_curves_are_drawn(tmp_path: Path, shards: tuple[Path, Path]) -> None:
    pytest.importorskip("matplotlib", reason="learning curves need matplotlib: pip install -e '.[plots]'")
    from models import plots

    plots.curves({"a": [{"loss": 1.0}, {"loss": 0.5, "validation": 0.7}], "b": []}, tmp_path / "new" / "c.png")
    assert (tmp_path / "new" / "c.png").read_bytes().startswith(b"\x89PNG")
    assert os.listdir(tmp_path / "new") == ["c.png"]


def test_tensorboard_logs_hold_what_was_measured(tmp_path: Path, shards: tuple[Path, Path]) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard's logs need tensorboard: pip install -e '.[plots]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = Settings(tensorboard=tmp_path)
    found = fit.fit(CANDIDATE, shards[0], labels=LABELS, size=(8, 8, 1), settings=settings, validation=shards[1])
    events = EventAccumulator(str(tmp_path / "small" / "train"), {"tensors": 0}).Reload()
    logged = [float(np.frombuffer(e.tensor_proto.tensor_content, np.float32)[0]) for e in events.Tensors("epoch_loss")]
    np.testing.assert_allclose(logged, [one["loss"] for one in found.history], rtol=1e-6)


@pytest.mark.parametrize(("flag", "package"), [("--curves", "matplotlib"), ("--tensorboard", "tensorboard")])
def test_a_missing_package_is_one_line_before_any_job(
    tmp_path: Path, flag: str, package: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else known(name))
    write(tmp_path / "train.tsv", *pictures(30, 0))
    write(tmp_path / "test.tsv", *pictures(30, 1))
    assert run(tmp_path, "mlp", flag, str(tmp_path / "there")) == 2
    words = capfd.readouterr().err
    assert words == f"train: {flag} needs {package}, which is not installed; run: pip install -e '.[plots]'\n"
    assert not (tmp_path / "model.work").exists()
