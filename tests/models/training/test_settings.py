"""Mixed precision with and without a GPU, learning curves, TensorBoard's logs, and what a missing package says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.training import candidates, fit
from models.training.on_shards import OnShards
from models.training.runs import Fitted, Run
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.small_training import run, same, trained
from tests.models.test_train import documents
from tests.models.test_train import write as write_texts
from tests.models.test_train_images import pictures, write


@pytest.mark.slow
def test_mixed_precision_without_a_gpu_changes_nothing(
    shards: tuple[Path, Path], whole: Fitted, capfd: pytest.CaptureFixture[str]
) -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU, and this is about machines without one")
    found = trained(shards, Settings(mixed_precision=True))
    assert same(found, whole) and "there is no GPU here" in capfd.readouterr().err


def test_mixed_precision_on_a_gpu(shards: tuple[Path, Path]) -> None:
    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a GPU, and there is none")
    found = trained(shards, Settings(mixed_precision=True))
    assert found.model.get_layer("hidden").compute_dtype == "float16"
    assert found.model.get_layer("logits").compute_dtype == "float32"
    assert found.history[-1]["loss"] < found.history[0]["loss"]


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=[pytest.mark.slow] * (name != "attention")) for name in candidates.TEXT_MODELS]
)
def test_text_networks_train_in_mixed_precision(model: str, tmp_path: Path) -> None:
    stages = Stages([write_texts(tmp_path / "train.tsv", documents(120, 0))], tmp_path / "work", runner="inline")
    candidate = replace(candidates.candidates(model)[-1], epochs=3)
    trials = OnShards(stages, candidate, Settings())
    counted = trials.count(candidate, "train")
    shards = trials.encode(counted, "train")
    keras.config.set_dtype_policy("mixed_float16")  # a processor computes in it too, slowly
    try:
        found = fit.fit(
            Run(candidate=candidate, records=shards, labels=counted.counts.labels, size=len(counted.counts.features))
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert found.model.layers[-1].compute_dtype == "float32"
    assert found.history[-1]["loss"] < found.history[0]["loss"]


def test_curves_are_drawn(tmp_path: Path, shards: tuple[Path, Path]) -> None:
    pytest.importorskip("matplotlib", reason="learning curves need matplotlib: pip install -e '.[plots]'")
    from models.training import plots

    plots.curves({"a": [{"loss": 1.0}, {"loss": 0.5, "validation": 0.7}], "b": []}, tmp_path / "new" / "c.png")
    assert (tmp_path / "new" / "c.png").read_bytes().startswith(b"\x89PNG")
    assert os.listdir(tmp_path / "new") == ["c.png"]


def test_tensorboard_logs_hold_what_was_measured(tmp_path: Path, shards: tuple[Path, Path]) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard's logs need tensorboard: pip install -e '.[plots]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = trained(shards, Settings(tensorboard=tmp_path))
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
    assert words == f"train: {flag}: {package} is not installed; run: pip install 'featuremill[plots]'\n"
    assert not (tmp_path / "model.work").exists()
