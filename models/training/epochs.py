"""What happens around an epoch: seeds before it; measures, the best weights, a checkpoint and a word of progress after.

Callbacks for `models.training.fit`; a file is written by `models.training.checkpoint`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import keras

from mapreduce.progress import Progress
from models.training import checkpoint
from models.training.checkpoint import State
from models.training.runs import Run, unfit


class Epochs(keras.callbacks.Callback):
    """Makes what an epoch draws a function of (seed, epoch) and remembers what it has come to.

    Args:
        run: what is trained, and how.
        state: what earlier epochs have come to; this one is added.
        measure: gives what is logged as "validation"; higher is better.
    """

    def __init__(self, run: Run[Path], state: State, measure: Callable[[], float] | None) -> None:
        super().__init__()
        self.run, self.state, self.measure = run, state, measure

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Seeds dropout."""
        checkpoint.seed_layers(self.model, self.run.settings.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures, and keeps the weights.

        Raises:
            Unfit: the loss is no number any more.
        """
        logs = {} if logs is None else logs
        if not math.isfinite(logs["loss"]):
            raise unfit(self.run.candidate, logs["loss"], epoch + 1)
        if self.measure is not None:
            logs["validation"] = self.measure()
        state = self.state
        state.history.append({name: float(value) for name, value in logs.items()})
        known = state.history[state.best_epoch - 1] if state.best_epoch else None
        if not self.run.best or known is None or logs["validation"] > known["validation"]:
            state.best, state.best_epoch = checkpoint.weights(self.model), epoch + 1
        if self.run.checkpoint is not None:
            checkpoint.write(self.run.checkpoint, self.model, self.run.key, state)


class Stop(keras.callbacks.Callback):
    """Ends training as Ctrl-C does, once an event is set."""

    def __init__(self, event: Event | None) -> None:
        super().__init__()
        self.event = event

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the event."""
        if self.event is not None and self.event.is_set():
            raise KeyboardInterrupt


class Report(keras.callbacks.Callback):
    """Tells a display of progress how far training is.

    Args:
        progress: the display, which counts steps.
        steps: in an epoch.
        epochs: in all; training begins with `first`.
    """

    def __init__(self, progress: Progress, steps: int, epochs: int, first: int = 0) -> None:
        super().__init__()
        self.progress, self.steps, self.epochs = progress, steps, epochs
        self.epoch, self.done = first, first * steps

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps of earlier epochs."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps."""
        done = self.epoch * self.steps + min(batch + 1, self.steps)
        loss = (logs or {}).get("loss", 0.0)
        self.progress.update(done - self.done, f"epoch {self.epoch + 1} of {self.epochs}, loss {loss:.4f}")
        self.done = done
