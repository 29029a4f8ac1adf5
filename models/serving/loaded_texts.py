"""Exported models of texts in TensorFlow: strings to probabilities, a batch at a time, by their SavedModel.

`models.load` gives them. Nothing is trained here and no file of records is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.output import manifest
from models.quiet import import_tensorflow
from models.serving.classifier import BATCH_BYTES, Classifier, as_bytes
from models.serving.exports import saved_model

BATCH = 512
BATCH_NUMBERS = 1 << 24
"""The longest text of a batch times their number times the number of labels: the linear model has a number for each
feature and label, and a byte of text has a few features at most."""
_FRAME = ("Graph execution error", "Detected at ", "<stack traces")


class LoadedModel(Classifier):
    """An exported model, read from its SavedModel."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory)
        path = os.path.join(directory, saved_model.NAME)
        if f"{saved_model.NAME}/saved_model.pb" not in manifest.part_names(self.manifest):
            raise UserError(f"{path}: no SavedModel; export the model again")
        import_tensorflow()
        import tensorflow as tf

        try:
            self._saved = tf.saved_model.load(path)
        except (OSError, tf.errors.OpError, ValueError) as error:
            cause = str(error).splitlines()[0][:120]
            raise UserError(f"{path}: cannot be loaded ({cause}); export the model again") from None

    def _answer(
        self, texts: list[bytes], rows: list[int], result: np.ndarray[Any, Any], causes: dict[int, str]
    ) -> None:
        """A batch that fails is asked again in halves, so that a text costs no other one its answer."""
        most = min(BATCH_BYTES, BATCH_NUMBERS // max(1, len(self.labels)))
        start = 0
        while start < len(rows):
            size = 1
            limit = min(BATCH, len(rows) - start)
            while size < limit and len(texts[rows[start + size]]) * (size + 1) <= most:
                size += 1
            some = rows[start : start + size]
            answer_all(self._classify, [texts[i] for i in some], some, result, causes)
            start += size

    def _classify(self, texts: list[bytes]) -> np.ndarray[Any, Any]:
        import tensorflow as tf

        found: np.ndarray[Any, Any] = self._saved.classify(tf.constant(texts))["probabilities"].numpy()
        return found

    def encode(self, texts: Any) -> Any:
        """The ids of texts, int32 [texts, length], 0 = padding; of a model of bags a dict of `ids` and `counts`."""
        import tensorflow as tf

        found = self._saved.encode(tf.constant(as_bytes(texts), tf.string))
        return {name: one.numpy() for name, one in found.items()} if isinstance(found, dict) else found.numpy()


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
