"""Fits one candidate to encoded records, epoch by epoch, each a function of (seed, epoch).

The data come from `models.dataset`, candidates from `models.training.candidates`, what happens around an epoch from
`models.training.epochs`. This module chooses nothing; the one file that it may write is a checkpoint.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from models import dataset
from models.counts.feature_counts import Array
from models.training import build, checkpoint
from models.training.augment import augment
from models.training.candidates import Candidate
from models.training.checkpoint import State
from models.training.epochs import Epochs, Report
from models.training.fitted import Fitted, Interrupted
from models.training.settings import DEFAULT, Settings
from models.training.validation import Measure

STEPS = 32
"""Steps that run in the graph before Keras is asked again."""


def fit(
    candidate: Candidate,
    directory: str | os.PathLike[str],
    *,
    labels: Sequence[str],
    size: int | tuple[int, ...],
    scale: Array | None = None,
    settings: Settings = DEFAULT,
    validation: str | os.PathLike[str] | None = None,
    best: bool = False,
    file: Path | None = None,
    key: str = "",
    name: str | None = None,
) -> Fitted:
    """Builds the candidate's model and trains it on an output of jobs/encode.py.

    The result is a function of the arguments and the data, also where training is interrupted and resumed: seeds are
    set, and order, dropout and shifts are functions of (seed, epoch).

    Args:
        labels: names in the order of the logits.
        size: of the vocabulary, or the shape of the images.
        scale: float [features], or None.
        validation: records that every epoch is measured on.
        best: keeps the epoch with the best measure; else the last one.
        file: of a checkpoint after every epoch; where the settings say so, training begins with what it holds.
        key: says what the checkpoint is of.
        name: for progress and logs; the candidate's own without it.

    Raises:
        Interrupted: Ctrl-C, after an epoch at least.
        UserError: the loss is no number any more, or the checkpoint is damaged.
    """
    name = name or candidate.name
    keras.utils.set_random_seed(settings.seed)
    build.fix_order()
    with build.precision(settings):
        model = build.build(candidate, size, len(labels), scale)
    steps = -(-dataset.count(directory) // candidate.batch_size)
    model.compile(build.optimizer(candidate, steps * candidate.epochs), build.loss(candidate))
    model.optimizer.build(model.trainable_variables)
    state = None
    if file is not None and settings.resume:
        state = checkpoint.read(file, model, key)
    state = state or State()
    done = len(state.history)
    if done:
        print(f"fit {name}: goes on after epoch {done} of {candidate.epochs}", file=sys.stderr)
    measure = _measure(candidate, model, validation, labels)
    epochs = Epochs(settings.seed, state, measure=measure, best=best, file=file, key=key)
    report = Report(name, steps, candidate.epochs, done)
    callbacks: list[Any] = [epochs, report, *tensorboard(settings, name)]
    batches = _batches(candidate, directory, labels, settings.seed, done, steps)
    try:
        run(model, batches, steps, range(done, candidate.epochs), callbacks)
    except KeyboardInterrupt:
        if not state.best_epoch:
            raise
        raise Interrupted(_fitted(model, state)) from None
    finally:
        report.close()
    return _fitted(model, state)


def _fitted(model: keras.Model, state: State) -> Fitted:
    checkpoint.restore(model, state.best)
    # Not compiled: what is saved of it shall load where neither our optimizer nor our loss is known.
    return Fitted(keras.Model(model.input, model.output, name=model.name), state.best_epoch, state.history)


def run(model: keras.Model, batches: tf.data.Dataset, steps: int, epochs: range, callbacks: list[Any]) -> None:
    """What `model.fit` does, with one iterator through all epochs: the next one is read while one ends.

    Keras begins a new iterator for every epoch, which costs 0.2 to 1 s each, or lets the steps of one execution cross
    the end of an epoch.
    """

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def train(iterator: tf.data.Iterator, number: tf.Tensor) -> None:
        def step(i: tf.Tensor) -> tf.Tensor:
            model.train_step(next(iterator))
            return i + 1

        tf.while_loop(lambda i: i < number, step, [tf.constant(0)])

    told = keras.callbacks.CallbackList(callbacks, model=model)
    iterator = iter(batches)
    told.on_train_begin()
    for epoch in epochs:
        model.reset_metrics()
        told.on_epoch_begin(epoch)
        for first in range(0, steps, STEPS):
            number = min(STEPS, steps - first)
            train(iterator, tf.constant(number))
            told.on_train_batch_end(first + number - 1, model.get_metrics_result())
        told.on_epoch_end(epoch, model.get_metrics_result())
    told.on_train_end()


def _batches(
    candidate: Candidate,
    directory: str | os.PathLike[str],
    labels: Sequence[str],
    seed: int,
    first: int,
    steps: int,
) -> tf.data.Dataset:
    """The batches of all epochs from the first on."""
    kind = build.input_kind(candidate)
    batches = dataset.read(
        directory,
        kind=kind,
        batch_size=candidate.batch_size,
        labels=labels,
        seed=seed,
        epoch=first,
        epochs=candidate.epochs - first,
        bucket=kind != "pixels",
    )
    batches = augment(batches, candidate, seed, first * steps)
    if candidate.loss == "pixels":
        batches = batches.map(lambda x, _: (x, tf.cast(x, tf.float32) / 255))
    return batches


def _measure(
    candidate: Candidate, model: keras.Model, validation: str | os.PathLike[str] | None, labels: Sequence[str]
) -> Callable[[], float] | None:
    if validation is None:
        return None
    found = Measure(model, validation, kind=build.input_kind(candidate), labels=labels)
    return (lambda: -found.error()) if build.gives_images(candidate) else found.accuracy


def tensorboard(settings: Settings, name: str) -> list[Any]:
    """The callback that writes TensorBoard's logs, where they are asked for, into a folder of this name."""
    if settings.tensorboard is None:
        return []
    folder = settings.tensorboard / name.replace(" ", "-").replace(",", "")
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]
