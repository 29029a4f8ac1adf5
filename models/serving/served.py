"""What is served of a trained model, as all kinds of its files see it: a protocol, and no more.

`models.serving.text_model`, `models.serving.linear_model` and `models.serving.pixel_model` are what there is of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mapreduce.output import vocabulary
from mapreduce.tokens.specification import Specification

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from models.counts.linear import Sum


class Served(Protocol):
    """A trained model joined to what it takes and gives when it is used.

    Attributes:
        labels: names in the order of the logits; None for an autoencoder.
        outputs: number of its logits.
        arrays: the linear model as arrays, and its tokens in the order of their ids; None where there is none.
        scale: what the logits are multiplied with before the softmax.
        entry: name of the function of `module` that takes raw input.
    """

    @property
    def labels(self) -> Sequence[str] | None: ...

    @property
    def arrays(self) -> tuple[Sum, Sequence[bytes]] | None: ...

    outputs: int
    scale: float
    entry: str

    def prepare(self, scratch: Path) -> None:
        """Writes into a folder what the two below need until they are saved."""

    def module(self) -> tf.Module:
        """What a SavedModel holds; its function `entry` goes from raw input to a dict of answers."""

    def keras_model(self) -> keras.Model:
        """The same as a Keras model, from raw input to probabilities, or to images."""

    def about(self) -> dict[str, Any]:
        """What the manifest says of it beside labels and scale, by fields of the manifest."""


def about_texts(specification: Specification, tokens: Sequence[bytes] | int, kind: str) -> dict[str, Any]:
    """What the manifest says of a model of texts.

    Args:
        tokens: in the order of their ids, or the number of buckets that features are hashed to.
        kind: the model's input, "ids" or "bag".
    """
    found = {"specification": specification.to_json(), "specification_fingerprint": specification.fingerprint}
    if isinstance(tokens, int):
        return {**found, "vocabulary_fingerprint": None, "model": {"input": kind, "hash_buckets": tokens}}
    about = {"input": kind, "tokens": len(tokens)}
    return {**found, "vocabulary_fingerprint": vocabulary.fingerprint(tokens), "model": about}
