"""Export of models of images: a SavedModel that takes raw pixels, and the `.keras` file beside it.

The folder is that of `models.serving.export_texts`, which writes models of texts; the manifest says "pixels".
`models.load` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from models.serving.export_texts import KERAS, SAVED_MODEL, check_outputs, write_whole


def export(
    model: keras.Model,
    *,
    labels: Sequence[str] | None,
    scale: float = 1.0,
    files: dict[str, bytes] | None = None,
    directory: str | os.PathLike[str],
    manifest: dict[str, Any],
) -> None:
    """Writes `directory` as a whole: saved_model/, model.keras, `_manifest.json`, `_SUCCESS`.

    The SavedModel's signature `serving_default` takes `pixels`, uint8 [batch, height, width, channels], and gives
    `probabilities`, float32 [batch, labels], softmax(scale * logits), and `labels`, strings [labels]. An autoencoder's
    gives `images`, float32 of the shape of the input, from 0 to 1.

    Args:
        model: from pixels to logits.
        labels: names in the order of the logits; None for an autoencoder.
        scale: what the logits are multiplied with before the softmax.
        files: more files, by name.
        manifest: from `mapreduce.output.manifest.build("model", ...)`; labels, input and shape are added.

    Raises:
        UserError: the numbers of labels and of logits differ.
    """
    shape = list(model.input_shape[1:])
    if labels is not None:
        check_outputs(model, labels)

    def save(folder: Path) -> None:
        module = PixelModel(model, shape, labels, scale)
        tf.saved_model.save(module, str(folder / SAVED_MODEL), signatures={"serving_default": module.serve})
        pixel_model(model, shape, labels, scale).save(folder / KERAS)
        for name, data in (files or {}).items():
            (folder / name).write_bytes(data)

    about = {"input": "pixels", "shape": shape, "scale": scale, "output": "images" if labels is None else "labels"}
    found = {**manifest, "kind": "model", "model": {**about, "labels": list(labels or [])}}
    write_whole(Path(directory), save, found)


class PixelModel(tf.Module):
    """What the SavedModel holds: `serve`."""

    def __init__(self, model: keras.Model, shape: Sequence[int], labels: Sequence[str] | None, scale: float) -> None:
        super().__init__("pixel_model")
        # The variables only: the model's layers would add their own traces and metadata to the SavedModel.
        self.weights = [variable.value for variable in model.variables]
        names = tf.constant([name.encode("utf-8", "surrogateescape") for name in labels or ()], tf.string)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None, *shape], tf.uint8, name="pixels")]
        )
        def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = model(pixels, training=False)
            if labels is None:
                return {"images": tf.sigmoid(logits)}
            return {"probabilities": tf.nn.softmax(scale * logits), "labels": names}

        self.serve = serve


def pixel_model(model: keras.Model, shape: Sequence[int], labels: Sequence[str] | None, scale: float) -> keras.Model:
    """The same as a Keras model, from pixels to probabilities, or to images."""
    pixels = keras.Input(shape=tuple(shape), dtype="uint8", name="pixels")
    logits = model(pixels)
    if labels is None:
        return keras.Model(pixels, keras.layers.Activation("sigmoid", name="images")(logits), name="autoencoder")
    logits = keras.layers.Rescaling(scale, name="scale")(logits)
    return keras.Model(pixels, keras.layers.Softmax(name="probabilities")(logits), name="classifier")
