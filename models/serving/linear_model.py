"""The linear model of texts as it is served: its arrays at once, and what needs TensorFlow when that is asked for.

`models.serving.export` writes it, `models.load` reads it; nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapreduce.tokens.specification import Specification
from models.counts.linear import Sum
from models.serving.served import about_texts

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from models.serving.text_model import TextModel


class LinearModel:
    """A linear classifier of texts.

    Args:
        arrays: the model.
        specification, tokens, labels, scale: as `models.serving.text_model.TextModel` takes them.
    """

    entry = "classify"

    def __init__(
        self,
        arrays: Sum,
        *,
        specification: Specification,
        tokens: Sequence[bytes],
        labels: Sequence[str],
        scale: float = 1.0,
    ) -> None:
        self.arrays, self.specification = (arrays, tokens), specification
        self.labels, self.scale, self.outputs = labels, scale, len(arrays.parts[0].bias)

    def prepare(self, scratch: Path) -> None:
        """Remembers where the graph may write."""
        self._scratch = scratch

    @cached_property
    def _graph(self) -> TextModel:
        from models.serving import linear_graph

        found = linear_graph.text_model(self.arrays, self.specification, self.labels, self.scale)
        found.prepare(self._scratch)
        return found

    def module(self) -> tf.Module:
        """What the SavedModel holds."""
        return self._graph.module()

    def keras_model(self) -> keras.Model:
        """From strings [batch] to probabilities [batch, labels]."""
        return self._graph.keras_model()

    def about(self) -> dict[str, Any]:
        """The specification, the vocabulary's fingerprint, the kind of input, and what the arrays do not say."""
        model, tokens = self.arrays
        found = about_texts(self.specification, tokens, "bag")
        own = [{"term_frequency": part.term_frequency, "normalize": part.normalize} for part in model.parts]
        return {**found, "model": {**found["model"], "arrays": {"parts": own}}}
