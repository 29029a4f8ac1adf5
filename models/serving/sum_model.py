"""Models of texts that answer together, as they are served: the sum of their logits, each with a tokenizer of its own.

`models.serving.export` writes it, `models.load` reads it; nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from models.serving.text_model import TextModel, TextModule


class SumModel:
    """A classifier of texts made of several; its files are as those of one (`models.serving.text_model.TextModel`).

    Args:
        parts: of the same labels; the logits of each are multiplied with its scale before they are added up.
        scale: what the sum is multiplied with before the softmax.
    """

    entry = "classify"
    arrays = None

    def __init__(self, parts: Sequence[TextModel], *, scale: float = 1.0) -> None:
        self.parts, self.scale = parts, scale
        self.labels, self.outputs = parts[0].labels, parts[0].outputs

    def prepare(self, scratch: Path) -> None:
        """Writes the tokens of every part.

        Raises:
            UserError: one cannot be written.
        """
        for number, part in enumerate(self.parts):
            folder = scratch / str(number)
            folder.mkdir()
            part.prepare(folder)

    def module(self) -> tf.Module:
        """What the SavedModel holds."""
        return SumModule([part.module() for part in self.parts], self.labels, self.scale)

    def keras_model(self) -> keras.Model:
        """From strings [batch] to probabilities [batch, labels]."""
        texts = keras.Input(shape=(), dtype="string", name="texts")
        every = [part.keras_logits(texts, f"_{number}") for number, part in enumerate(self.parts, 1)]
        logits = keras.layers.Rescaling(self.scale, name="scale")(keras.layers.Add(name="sum")(every))
        return keras.Model(texts, keras.layers.Softmax(name="probabilities")(logits), name="classifier")

    def about(self) -> dict[str, Any]:
        """What the first part says, and what each part is."""
        every = [part.about() for part in self.parts]
        parts = [{**found["model"], "specification": found["specification"]} for found in every]
        for part, found in zip(self.parts, parts):
            found["scale"] = part.scale
        return {**every[0], "model": {"input": "texts", "parts": parts}}


class SumModule(tf.Module):
    """What the SavedModel holds: `classify`, and the modules of the parts to look inside."""

    def __init__(self, parts: Sequence[TextModule], labels: Sequence[str], scale: float) -> None:
        super().__init__("classifier")
        self.parts = list(parts)
        names = tf.constant([name.encode("utf-8", "surrogateescape") for name in labels])

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])  # type: ignore[untyped-decorator]
        def classify(texts: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = tf.add_n([part.logits(texts) for part in self.parts])
            return {"probabilities": tf.nn.softmax(scale * logits), "labels": names}

        self.classify = classify
