"""A model of texts as it is served: tokenizer and vocabulary joined to a trained model of integers.

So it takes raw strings. `models.serving.export` writes it, `models.load` reads it; nothing is trained here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mapreduce.output import vocabulary
from mapreduce.tokens.specification import Specification
from models.layers.encoder import ASSET, Buckets, TextEncoder, encode, lookup_table
from models.serving.served import about_texts


class TextModel:
    """A classifier of texts.

    Its SavedModel's signature takes `texts`, strings [batch], and gives `probabilities`, float32 [batch, labels],
    softmax(scale * logits), and `labels`, strings [labels].

    Args:
        model: from integers to logits [batch, labels].
        kind: the model's input, "ids" or "bag".
        specification, tokens: what makes its ids of a string; token i has id i + 2. A number in place of tokens is that
            of the buckets which features are hashed to.
        labels: names in the order of the logits.
        scale: what the logits are multiplied with before the softmax.
    """

    entry = "classify"
    arrays = None
    _lookup: str | int

    def __init__(
        self,
        model: keras.Model,
        *,
        kind: str,
        specification: Specification,
        tokens: Sequence[bytes] | int,
        labels: Sequence[str],
        scale: float = 1.0,
    ) -> None:
        self.model, self.kind, self.specification, self.tokens = model, kind, specification, tokens
        self.labels, self.scale = labels, scale
        self.outputs, self._lookup = int(model.output_shape[-1]), 0

    def prepare(self, scratch: Path) -> None:
        """Writes the tokens.

        Raises:
            UserError: one cannot be written.
        """
        if isinstance(self.tokens, int):
            self._lookup = self.tokens
            return
        self._lookup = str(scratch / ASSET)
        vocabulary.write_tokens(self._lookup, self.tokens)

    def module(self) -> TextModule:
        """What the SavedModel holds."""
        return TextModule(self.model, self.kind, self.specification, self._lookup, self.labels, self.scale)

    def keras_model(self) -> keras.Model:
        """From strings [batch] to probabilities [batch, labels]."""
        texts = keras.Input(shape=(), dtype="string", name="texts")
        logits = self.keras_logits(texts)
        return keras.Model(texts, keras.layers.Softmax(name="probabilities")(logits), name="classifier")

    def keras_logits(self, texts: Any, suffix: str = "") -> Any:
        """From strings [batch] to scaled logits [batch, labels], by layers whose names end with the suffix."""
        buckets = self._lookup if isinstance(self._lookup, int) else None
        encoder = TextEncoder(self.specification, self.kind, buckets, name=f"text_encoder{suffix}")
        if isinstance(self._lookup, str):
            encoder.load_assets(os.path.dirname(self._lookup))
        return keras.layers.Rescaling(self.scale, name=f"scale{suffix}")(self.model(encoder(texts)))

    def about(self) -> dict[str, Any]:
        """The specification, the vocabulary's fingerprint and the kind of input."""
        return about_texts(self.specification, self.tokens, self.kind)


class TextModule(tf.Module):
    """What the SavedModel holds: `classify`, and `encode` and `tokens` to look inside."""

    def __init__(
        self,
        model: keras.Model,
        kind: str,
        specification: Specification,
        lookup: str | int,
        labels: Sequence[str],
        scale: float,
    ) -> None:
        super().__init__("classifier")
        # The variables only: the model's layers would add their own traces and metadata to the SavedModel.
        self.weights = [variable.value for variable in model.variables]
        if isinstance(lookup, int):
            self.table = Buckets(lookup)
        else:
            self.table = table = lookup_table(lookup)
            self.vocabulary_file = tf.saved_model.Asset(lookup)

            @tf.function(input_signature=[])  # type: ignore[untyped-decorator]
            def vocabulary_tokens() -> tf.Tensor:
                found, lines = table.export()
                return tf.gather(found, tf.argsort(lines))

            self.tokens = vocabulary_tokens
        signature = [tf.TensorSpec([None], tf.string, name="texts")]
        names = tf.constant([name.encode("utf-8", "surrogateescape") for name in labels])

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def encode_texts(texts: tf.Tensor) -> Any:
            return encode(specification, self.table, texts, kind)

        def logits(texts: tf.Tensor) -> tf.Tensor:
            return scale * model(encode(specification, self.table, texts, kind), training=False)

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def classify(texts: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"probabilities": tf.nn.softmax(logits(texts)), "labels": names}

        self.encode, self.logits, self.classify = encode_texts, logits, classify
