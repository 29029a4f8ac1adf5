"""What happens around an epoch: seeds before it; measures, the best weights, a checkpoint and a word of progress after.

Callbacks for `models.training.fit`; a file is written by `models.training.checkpoint`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from mapreduce.errors import UserError
from models.training import checkpoint
from models.training.checkpoint import State


class Epochs(keras.callbacks.Callback):
    """Makes what an epoch draws a function of (seed, epoch) and remembers what it has come to.

    Args:
        seed: of dropout.
        state: what earlier epochs have come to; this one is added.
        measure: gives what is logged as "validation"; higher is better.
        best: whether the weights of the epoch with the best measure are kept, or those of the last one.
        file, key: of the checkpoint; None writes none.
    """

    def __init__(
        self,
        seed: int,
        state: State,
        *,
        measure: Callable[[], float] | None,
        best: bool,
        file: Path | None,
        key: str,
    ) -> None:
        super().__init__()
        self.seed, self.state, self.measure, self.best = seed, state, measure, best
        self.file, self.key = file, key

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Seeds dropout."""
        checkpoint.seed_layers(self.model, self.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures, and keeps the weights.

        Raises:
            UserError: the loss is no number any more.
        """
        logs = {} if logs is None else logs
        if not math.isfinite(logs["loss"]):
            raise UserError(f"the loss is {logs['loss']} after epoch {epoch + 1}; the learning rate is too high")
        if self.measure is not None:
            logs["validation"] = self.measure()
        state = self.state
        state.history.append({name: float(value) for name, value in logs.items()})
        known = state.history[state.best_epoch - 1] if state.best_epoch else None
        if not self.best or known is None or logs["validation"] > known["validation"]:
            state.best, state.best_epoch = checkpoint.weights(self.model), epoch + 1
        if self.file is not None:
            checkpoint.write(self.file, self.model, self.key, state)


class Report(keras.callbacks.Callback):
    """Shows on stderr how far training is: a bar with the time left on a terminal, a line now and then elsewhere.

    Args:
        name: of what is trained.
        steps: in an epoch.
        epochs: in all; training begins with `first`.
    """

    SECONDS = 10.0

    def __init__(self, name: str, steps: int, epochs: int, first: int = 0) -> None:
        super().__init__()
        self.name, self.steps, self.epochs, self.first = name, steps, epochs, first
        self.bar: Any = None
        self.before = first * steps
        self.started = self.shown = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Draws the bar."""
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(
                total=self.steps * self.epochs,
                initial=self.before,
                desc=f"fit {self.name}",
                unit="steps",
                leave=False,
                delay=1.0,
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps of earlier epochs."""
        self.before = epoch * self.steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar, or writes a line."""
        done = self.before + min(batch + 1, self.steps)
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        elif time.monotonic() - self.shown > self.SECONDS:
            self.shown = time.monotonic()
            total = self.steps * self.epochs
            here = done - self.first * self.steps
            left = (total - done) * (self.shown - self.started) / here
            loss = (logs or {}).get("loss", 0.0)
            epoch = self.before // self.steps + 1
            print(
                f"fit {self.name}: {100 * done // total} %, epoch {epoch} of {self.epochs}, loss {loss:.4f}, "
                f"{left:.0f} s left",
                file=sys.stderr,
            )

    def close(self) -> None:
        """Takes the bar away."""
        if self.bar is not None:
            self.bar.close()
