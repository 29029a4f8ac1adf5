"""The native fit of the linear model: a slow one in NumPy and one in TensorFlow come to the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapreduce.local import machine
from mapreduce.native import library as native
from models import dataset
from models.counts import bags, linear
from models.counts.bags import Labelled
from models.counts.linear import Linear
from models.serving import linear_graph
from models.training import build, candidates, fit_linear
from models.training.runs import Interrupted, Run, Unfit
from models.training.settings import Settings
from tests.models.counts.test_bags import LABELS, drawn, shards

FEATURES, EPOCHS = 30, 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A few documents as shards."""
    known = [(label, ids) for label, ids in drawn(5, 120, FEATURES) if label in LABELS]
    return shards(tmp_path / "shards", known)


def labelled(path: Path, labels: list[str], features: int) -> Labelled:
    lines = bags.read([path], features=features)
    return Labelled(lines.bags, bags.numbered(lines.labels, labels))


@pytest.fixture
def run(path: Path) -> Run[Labelled]:
    """A training on them."""
    candidate = replace(candidates._TEXTS["linear"]()[0], epochs=EPOCHS)
    records, scale = labelled(path, LABELS, FEATURES), np.linspace(0.5, 2, FEATURES)
    return Run(
        candidate=candidate, records=records, labels=LABELS, size=FEATURES, scale=scale, settings=Settings(seed=3)
    )


def orders(run: Run[Labelled], number: int) -> list[Any]:
    """In which order each epoch takes the documents."""
    seeds = [fit_linear.seed(run.settings.seed, epoch) for epoch in range(EPOCHS)]
    return [native.shuffled(native.load(), number, seed) for seed in seeds]


def logits(run: Run[Labelled], model: Any) -> Any:
    return model.logits(run.records.bags)


def slowly(run: Run[Labelled]) -> tuple[Linear, list[float]]:
    """The same fit in NumPy, and the loss of each epoch."""
    found, y = run.records
    model = linear.empty(FEATURES, len(LABELS), scale=run.scale, **run.candidate.architecture)
    values, begins = model.values(found), [0, *found.ends[:-1]]
    weights = [1.0, 1.0]
    if run.settings.class_weight:
        weights = [len(y) / (2 * list(y).count(label)) for label in range(2)]
    step, steps, losses = 0, EPOCHS * len(found), []
    for order in orders(run, len(found)):
        losses.append(0.0)
        for i in order:
            ids, value = found.ids[begins[i] : found.ends[i]], values[begins[i] : found.ends[i]]
            sign = np.where(np.arange(len(LABELS)) == y[i], 1, -1)
            margin = np.maximum(0, 1 - sign * (value @ model.rows[ids] + linear.BIAS * model.bias))
            rate = run.candidate.rate / run.candidate.batch_size * (1 - step / steps) * weights[int(y[i])]
            change = 2 * rate * sign * margin
            model.bias += (linear.BIAS * change).astype(np.float32)
            model.rows[ids] += np.outer(value, change).astype(np.float32)
            losses[-1] += weights[int(y[i])] * float((margin**2).sum()) / len(found)
            step += 1
    return model, losses


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("name", ["igm", "tf-idf", "naive bayes"])
def test_numpy_comes_to_the_same(run: Run[Labelled], name: str, class_weight: str | None) -> None:
    candidate = replace(candidates.candidates("linear", names=[name])[0], epochs=EPOCHS)
    run = replace(run, candidate=candidate, settings=replace(run.settings, class_weight=class_weight))
    fitted, (model, losses) = fit_linear.fit(run), slowly(run)
    np.testing.assert_allclose(logits(run, fitted.model), logits(run, model), atol=1e-4)
    np.testing.assert_allclose([epoch["loss"] for epoch in fitted.history], losses, rtol=1e-4)
    assert np.abs(model.rows).max() > 0.1 and fitted.epoch == EPOCHS


@pytest.mark.slow
def test_tensorflow_comes_to_the_same_a_document_at_a_time(run: Run[Labelled], path: Path) -> None:
    fitted = fit_linear.fit(run)
    (((x), y),) = dataset.read(path, kind="bag", batch_size=1000, labels=LABELS)
    one = replace(run.candidate, batch_size=1, rate=run.candidate.rate / run.candidate.batch_size)
    model = build.build(one, FEATURES, len(LABELS), run.scale)
    optimizer = build.optimizer(one, EPOCHS * len(y))
    loss = build.loss(one)
    for order in orders(run, len(y)):
        for i in order:
            with tf.GradientTape() as tape:
                value = loss(y[i : i + 1], model({name: tensor[i : i + 1] for name, tensor in x.items()}))
            optimizer.apply_gradients(zip(tape.gradient(value, model.trainable_weights), model.trainable_weights))
    np.testing.assert_allclose(logits(run, fitted.model), model(x), atol=1e-4)


def test_the_keras_model_has_the_same_logits_and_parameters(
    run: Run[Labelled], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = fit_linear.fit(run).model
    (((x), _),) = dataset.read(path, kind="bag", batch_size=1000, labels=LABELS)
    made = linear_graph.filled(fitted)
    np.testing.assert_allclose(made(x), logits(run, fitted), atol=1e-5)
    assert isinstance(made, keras.Model) and made.count_params() == fitted.count_params()
    natively = logits(run, fitted)
    monkeypatch.setattr(native, "load", lambda: None)
    np.testing.assert_allclose(logits(run, fitted), natively, atol=1e-5)


def test_the_same_bits_where_it_was_interrupted(
    run: Run[Labelled], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = fit_linear.fit(run).model
    epoch = native.linear_epoch
    called: list[int] = []

    def stop(*given: Any, **more: Any) -> None:
        epoch(*given, **more)
        called.append(1)
        if len(called) == 2:
            raise KeyboardInterrupt  # as where it is seen: when the library is back

    monkeypatch.setattr(native, "linear_epoch", stop)
    monkeypatch.setattr(fit_linear, "SECONDS", -1.0)
    run = replace(run, checkpoint=tmp_path / "c.npz", key="k")
    with pytest.raises(Interrupted) as stopped:
        fit_linear.fit(run)
    assert stopped.value.fitted.epoch == 2 and len(stopped.value.fitted.history) == 2
    monkeypatch.setattr(native, "linear_epoch", epoch)
    resumed = fit_linear.fit(replace(run, settings=replace(run.settings, resume=True)))
    (one,), (other,) = resumed.model.parts, whole.parts
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.bias, other.bias)
    assert resumed.epoch == EPOCHS
    (another,) = fit_linear.fit(replace(run, settings=Settings(seed=4))).model.parts
    assert not np.array_equal(another.rows, other.rows)


def test_an_interrupt_before_an_epoch_is_whole_keeps_nothing(
    run: Run[Labelled], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(native, "linear_epoch", stop)
    with pytest.raises(KeyboardInterrupt) as stopped:
        fit_linear.fit(run)
    assert not isinstance(stopped.value, Interrupted)


def test_a_loss_that_is_no_number_is_one_line(run: Run[Labelled]) -> None:
    with pytest.raises(Unfit, match=r"candidate igm: the loss is (inf|nan) after epoch 1: .* give a lower"):
        fit_linear.fit(replace(run, candidate=replace(run.candidate, rate=1e30)))


def test_every_epoch_is_measured_where_that_is_wanted(run: Run[Labelled]) -> None:
    history = fit_linear.fit(replace(run, validation=run.records)).history
    assert [set(epoch) for epoch in history] == [{"loss", "validation"}] * EPOCHS
    assert 0.5 < history[-1]["validation"] <= 1


def test_a_thousand_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run[Labelled]) -> None:
    names = [f"label {i:04}" for i in range(1000)]
    found = [(names[i % 1000], [2 + i % 1000, 1002 + i % 7]) for i in range(3000)]
    documents, y = records = labelled(shards(tmp_path / "many", found), names, 1010)
    many = replace(run, records=records, labels=names, size=1010, scale=None)
    model = fit_linear.fit(many).model
    assert (model.logits(documents).argmax(axis=1) == y).mean() > 0.99
    monkeypatch.setattr(machine, "memory", lambda: 4_000_000)
    with pytest.raises(
        Unfit, match=r"1010 features by 1000 labels are 3 MiB, more than half of the memory, 3 MiB; give --f"
    ):
        fit_linear.fit(many)


def test_who_fits_what(monkeypatch: pytest.MonkeyPatch) -> None:
    first = candidates._TEXTS["linear"]()[0]
    assert fit_linear.fits(first)
    for other in (
        replace(first, architecture={"hidden": 8}),
        replace(first, optimizer="adam"),
        replace(first, falls=False),
    ):
        assert not fit_linear.fits(other)
    assert not fit_linear.fits(candidates._TEXTS["textcnn"]()[0])
    monkeypatch.setattr(native, "load", lambda: None)
    assert not fit_linear.fits(first)


def test_tensorboard_logs_hold_what_was_measured(run: Run[Labelled], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard's logs need tensorboard: pip install -e '.[plots]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = fit_linear.fit(replace(run, settings=Settings(tensorboard=tmp_path), validation=run.records)).history
    events = EventAccumulator(str(tmp_path / "igm" / "train"), {"tensors": 0}).Reload()
    for name in ("loss", "validation"):
        logged = [np.frombuffer(e.tensor_proto.tensor_content, np.float32)[0] for e in events.Tensors(f"epoch_{name}")]
        np.testing.assert_allclose(logged, [epoch[name] for epoch in history], rtol=1e-6)
