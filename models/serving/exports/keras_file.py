"""The Keras file of a model folder, for going on with the model; it loads where this project can be imported."""

from __future__ import annotations

from pathlib import Path

from models.serving.served import Served

NAME = "model.keras"


def write(served: Served, folder: Path) -> None:
    """Writes model.keras."""
    served.keras_model().save(folder / NAME)
