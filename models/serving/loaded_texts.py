"""Exported models of texts in use: strings to probabilities, a batch at a time.

`models.load` gives them. Nothing is trained here and no file of records is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.input.records import MAX_LINE
from mapreduce.local import machine
from mapreduce.output import manifest
from mapreduce.tokens.specification import Specification
from models.quiet import import_tensorflow
from models.serving.exports import saved_model

BATCH = 512
BATCH_BYTES = 1 << 18
"""The longest text of a batch times their number stays below this, so that one long text cannot exhaust memory."""
BATCH_NUMBERS = 1 << 24
"""The same times the number of labels: the linear model has a number for each feature and label, and a byte of text
has a few features at most."""
PER_BYTE = 50
"""Bytes of memory that a byte of text takes in the graph, at most, for each width of n-grams, and once more."""
_FRAME = ("Graph execution error", "Detected at ", "<stack traces")


class LoadedModel:
    """An exported model.

    Attributes:
        labels: names in the order of the probabilities.
        manifest: what the model was made from and how it did.
        longest: bytes of a text that is answered. A longer one is in no job's output either, or may take half of the
            memory that there is; nobody can catch what the system does then.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.manifest = manifest.read(directory, "model")
        path = os.path.join(directory, saved_model.NAME)
        if f"{saved_model.NAME}/saved_model.pb" not in manifest.part_names(self.manifest):
            raise UserError(f"{path}: no SavedModel; export the model again")
        try:
            self.labels: list[str] = self.manifest["model"]["labels"]
        except (KeyError, TypeError):
            raise UserError(f"{directory}: its manifest names no labels; export the model again") from None
        widths = 1
        if (given := self.manifest.get("specification")) is not None:
            specification = Specification.from_json(given)
            widths = len(specification.ngrams) + len(specification.character_ngrams)
        self.longest = min(MAX_LINE, machine.memory() // 2 // (PER_BYTE * (1 + widths)))
        import_tensorflow()
        import tensorflow as tf

        try:
            self._saved = tf.saved_model.load(path)
        except (OSError, tf.errors.OpError, ValueError) as error:
            cause = str(error).splitlines()[0][:120]
            raise UserError(f"{path}: cannot be loaded ({cause}); export the model again") from None

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

        Texts of like length are put into one batch; the order of the result is that of the texts. A batch that fails is
        asked again in halves, so that a text costs no other one its answer.

        Raises:
            UserError: what is received are no texts.
        """
        encoded = as_bytes(texts)
        result = np.full((len(encoded), len(self.labels)), np.nan, np.float32)
        causes = {i: f"longer than {self.longest} bytes" for i, text in enumerate(encoded) if len(text) > self.longest}
        order = sorted((i for i in range(len(encoded)) if i not in causes), key=lambda i: (len(encoded[i]), i))
        most = min(BATCH_BYTES, BATCH_NUMBERS // max(1, len(self.labels)))
        start = 0
        while start < len(order):
            size = 1
            limit = min(BATCH, len(order) - start)
            while size < limit and len(encoded[order[start + size]]) * (size + 1) <= most:
                size += 1
            rows = order[start : start + size]
            answer_all(self._classify, [encoded[i] for i in rows], rows, result, causes)
            start += size
        return result, dict(sorted(causes.items()))

    def _classify(self, texts: list[bytes]) -> np.ndarray[Any, Any]:
        import tensorflow as tf

        found: np.ndarray[Any, Any] = self._saved.classify(tf.constant(texts))["probabilities"].numpy()
        return found

    def encode(self, texts: Any) -> Any:
        """The ids of texts, int32 [texts, length], 0 = padding; of a model of bags a dict of `ids` and `counts`."""
        import tensorflow as tf

        found = self._saved.encode(tf.constant(as_bytes(texts), tf.string))
        return {name: one.numpy() for name, one in found.items()} if isinstance(found, dict) else found.numpy()

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


def answer_all(
    ask: Callable[[Any], np.ndarray[Any, Any]],
    batch: Any,
    rows: Sequence[int],
    result: np.ndarray[Any, Any],
    causes: dict[int, str],
) -> None:
    """Puts the answers of a batch into rows of the result, and into `causes` why there is none.

    Args:
        ask: gives the answers of a batch, or of a part of it.
        batch: a list or an array.
    """
    import tensorflow as tf

    try:
        result[rows] = found = ask(batch)
        empty = np.flatnonzero(np.isnan(found).any(axis=1)).tolist()
        causes.update((rows[place], "the model gives no number") for place in empty)
    except tf.errors.OpError as error:
        if len(rows) == 1:
            memory = isinstance(error, tf.errors.ResourceExhaustedError)
            causes[rows[0]] = "too little memory" if memory else f"the model fails: {_cause(error.message)}"
            return
        half = len(rows) // 2
        for part in (slice(half), slice(half, None)):
            answer_all(ask, batch[part], rows[part], result, causes)


def _cause(message: str) -> str:
    lines = (line.strip() for line in re.sub(r"\{\{.*?\}\}", "", message).split("\n"))
    return next((line for line in lines if line and not line.startswith(_FRAME)), "it does not say why")[:120]
