"""A model of images as it is served: from raw pixels to probabilities, or to images.

`models.serving.export` writes it, `models.load` reads it; nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


class PixelModel:
    """A classifier of images, or an autoencoder.

    Its SavedModel's signature takes `pixels`, uint8 [batch, height, width, channels], and gives `probabilities`,
    float32 [batch, labels], softmax(scale * logits), and `labels`, strings [labels]. An autoencoder's gives `images`,
    float32 of the shape of the input, from 0 to 1.

    Args:
        model: from pixels to logits.
        labels: names in the order of the logits; None for an autoencoder.
        scale: what the logits are multiplied with before the softmax.
    """

    entry = "serve"
    arrays = None

    def __init__(self, model: keras.Model, *, labels: Sequence[str] | None, scale: float = 1.0) -> None:
        self.model, self.labels, self.scale = model, labels, scale
        self.shape, self.outputs = list(model.input_shape[1:]), int(model.output_shape[-1])

    def prepare(self, scratch: Path) -> None:
        """Nothing is needed."""

    def module(self) -> tf.Module:
        """What the SavedModel holds."""
        return PixelModule(self.model, self.shape, self.labels, self.scale)

    def keras_model(self) -> keras.Model:
        """From pixels to probabilities, or to images."""
        pixels = keras.Input(shape=tuple(self.shape), dtype="uint8", name="pixels")
        logits = self.model(pixels)
        if self.labels is None:
            return keras.Model(pixels, keras.layers.Activation("sigmoid", name="images")(logits), name="autoencoder")
        logits = keras.layers.Rescaling(self.scale, name="scale")(logits)
        return keras.Model(pixels, keras.layers.Softmax(name="probabilities")(logits), name="classifier")

    def about(self) -> dict[str, Any]:
        """The shape of an image, and what is given."""
        output = "images" if self.labels is None else "labels"
        return {"model": {"input": "pixels", "shape": self.shape, "output": output}}


class PixelModule(tf.Module):
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
