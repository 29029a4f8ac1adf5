"""Builds a candidate's model and what it is compiled with.

Architectures stand in `models.architectures`, hyper-parameters in `models.training.candidates`; `models.training.fit`
trains what is built here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from models.counts.feature_counts import Array
from models.training.candidates import Candidate
from models.training.optimizer import LazyAdam
from models.training.settings import Settings


def architecture(candidate: Candidate) -> Any:
    """The module of the candidate's architecture."""
    return importlib.import_module(f"models.architectures.{candidate.model}")


def input_kind(candidate: Candidate) -> str:
    """What the candidate's architecture reads, "ids", "bag", "pixels" or "table"."""
    kind: str = architecture(candidate).INPUT
    return kind


def gives_images(candidate: Candidate) -> bool:
    """Whether the model gives images back in place of logits of labels."""
    return getattr(architecture(candidate), "OUTPUT", "logits") == "pixels"


def gives_number(candidate: Candidate) -> bool:
    """Whether the model gives one number in place of logits of labels."""
    return candidate.loss == "squared error"


def build(candidate: Candidate, size: int | tuple[int, ...], labels: int, scale: Array | None = None) -> keras.Model:
    """The candidate's model before training.

    Args:
        size: of the vocabulary, or the shape of the images or rows.
        labels: their number; what gives a number has none.
    """
    function = getattr(architecture(candidate), candidate.model)
    sizes = (size,) if gives_images(candidate) else (size, 1 if gives_number(candidate) else labels)
    given = {} if scale is None else {"scale": scale}
    model: keras.Model = function(*sizes, **given, **candidate.architecture)
    return model


def optimizer(candidate: Candidate, steps: int) -> keras.optimizers.Optimizer:
    """The candidate's optimizer for so many steps in all."""
    rate: Any = candidate.rate
    if candidate.falls:
        rate = keras.optimizers.schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
    names = {"sgd": keras.optimizers.SGD, "adam": LazyAdam, "adadelta": keras.optimizers.Adadelta}
    return names[candidate.optimizer](rate)


def loss(candidate: Candidate, weights: Mapping[int, float] | None = None) -> Any:
    """The candidate's loss, as Keras takes it; `weights`, one for each label, multiply the loss of their records."""
    found: Any = {
        "squared hinge": squared_hinge,
        "cross-entropy": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "pixels": keras.losses.BinaryCrossentropy(from_logits=True),
        "squared error": keras.losses.MeanSquaredError(),
    }[candidate.loss]
    if weights is None:
        return found
    # The losses of single records: Keras takes the mean of what is weighed.
    one = found.call if isinstance(found, keras.losses.Loss) else found
    table = tf.constant([weights[i] for i in range(len(weights))], tf.float32)

    def weighted(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """float32 [batch], as the loss gives it, times the weight of each record's label."""
        losses = one(y, logits)
        return losses * tf.cast(tf.gather(table, tf.reshape(tf.cast(y, tf.int32), [-1])), losses.dtype)

    return weighted


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


def fix_order() -> None:
    """On a GPU, has every sum added in one order, so that the same training ends with the same weights there too."""
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@contextmanager
def precision(settings: Settings) -> Iterator[None]:
    """Layers that are built meanwhile compute in float16 where that is wanted and there is a GPU; weights stay float32.

    Micikevicius et al. (2018), "Mixed precision training"; Keras scales the loss.
    """
    if not settings.mixed_precision:
        yield
        return
    before = keras.config.dtype_policy()
    if tf.config.list_physical_devices("GPU"):
        keras.config.set_dtype_policy("mixed_float16")
    else:
        print("mixed precision: there is no GPU here, so float32 it is", file=sys.stderr)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
