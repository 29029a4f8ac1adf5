"""LiteRT files: a model's weights quantised to int8, the file in its interpreter, and both models measured.

Dynamic-range quantisation: weights become int8, what is computed stays float32. Models of pixels are converted, and
textcnn on ids, whose tokenizer stays outside. `models.lite` is the command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mapreduce.command import require
from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest
from models.quiet import import_tensorflow, quiet
from models.serving.classifier import Classifier
from models.serving.load import load_keras
from models.serving.loaded_images import LoadedAutoencoder, LoadedImageModel
from models.serving.loaded_texts import BATCH

IDS = ("textcnn",)
"""Architectures on ids that LiteRT runs without TensorFlow's own operations."""


def convert(directory: str | os.PathLike[str], output: Path) -> None:
    """Writes an exported model as a LiteRT file of quantised weights; an earlier file is replaced.

    The file takes `pixels`, uint8 [batch, height, width, channels], or `ids`, int32 [batch, length], 0 = padding, both
    of any batch and length (`resize_tensor_input`), and gives what the SavedModel gives: probabilities or images.

    Raises:
        UserError: the model is none of those that can be converted.
    """
    found = manifest.read(directory, "model")
    name = found["results"].get("candidate", {}).get("model")  # none, where it is a network of somebody's own
    of_pixels = found["model"]["input"] == "pixels"
    if not of_pixels and name not in IDS:
        which = name or "a network that models.train has not made"
        raise UserError(f"{directory}: {which} is not converted; models of images and {', '.join(IDS)} are")
    tf = import_tensorflow()
    model = load_keras(directory)
    if of_pixels:
        signature = tf.TensorSpec([None, *found["model"]["shape"]], tf.uint8, name="pixels")
    else:
        signature = tf.TensorSpec([None, None], tf.int32, name="ids")
    layers = [layer for layer in model.layers[1:] if layer.name != "text_encoder"]

    def answer(x: Any) -> Any:
        for layer in layers:
            x = layer(x, training=False) if layer.name == name else layer(x)
        return x

    module = tf.Module()
    module.weights = [variable.value for layer in layers for variable in layer.variables]
    module.answer = tf.function(answer, input_signature=[signature])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.answer.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with quiet():
        data = converter.convert()
    atomic.write(output, data)


class LiteModel:
    """A LiteRT file in its interpreter.

    Raises:
        UserError: the interpreter is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        require("ai_edge_litert")
        from ai_edge_litert.interpreter import Interpreter

        with quiet():
            self._interpreter = Interpreter(model_path=os.fspath(path))
            self._interpreter.allocate_tensors()

    def __call__(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the file gives for pixels uint8 [batch, ...] or ids int32 [batch, length]."""
        run = self._interpreter
        (given,), (gives,) = run.get_input_details(), run.get_output_details()
        if tuple(given["shape"]) != x.shape:
            with quiet():
                run.resize_tensor_input(given["index"], x.shape)
                run.allocate_tensors()
        run.set_tensor(given["index"], x)
        run.invoke()
        found: np.ndarray[Any, Any] = run.get_tensor(gives["index"])
        return found


def measure(loaded: Classifier, light: LiteModel, pairs: Sequence[tuple[bytes, bytes]]) -> Iterator[str]:
    """What both models make of labelled records (label, text), a line for each: accuracy or reconstruction error."""
    texts = [text for _, text in pairs]
    if isinstance(loaded, LoadedAutoencoder):
        squares = [
            np.square(light(batch) - batch.astype(np.float32) / 255).mean(axis=(1, 2, 3))
            for batch in map(loaded.pixels, _batches(texts))
        ]
        yield f"reconstruction error {loaded.error(texts):.4f}"
        yield f"reconstruction error {np.concatenate(squares).mean():.4f}"
        return
    encode = loaded.pixels if isinstance(loaded, LoadedImageModel) else loaded.encode
    answers = [light(encode(batch)).argmax(axis=1) for batch in _batches(texts)]
    predicted = [loaded.labels[i] for i in np.concatenate(answers)]
    for found in (loaded.predict(texts), predicted):
        right = sum(label.decode() == answer for (label, _), answer in zip(pairs, found))
        yield f"accuracy {right / len(pairs):.4f}"


def _batches(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]
