"""The SavedModel of a model folder: core TensorFlow operations alone, which need no code of ours."""

from __future__ import annotations

from pathlib import Path

from mapreduce.errors import UserError
from models.quiet import import_tensorflow
from models.serving.served import Served

NAME = "saved_model"


def write(served: Served, folder: Path) -> None:
    """Writes saved_model/; its signature `serving_default` is the function that takes raw input.

    Raises:
        UserError: there is no space left, or another reason not to write.
    """
    import_tensorflow()
    import tensorflow as tf

    module = served.module()
    signatures = {"serving_default": getattr(module, served.entry)}
    words, level = tf.get_logger(), tf.get_logger().level
    words.setLevel("WARNING")  # in a notebook it would tell where the folder is written, which is a temporary place
    try:
        tf.saved_model.save(module, str(folder / NAME), signatures=signatures)
    except tf.errors.OpError as error:  # where a file cannot be written TensorFlow raises no OSError
        why = error.message.rpartition("; ")[2]
        raise UserError(f"{folder / NAME}: not written: {why}; make space, or write to another folder") from None
    finally:
        words.setLevel(level)
