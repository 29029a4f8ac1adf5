"""The SavedModel of a model folder: core TensorFlow operations alone, which need no code of ours."""

from __future__ import annotations

from pathlib import Path

from models.serving.served import Served

NAME = "saved_model"


def write(served: Served, folder: Path) -> None:
    """Writes saved_model/; its signature `serving_default` is the function that takes raw input."""
    import tensorflow as tf

    module = served.module()
    signatures = {"serving_default": getattr(module, served.entry)}
    words, level = tf.get_logger(), tf.get_logger().level
    words.setLevel("WARNING")  # in a notebook it would tell where the folder is written, which is a temporary place
    try:
        tf.saved_model.save(module, str(folder / NAME), signatures=signatures)
    finally:
        words.setLevel(level)
