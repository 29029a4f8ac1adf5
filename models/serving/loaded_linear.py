"""The linear model in use without TensorFlow: the native tokenizer and NumPy, the answers of the exported graph.

`models.load` gives it where a model folder holds arrays. Without the native library plain Python tokenizes.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from mapreduce.features.encoding import Encoder
from mapreduce.output.vocabulary import FIRST, OOV
from mapreduce.tokens.tokenizer import Tokenizer
from models.counts import bags
from models.counts.bags import Bags
from models.serving.classifier import BATCH_BYTES, Classifier, as_bytes
from models.serving.exports import arrays

MOST_NUMBERS = 1 << 22
"""Texts of a batch times the number of labels, at most."""


class LoadedLinear(Classifier):
    """An exported linear model, read from its arrays."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory)
        self._model, tokens = arrays.read(Path(directory), self.manifest["model"][arrays.NAME], self.labels)
        self._scale = np.float32(self.manifest["model"]["scale"])
        self._encoder = Encoder(Tokenizer(self.specification), tokens)
        self._place = np.zeros(len(tokens) + FIRST, np.int64)
        self._one = threading.Lock()

    def _answer(
        self, texts: list[bytes], rows: list[int], result: np.ndarray[Any, Any], causes: dict[int, str]
    ) -> None:
        most = max(1, MOST_NUMBERS // len(self.labels))
        start = 0
        while start < len(rows):
            end, size = start, 0
            while (
                end < len(rows) and end - start < most and (end == start or size + len(texts[rows[end]]) <= BATCH_BYTES)
            ):
                size += len(texts[rows[end]])
                end += 1
            some = rows[start:end]
            try:
                result[some] = self._probabilities([texts[i] for i in some])
            except MemoryError:
                if len(some) == 1:
                    causes[some[0]] = "too little memory"
                else:
                    for one in some:
                        self._answer(texts, [one], result, causes)
            start = end

    def _probabilities(self, texts: list[bytes]) -> np.ndarray[Any, Any]:
        z: np.ndarray[Any, Any] = self._scale * self._model.logits(self._bags(texts))
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        return z

    def _bags(self, texts: list[bytes], first: int = FIRST) -> Bags:
        with self._one:  # the encoder and the place to write to are for one thread at a time
            (lines,) = self._encoder.lines([[(b"", text) for text in texts]])
            return bags.of_lines(lines, self._place, first).bags

    def encode(self, texts: Any) -> Any:
        """Bags of texts, a dict of `ids` and `counts`, int32 [texts, unique], 0 = padding."""
        found = self._bags(as_bytes(texts), OOV)
        place = np.arange(max(1, int(found.sizes.max(initial=0)))) < found.sizes[:, None]
        padded = {name: np.zeros(place.shape, np.int32) for name in ("ids", "counts")}
        for name, array in padded.items():
            array[place] = getattr(found, name)
        return padded
