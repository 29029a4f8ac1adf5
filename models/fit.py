"""Fits one candidate to encoded documents, and asks a fitted model for its logits.

The data come from `models.dataset`, the scale of the features from `models.selection`. This module chooses nothing and
writes no files.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import dataset
from models.optimizer import LazyAdam
from models.selection import Candidate
from models.weights import Array

STEPS = 32
"""Steps that run in the graph before Keras is asked again."""


def input_kind(candidate: Candidate) -> str:
    """What the candidate's architecture reads, "ids" or "bag"."""
    kind: str = importlib.import_module(f"models.architectures.{candidate.model}").INPUT
    return kind


def build(candidate: Candidate, features: int, labels: int, scale: Array | None = None) -> keras.Model:
    """The candidate's model before training."""
    architecture = getattr(importlib.import_module(f"models.architectures.{candidate.model}"), candidate.model)
    given = {} if scale is None else {"scale": scale}
    model: keras.Model = architecture(features, labels, **given, **candidate.architecture)
    return model


def fit(
    candidate: Candidate,
    directory: str | os.PathLike[str],
    *,
    labels: Sequence[str],
    features: int,
    scale: Array | None = None,
    seed: int = 0,
) -> keras.Model:
    """Builds the candidate's model and trains it on an output of jobs/encode.py.

    The result is a function of the arguments and the data: seeds are set, and the order is one of (seed, epoch).

    Args:
        labels: names in the order of the logits.
        features: size of the vocabulary.
        scale: float [features], or None.
    """
    keras.utils.set_random_seed(seed)
    model = build(candidate, features, len(labels), scale)
    batches = dataset.read(
        directory,
        kind=input_kind(candidate),
        batch_size=candidate.batch_size,
        labels=labels,
        seed=seed,
        epochs=candidate.epochs,
        bucket=True,
    )
    steps = int(batches.cardinality())
    rate = keras.optimizers.schedules.PolynomialDecay(candidate.rate, steps, end_learning_rate=0.0)
    optimizer = {"sgd": keras.optimizers.SGD, "adam": LazyAdam}[candidate.optimizer](rate)
    loss = {
        "squared hinge": squared_hinge,
        "cross-entropy": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }[candidate.loss]
    model.compile(optimizer, loss, steps_per_execution=min(STEPS, steps))
    model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[Report(candidate.name, steps)])
    return model


def squared_hinge(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Sum over labels of max(0, 1 - t * logit)^2, t being 1 for the true label and -1 for others.

    One against the rest, as liblinear's default does it. Keras's SquaredHinge is the mean over labels, so that its
    rates would depend on their number.

    Input shape:
        y: int [batch] or [batch, 1]. logits: float32 [batch, labels].

    Output shape:
        float32 [batch].
    """
    sign = 2 * tf.one_hot(tf.reshape(tf.cast(y, tf.int32), [-1]), tf.shape(logits)[-1]) - 1
    return tf.reduce_sum(tf.square(tf.nn.relu(1 - sign * logits)), axis=-1)


def logits(
    model: keras.Model, directory: str | os.PathLike[str], *, kind: str, labels: Sequence[str]
) -> tuple[Array, Array]:
    """A model's logits for encoded documents, float32 [documents, labels], and their labels, int32 [documents].

    A label that is not among `labels` is -1.
    """
    batches = dataset.read(directory, kind=kind, batch_size=128, labels=labels, bucket=True)
    answer = tf.function(lambda x: model(x, training=False), input_signature=[batches.element_spec[0]])
    found, truth = [], []
    for x, y in batches:
        found.append(answer(x).numpy())
        truth.append(y.numpy())
    return np.concatenate(found), np.concatenate(truth)


class Report(keras.callbacks.Callback):
    """Shows on stderr how far training is: a bar on a terminal, a line now and then elsewhere."""

    SECONDS = 10.0

    def __init__(self, name: str, steps: int) -> None:
        super().__init__()
        self.name, self.steps = name, steps
        self.bar: Any = None
        self.shown = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=self.steps, desc=f"fit {self.name}", unit="steps", leave=False, delay=1.0)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        done = min(batch + 1, self.steps)
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.shown > self.SECONDS:
            self.shown = time.monotonic()
            print(
                f"fit {self.name}: {100 * done // self.steps} %, loss {(logs or {}).get('loss', 0.0):.4f}",
                file=sys.stderr,
            )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.bar is not None:
            self.bar.close()
