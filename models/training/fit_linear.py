"""Fits the linear model natively, a document a step: what `models.training.fit` does in TensorFlow for every model.

One against the rest with the squared hinge, as `models.training.build.squared_hinge` has it, by stochastic gradient
descent at a rate that falls to 0. Documents are taken one after the other on one core, so that the same bits come out
whatever the machine has. Where there is no native library, `models.training.fit` fits the linear model as well.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np

from mapreduce.local import machine
from mapreduce.native import library as native
from mapreduce.progress import Progress
from models.counts import linear
from models.counts.bags import Labelled
from models.counts.linear import Linear, Sum
from models.layers.bags import BIAS
from models.quiet import import_tensorflow
from models.training import checkpoint
from models.training.candidates import Candidate
from models.training.checkpoint import State
from models.training.runs import Fitted, Interrupted, Run, Unfit, unfit
from models.training.scores import measure

SECONDS = 10.0
"""Between two checkpoints, at least."""


def fits(candidate: Candidate) -> bool:
    """Whether a candidate is fitted here."""
    wanted = ("linear", "sgd", "squared hinge", True)
    found = (candidate.model, candidate.optimizer, candidate.loss, candidate.falls)
    return found == wanted and "hidden" not in candidate.architecture and native.load() is not None


def fit(given: Run[Labelled]) -> Fitted:
    """Fits a candidate to bags, whose labels are all known; the result is a function of what is given.

    The rate of a document is the candidate's by its batch size, so that an epoch moves as far as one of batches does.

    Raises:
        Interrupted: Ctrl-C, after an epoch at least.
        Unfit: the loss is no number any more, or the model is larger than half of the memory.
        UserError: the checkpoint is damaged.
    """
    candidate, settings, features = given.candidate, given.settings, given.size
    assert isinstance(features, int)
    _check_size(features, len(given.labels))
    documents, y = given.records
    model = linear.empty(features, len(given.labels), scale=given.scale, **candidate.architecture)
    history = _resumed(given, model)
    values = model.values(documents)
    by_label = None
    if settings.class_weight:
        by_label = (len(y) / (len(given.labels) * np.bincount(y, minlength=len(given.labels)))).astype(np.float32)
    score = _score(given, model)
    total, done = len(documents) * candidate.epochs, len(history)
    loss, log = np.zeros(2), _log(given)
    written = time.monotonic()

    def note(epoch: int) -> None:
        nonlocal written
        mean = float(loss[0]) / len(documents)
        if not math.isfinite(mean):
            raise unfit(candidate, mean, epoch + 1)
        history.append({"loss": mean} if score is None else {"loss": mean, "validation": score()})
        log(epoch, history[-1])
        if given.checkpoint is not None and time.monotonic() - written > SECONDS:
            state = State(history, [], len(history))
            checkpoint.write_arrays(given.checkpoint, [model.rows, model.bias], given.key, state)
            written = time.monotonic()

    try:
        with Progress(f"fit {given.name}", total, unit="documents", begin=done * len(documents)) as progress:
            for epoch in range(done, candidate.epochs):
                if given.stop is not None and given.stop.is_set():
                    raise KeyboardInterrupt
                loss[:] = 0
                order = native.shuffled(native.load(), len(documents), seed(settings.seed, epoch))
                native.linear_epoch(
                    native.load(),
                    (documents.ends, documents.ids, values),
                    y,
                    by_label,
                    order,
                    (model.rows, model.bias, BIAS),
                    rate=candidate.rate / candidate.batch_size,
                    done=epoch * len(documents),
                    steps=total,
                    loss=loss,
                )
                note(epoch)
                progress.update(
                    len(documents), f"epoch {epoch + 1} of {candidate.epochs}, loss {history[-1]['loss']:.4f}"
                )
    except KeyboardInterrupt:  # where it is seen, an epoch is whole: the library does not hear of it
        if loss[1] and len(history) == epoch:
            note(epoch)
        if not history:
            raise
        raise Interrupted(Fitted(Sum([model]), len(history), history)) from None
    return Fitted(Sum([model]), len(history), history)


def _log(given: Run[Labelled]) -> Callable[[int, dict[str, float]], None]:
    """Writes what an epoch has measured to TensorBoard's logs, where they are asked for, as Keras does."""
    if given.logs is None:
        return lambda epoch, measured: None
    import_tensorflow()
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(given.logs / "train"))

    def write(epoch: int, measured: dict[str, float]) -> None:
        with writer.as_default(step=epoch):
            for name, value in measured.items():
                tf.summary.scalar(f"epoch_{name}", value)
        writer.flush()

    return write


def seed(seed: int, epoch: int) -> int:
    """What an epoch's order is drawn with."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])


def _check_size(features: int, labels: int) -> None:
    needed, have = 4 * features * labels, machine.memory()
    if needed > have / 2:
        raise Unfit(
            f"{features} features by {labels} labels are {needed >> 20} MiB, more than half of the memory, "
            f"{have >> 20} MiB; give --features {max(1, have // 8 // labels)} or less"
        )


def _resumed(given: Run[Labelled], model: Linear) -> list[dict[str, float]]:
    """The history of the epochs that a checkpoint holds; the model gets its weights."""
    if given.checkpoint is None or not given.settings.resume:
        return []
    found = checkpoint.read_arrays(given.checkpoint, [model.rows, model.bias], 2, given.key)
    if found is None:
        return []
    (model.rows, model.bias), state = found
    print(f"fit {given.name}: goes on after epoch {len(state.history)} of {given.candidate.epochs}", file=sys.stderr)
    return state.history


def _score(given: Run[Labelled], model: Linear) -> Callable[[], float] | None:
    """Measures the model on the validation records, where it is to be measured after every epoch."""
    if given.validation is None:
        return None
    documents, y = given.validation
    return lambda: measure(model.logits(documents), y).rank(given.settings.select)[0]
