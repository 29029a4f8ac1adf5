"""Exported models of texts in use: strings to probabilities, a batch at a time.

`models.load` gives them. Nothing is trained here and no file of records is read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.output import manifest
from models.quiet import import_tensorflow
from models.serving.exports import saved_model

BATCH = 512
BATCH_BYTES = 1 << 18
"""The longest text of a batch times their number stays below this, so that one long text cannot exhaust memory."""


class LoadedModel:
    """An exported model.

    Attributes:
        labels: names in the order of the probabilities.
        manifest: what the model was made from and how it did.
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
        import_tensorflow()
        import tensorflow as tf

        try:
            self._saved = tf.saved_model.load(path)
        except (OSError, tf.errors.OpError, ValueError) as error:
            cause = str(error).splitlines()[0][:120]
            raise UserError(f"{path}: cannot be loaded ({cause}); export the model again") from None

    def __call__(self, texts: Sequence[str | bytes]) -> np.ndarray[Any, Any]:
        """Probabilities, float32 [texts, labels], of any number of texts.

        Texts of like length are put into one batch; the order of the result is that of the texts.
        """
        if isinstance(texts, (str, bytes)):
            raise UserError("a model takes a list of texts, one text is a list of one. Received: a single string")
        encoded = [t.encode("utf-8", "surrogatepass") if isinstance(t, str) else t for t in texts]
        result = np.zeros((len(encoded), len(self.labels)), np.float32)
        order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
        while order:
            size = 1
            while size < min(BATCH, len(order)) and len(encoded[order[size]]) * (size + 1) <= BATCH_BYTES:
                size += 1
            rows, order = order[:size], order[size:]
            result[rows] = self._classify([encoded[i] for i in rows])
        return result

    def _classify(self, texts: list[bytes]) -> np.ndarray[Any, Any]:
        import tensorflow as tf

        found: np.ndarray[Any, Any] = self._saved.classify(tf.constant(texts))["probabilities"].numpy()
        return found

    def encode(self, texts: Sequence[str | bytes]) -> Any:
        """The ids of texts, int32 [texts, length], 0 = padding; of a model of bags a dict of `ids` and `counts`."""
        import tensorflow as tf

        found = self._saved.encode(tf.constant(list(texts), tf.string))
        return {name: one.numpy() for name, one in found.items()} if isinstance(found, dict) else found.numpy()

    def predict(self, texts: Sequence[str | bytes]) -> list[str]:
        """The most probable label of each text."""
        return [self.labels[i] for i in self(texts).argmax(axis=1)]
