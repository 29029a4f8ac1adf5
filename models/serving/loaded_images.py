"""Exported models of images in use: pixels, or the texts of image records, to labels or to images.

`models.load` gives these where the manifest says that a model reads pixels. Nothing is trained or decoded from files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from mapreduce.errors import Rejected, UserError
from mapreduce.input.formats import images
from models.serving.classifier import as_list
from models.serving.loaded_texts import BATCH, LoadedModel, answer_all


class LoadedImageModel(LoadedModel):
    """An exported classifier of images.

    Attributes:
        shape: of an image, (height, width, channels).
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory)
        height, width, channels = self.manifest["model"]["shape"]
        self.shape: images.Shape = (height, width, channels)
        self._form = images.ImageText(images.write_shape(self.shape))

    def __call__(self, pictures: Any) -> np.ndarray[Any, Any]:
        """Probabilities, float32 [images, labels].

        Args:
            pictures: uint8 [images, height, width, channels], an array or a tensor, the last one may be left out where
                it is 1; or a list of the texts of image records, b"28x28x1:...".

        Raises:
            UserError: they are of another dtype or shape.
        """
        found = [self._serve(batch, "probabilities") for batch in self._batches(pictures)]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *found])

    def answer(self, texts: Any) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
        """Of the texts of image records: as that of a model of texts."""
        listed = as_list(texts, "image")
        result = np.full((len(listed), len(self.labels)), np.nan, np.float32)
        causes: dict[int, str] = {}
        decoded: list[tuple[int, bytes]] = []
        for place, text in enumerate(listed):
            try:
                decoded.append((place, self._decode(text)))
            except Rejected as cause:
                causes[place] = str(cause)
        for start in range(0, len(decoded), BATCH):
            rows = [place for place, _ in decoded[start : start + BATCH]]
            batch = self._joined([pixels for _, pixels in decoded[start : start + BATCH]])
            answer_all(lambda some: self._serve(some, "probabilities"), batch, rows, result, causes)
        return result, dict(sorted(causes.items()))

    def _serve(self, batch: np.ndarray[Any, Any], output: str) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self._saved.serve(batch)[output].numpy()
        return found

    def _batches(self, pictures: Any) -> Iterator[np.ndarray[Any, Any]]:
        pictures = _listed(pictures)
        for start in range(0, len(pictures), BATCH):
            yield self.pixels(pictures[start : start + BATCH], start)

    def pixels(self, pictures: Any, start: int = 0) -> np.ndarray[Any, Any]:
        """Pixels uint8 [images, height, width, channels] of what `__call__` takes; `start` is the place of the first,
        for errors."""
        pictures = _listed(pictures)
        if not isinstance(pictures, np.ndarray):
            decoded = []
            for place, text in enumerate(pictures, start):
                try:
                    decoded.append(self._decode(text))
                except Rejected as cause:
                    raise UserError(f"images[{place}]: {cause}") from None
            return self._joined(decoded)
        found: np.ndarray[Any, Any] = pictures
        if found.ndim == 3 and self.shape[-1] == 1:
            found = found[..., None]
        if found.dtype != np.uint8 or found.shape[1:] != self.shape:
            received = f"{'x'.join(map(str, found.shape[1:]))}, {found.dtype}"
            raise UserError(f"the model takes images of {images.write_shape(self.shape)}, uint8. Received: {received}")
        return found

    def _joined(self, decoded: list[bytes]) -> np.ndarray[Any, Any]:
        return np.frombuffer(b"".join(decoded), np.uint8).reshape(len(decoded), *self.shape)

    def _decode(self, text: Any) -> bytes:
        wanted = f"the model takes images of {images.write_shape(self.shape)}"
        if not isinstance(text, (str, bytes)):
            received = f"{type(text).__name__} in a list"
            raise Rejected(f"{wanted}, in one array, or a list of records' texts. Received: {received}")
        text = text.encode("utf-8", "replace") if isinstance(text, str) else text
        try:
            self._form.check(text)
        except Rejected as cause:
            raise Rejected(f"{wanted}: {cause}. Received: {text[:40]!r}") from None
        return images.pixels(text)


def _listed(pictures: Any) -> Any:
    """Arrays as they are, tensors as arrays, texts in a list."""
    pictures = pictures.numpy() if hasattr(pictures, "numpy") else pictures
    if isinstance(pictures, np.ndarray) and pictures.dtype.kind not in "OSU":
        return pictures
    return as_list(pictures, "image")


class LoadedAutoencoder(LoadedImageModel):
    """An exported autoencoder: it gives images back and knows no labels."""

    def __call__(self, pictures: Any) -> np.ndarray[Any, Any]:
        """Images float32 [images, height, width, channels], from 0 to 1, of what a classifier takes."""
        found = [self._serve(batch, "images") for batch in self._batches(pictures)]
        return np.concatenate([np.zeros((0, *self.shape), np.float32), *found])

    def predict(self, pictures: Any) -> list[str]:
        """Raises UserError."""
        raise UserError("an autoencoder gives images back and knows no labels")

    def error(self, pictures: Any) -> float:
        """The mean squared difference between pixels and what becomes of them, both from 0 to 1.

        Raises:
            UserError: there is no image.
        """
        if not len(pictures):
            raise UserError("no image to measure the reconstruction error of")
        total = 0.0
        for start in range(0, len(pictures), BATCH):
            batch = self.pixels(pictures[start : start + BATCH])
            difference = self(batch) - batch.astype(np.float32) / 255
            total += float(np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3)).sum())
        return total / len(pictures)
