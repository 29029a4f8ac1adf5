"""What exported models of texts have in common: which texts they take, and what becomes of those without an answer.

A model in TensorFlow is `models.serving.loaded_texts`', one in plain arrays `models.serving.loaded_linear`'s.
Nothing is trained here and no file of records is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.input.records import MAX_LINE
from mapreduce.local import machine
from mapreduce.output import manifest
from mapreduce.tokens.specification import Specification

BATCH_BYTES = 1 << 18
"""Bytes of text that are answered at once, at most, but for a single text: a long one cannot exhaust memory."""
PER_BYTE = 50
"""Bytes of memory that a byte of text takes at most, for each width of n-grams, and once more."""


class Classifier:
    """An exported model of texts.

    Attributes:
        labels: names in the order of the probabilities.
        manifest: what the model was made from and how it did.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.manifest = manifest.read(directory, "model")
        try:
            self.labels: list[str] = self.manifest["model"]["labels"]
        except (KeyError, TypeError):
            raise UserError(f"{directory}: its manifest names no labels; export the model again") from None

    @cached_property
    def specification(self) -> Specification:
        """What a token is."""
        return Specification.from_json(self.manifest["specification"])

    @cached_property
    def longest(self) -> int:
        """Bytes of a text that is answered. A longer one is in no job's output either, or may take half of the memory
        that there is; nobody can catch what the system does then."""
        widths = 1 if self.manifest.get("specification") is None else self.specification.widths
        return min(MAX_LINE, machine.memory() // 2 // (PER_BYTE * (1 + widths)))

    def __call__(self, texts: Any) -> np.ndarray[Any, Any]:
        """Probabilities, float32 [texts, labels], of any number of texts.

        Args:
            texts: str or bytes, in a list, a NumPy array or a tensor.

        Raises:
            UserError: they are something else, or one of them cannot be answered.
        """
        found, causes = self.answer(texts)
        for place, cause in causes.items():
            raise UserError(f"texts[{place}]: {cause}")
        return found

    def answer(self, texts: Any) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
        """The same where some cannot be answered: their rows are NaN, and each has its cause, by its place from 0.

        Texts of like length are put into one batch; the order of the result is that of the texts.

        Raises:
            UserError: what is received are no texts.
        """
        encoded = as_bytes(texts)
        result = np.full((len(encoded), len(self.labels)), np.nan, np.float32)
        causes = {i: f"longer than {self.longest} bytes" for i, text in enumerate(encoded) if len(text) > self.longest}
        order = sorted((i for i in range(len(encoded)) if i not in causes), key=lambda i: (len(encoded[i]), i))
        self._answer(encoded, order, result, causes)
        return result, dict(sorted(causes.items()))

    def _answer(
        self, texts: list[bytes], rows: list[int], result: np.ndarray[Any, Any], causes: dict[int, str]
    ) -> None:
        """Writes the probabilities of some texts into their rows, and into `causes` why there are none."""
        raise NotImplementedError

    def encode(self, texts: Any) -> Any:
        """The ids of texts, int32 [texts, length], 0 = padding; of a model of bags a dict of `ids` and `counts`."""
        raise NotImplementedError

    def predict(self, texts: Any) -> list[str]:
        """The most probable label of each text."""
        return [self.labels[i] for i in self(texts).argmax(axis=1)]


def as_bytes(texts: Any) -> list[bytes]:
    """Texts as bytes: str or bytes, in a list, a NumPy array of one dimension or a tensor.

    Raises:
        UserError: they are something else.
    """
    return [_as_bytes(text, place) for place, text in enumerate(as_list(texts, "text"))]


def as_list(values: Any, name: str) -> list[Any]:
    """What stands in a list, a NumPy array of one dimension, a tensor, or whatever can be iterated.

    Args:
        name: of one of them, for the error.

    Raises:
        UserError: it is one value, or no list of values.
    """
    values = values.numpy() if hasattr(values, "numpy") else values
    if isinstance(values, (str, bytes)):
        raise UserError(f"a model takes a list of {name}s, one {name} is a list of one. Received: a single string")
    if isinstance(values, Mapping) or getattr(values, "ndim", 1) != 1 or not hasattr(values, "__iter__"):
        shape = f" of shape {values.shape}" if hasattr(values, "shape") else ""
        raise UserError(f"a model takes a list of {name}s. Received: {type(values).__name__}{shape}")
    return list(values)


def _as_bytes(text: Any, place: int) -> bytes:
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if hasattr(text, "numpy") and isinstance(text.numpy(), bytes):
        return bytes(text.numpy())
    raise UserError(f"texts[{place}]: a text is str or bytes. Received: {type(text).__name__} {text!r:.40}")
