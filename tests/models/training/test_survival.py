"""Training that survives: SIGKILL and --resume end with the same weights, Ctrl-C leaves the best model so far."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from mapreduce.local import machine
from mapreduce.native import library as native
from mapreduce.output import manifest
from models import train
from models.training import candidates, checkpoint, fit, fit_linear
from models.training.runs import Fitted, Interrupted
from models.training.settings import Settings
from tests.conftest import ROOT
from tests.models.small_training import run, same, trained
from tests.models.test_train import documents
from tests.models.test_train import write as write_texts
from tests.models.test_train_images import pictures, write

RESUMED = Settings(resume=True)


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
    again, other = trained(shards), trained(shards, Settings(1))
    assert same(again, whole) and again.history == whole.history and not same(other, whole)


@pytest.mark.slow
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
        trained(shards, RESUMED, checkpoint=file, key="k")
    stop_in(None)
    resumed = trained(shards, RESUMED, checkpoint=file, key="k")
    assert same(resumed, whole) and resumed.history == whole.history
    assert "goes on after epoch 2 of 4" in capfd.readouterr().err
    assert os.listdir(tmp_path) == ["checkpoint.npz"]
    trained(shards, checkpoint=file, key="k")
    assert "goes on" not in capfd.readouterr().err  # without the flag it begins anew


@pytest.mark.slow
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
        trained(shards, best=True, checkpoint=file)
    assert stopped.value.fitted.epoch == 2 and same(stopped.value.fitted, whole)
    stop_in(None)
    assert same(trained(shards, RESUMED, best=True, checkpoint=file), whole)


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
        trained(shards, RESUMED, checkpoint=tmp_path / "c.npz")


def test_whatever_is_damaged_in_a_checkpoint_is_one_line(whole: Fitted, tmp_path: Path) -> None:
    model, path = whole.model, tmp_path / "c.npz"
    model.compile("sgd", "mse")
    checkpoint.write(path, model, "k", checkpoint.State([{"loss": 1.0}], checkpoint.weights(model), 1))
    data, before = path.read_bytes(), checkpoint.weights(model)
    with np.load(path) as found:
        arrays = dict(found)
    # A byte here and there, half of the file, and nothing of it: read as it was, or refused.
    draw = random.Random(0)
    encrypted = bytearray(data)
    encrypted[data.index(b"PK\x01\x02") + 8] |= 1  # a flag, which nothing sums up
    spoiled = [data[: len(data) // 2], b"", bytes(encrypted)]
    spoiled += [_flipped(data, draw.randrange(len(data))) for _ in range(60)]
    one = arrays["variable 0"]
    for array in (one * np.float32("nan"), one[:-1], one.astype("c16"), np.array("text")):
        file = io.BytesIO()
        np.savez(file, **{**arrays, "variable 0": array})
        spoiled.append(file.getvalue())
    for about in (b"[]", b"{}", b"3", json.dumps({"key": "k", "history": 3, "best_epoch": 1}).encode()):
        file = io.BytesIO()
        np.savez(file, **{**arrays, "about": np.frombuffer(about, np.uint8)})
        spoiled.append(file.getvalue())
    file = io.BytesIO()
    np.save(file, one)  # one array and no archive of them
    spoiled.append(file.getvalue())
    refused = 0
    for bad in spoiled:
        path.write_bytes(bad)
        try:
            found = checkpoint.read(path, model, "k")
            assert found is not None and all(map(np.array_equal, found.best, before))
        except UserError as error:
            refused += 1
            assert "damaged" in str(error) and "\n" not in str(error)
            assert all(map(np.array_equal, checkpoint.weights(model), before))
    assert refused > 40


def test_a_full_disk_at_a_checkpoint_is_one_line(whole: Fitted, tmp_path: Path) -> None:
    path, model = tmp_path / "c.npz", whole.model
    model.compile("sgd", "mse")
    state = checkpoint.State([{"loss": 1.0}], checkpoint.weights(model), 1)
    checkpoint.write(path, model, "k", state)
    data = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) // 2, limits[1]))  # as where space ends: the write fails
    try:
        with pytest.raises(
            UserError, match=r"c\.npz: the checkpoint is not written: File too large; make space"
        ) as error:
            checkpoint.write(path, model, "k", state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value) and path.read_bytes() == data and os.listdir(tmp_path) == ["c.npz"]


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def test_texts_that_are_nearly_all_alike_need_a_lower_rate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.tsv").write_text("pos\tthe same text\nneg\tthe same text\n" * 100 + "pos\tanother text\n")
    command = ["--train", str(tmp_path / "train.tsv"), "--output", str(tmp_path / "model")]
    assert train.main([*command, "--learning-rate", "100"]) == 2
    assert "give a lower --learning-rate" in capfd.readouterr().err.splitlines()[-1]
    assert train.main([*command, "--learning-rate", "0.5"]) == 0


def test_a_loss_that_is_no_number_is_one_line(shards: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit.build, "loss", lambda *_: lambda y, logits: keras.ops.mean(logits) * float("nan"))
    with pytest.raises(UserError, match=r"small: the loss is nan after epoch 1: .* 0\.001, .* a lower --learning-rate"):
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


@pytest.mark.slow
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
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, run_epoch = candidates._TEXTS["linear"], native.linear_epoch
    monkeypatch.setitem(candidates._TEXTS, "linear", lambda: made()[:2])
    monkeypatch.setattr(fit_linear, "SECONDS", -1.0)
    monkeypatch.setattr(machine, "cores", lambda: 1)  # one after the other

    def stop_in(epochs: int | None) -> None:
        left = iter(range(epochs - 1, -1, -1) if epochs else ())

        def stop(*given: Any, **more: Any) -> None:
            run_epoch(*given, **more)
            if next(left, None) == 0:
                raise KeyboardInterrupt  # as where it is seen: when the library is back

        monkeypatch.setattr(native, "linear_epoch", stop)

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
    stop_in(9)
    assert run(tmp_path, "linear", "--resume", output="model") == 130  # the second again, then the fit on all records
    assert "tf-idf: goes on after epoch 6 of 12" in capfd.readouterr().err
    stop_in(None)
    assert run(tmp_path, "linear", "--resume") == 0
    assert run(tmp_path, "linear", output="whole") == 0
    np.testing.assert_array_equal(models.load(tmp_path / "model")(texts), models.load(tmp_path / "whole")(texts))


@pytest.mark.slow
def test_ctrl_c_ends_all_fits_that_run_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_epoch, calls = native.linear_epoch, itertools.count(1)
    monkeypatch.setattr(fit_linear, "SECONDS", -1.0)
    monkeypatch.setattr(machine, "cores", lambda: 3)

    def stopped(*given: Any, **more: Any) -> None:
        if next(calls) == 5:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.02)
        run_epoch(*given, **more)

    monkeypatch.setattr(native, "linear_epoch", stopped)
    write_texts(tmp_path / "train.tsv", documents(1500, 0))
    write_texts(tmp_path / "test.tsv", documents(30, 1))
    flags = ("--no-saved-model", "--resume")
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run(tmp_path, "linear", *flags) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert "while candidates were compared" in capfd.readouterr().err
    assert next(calls) < 20  # of 32 in all; none went on behind it
    assert list((tmp_path / "model.work").glob("*checkpoint.npz"))
    assert run(tmp_path, "linear", *flags) == 0 and "goes on after epoch" in capfd.readouterr().err
    assert run(tmp_path, "linear", *flags, output="whole") == 0
    texts = [text for _, text in documents(30, 2)]
    np.testing.assert_array_equal(models.load(tmp_path / "model")(texts), models.load(tmp_path / "whole")(texts))


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
