"""Fits one candidate to encoded records, epoch by epoch, each a function of (seed, epoch).

The data come from `models.dataset`, candidates from `models.training.candidates`, what happens around an epoch from
`models.training.epochs`. This module chooses nothing; it writes nothing but checkpoints and TensorBoard's logs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mapreduce.progress import Progress
from models import dataset
from models.training import build, checkpoint
from models.training.augment import augment
from models.training.candidates import TableCandidate
from models.training.checkpoint import State
from models.training.epochs import Epochs, Report, Stop
from models.training.runs import Fitted, Interrupted, Run
from models.training.validation import Measure

STEPS = 32
"""Steps that run in the graph before Keras is asked again."""


def fit(given: Run[Path]) -> Fitted:
    """Builds the candidate's model and trains it on an output of jobs/encode.py.

    The result is a function of what is given and the data, also where training is interrupted and resumed: seeds are
    set, and order, dropout and shifts are functions of (seed, epoch).

    Raises:
        Interrupted: Ctrl-C, after an epoch at least.
        Unfit: the loss is no number any more.
        UserError: the checkpoint is damaged.
    """
    candidate, settings = given.candidate, given.settings
    keras.utils.set_random_seed(settings.seed)
    build.fix_order()
    with build.precision(settings):
        model = build.build(candidate, given.size, len(given.labels), given.scale)
    steps = -(-dataset.count(given.records) // candidate.batch_size)
    weights = dataset.class_weights(given.records, given.labels) if settings.class_weight else None
    model.compile(build.optimizer(candidate, steps * candidate.epochs), build.loss(candidate, weights))
    model.optimizer.build(model.trainable_variables)
    state = None
    if given.checkpoint is not None and settings.resume:
        state = checkpoint.read(given.checkpoint, model, given.key)
    state = state or State()
    done = len(state.history)
    if done:
        print(f"fit {given.name}: goes on after epoch {done} of {candidate.epochs}", file=sys.stderr)
    epochs = Epochs(given, state, _measure(given, model))
    batches = _batches(given, done, steps)
    total = steps * candidate.epochs
    try:
        with Progress(f"fit {given.name}", total, unit="steps", begin=done * steps) as progress:
            callbacks = [Stop(given.stop), epochs, Report(progress, steps, candidate.epochs, done), *tensorboard(given)]
            run(model, batches, steps, range(done, candidate.epochs), callbacks)
    except KeyboardInterrupt:
        if not state.best_epoch:
            raise
        raise Interrupted(_fitted(model, state)) from None
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


def _batches(given: Run[Path], first: int, steps: int) -> tf.data.Dataset:
    """The batches of all epochs from the first on."""
    candidate, seed = given.candidate, given.settings.seed
    kind = build.input_kind(candidate)
    batches = dataset.read(
        given.records,
        kind=kind,
        batch_size=candidate.batch_size,
        labels=None if build.gives_number(candidate) else given.labels,
        seed=seed,
        epoch=first,
        epochs=candidate.epochs - first,
        bucket=kind in ("ids", "bag"),
    )
    batches = augment(batches, candidate, seed, first * steps)
    if candidate.loss == "pixels":
        batches = batches.map(lambda x, _: (x, tf.cast(x, tf.float32) / 255))
    if isinstance(candidate, TableCandidate) and build.gives_number(candidate):
        mean, deviation = candidate.mean, candidate.deviation
        batches = batches.map(lambda x, y: (x, tf.cast((y - mean) / deviation, tf.float32)[:, None]))
    return batches


def _measure(given: Run[Path], model: keras.Model) -> Callable[[], float] | None:
    if given.validation is None:
        return None
    candidate, kind = given.candidate, build.input_kind(given.candidate)
    if isinstance(candidate, TableCandidate) and build.gives_number(candidate):
        numbers = Measure(model, given.validation, kind=kind, labels=None)
        return lambda: -numbers.deviation(candidate.mean, candidate.deviation)
    found = Measure(model, given.validation, kind=kind, labels=given.labels)
    if build.gives_images(given.candidate):
        return lambda: -found.error()
    return lambda: found.score(given.settings.select)


def tensorboard(given: Run[Path]) -> list[Any]:
    """The callback that writes TensorBoard's logs, where they are asked for, into a folder of the run's name."""
    return [] if given.logs is None else [keras.callbacks.TensorBoard(given.logs, write_graph=False)]
