"""What training gives: a fitted model, what is exported of it, and what Ctrl-C leaves. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

History = list[dict[str, float]]


@dataclass
class Fitted:
    """A trained model.

    Attributes:
        model: a keras.Model.
        epoch: whose weights it has, from 1.
        history: what each epoch has measured: "loss", and "validation" where it was asked for.
    """

    model: Any
    epoch: int
    history: History


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during training, after an epoch at least: `fitted` is what there was to keep."""

    def __init__(self, fitted: Fitted) -> None:
        super().__init__()
        self.fitted = fitted


@dataclass
class Made:
    """A model that can be exported.

    Attributes:
        export: writes it; takes `directory` and `manifest`.
        results: for the manifest.
        histories: of every fit, by name.
        interrupted: why it is not what it would have become; "" where it is.
    """

    export: Callable[..., None]
    results: dict[str, Any]
    histories: dict[str, History] = field(default_factory=dict)
    interrupted: str = ""
