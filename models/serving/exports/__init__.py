"""The files of a model folder, one kind a module: what `models.serving.export` writes.

A further kind is a module like keras_file.py, with a function `write`, and a line in EXPORTS. A file that is made of a
folder only when somebody asks for it is a command of its own, as `models.lite`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.serving.exports import arrays, keras_file, saved_model
from models.serving.served import Served

EXPORTS: dict[str, Callable[[Served, Path], None]] = {
    arrays.NAME: arrays.write,
    "SavedModel": saved_model.write,
    "Keras": keras_file.write,
}
"""What writes a kind of file into a model folder, by name."""
