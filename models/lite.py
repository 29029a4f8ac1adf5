"""Light models: `python -m models.lite MODEL_DIR model.tflite --test test.tsv`, a LiteRT file with quantised weights.

Dynamic-range quantisation: weights become int8, what is computed stays float32. Models of pixels are converted, and
textcnn on ids, whose tokenizer stays outside; the others say in one line that they are not. The file is checked with
LiteRT's own interpreter, and size and accuracy are printed before and after.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import models
from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest
from models.quiet import import_tensorflow
from models.serving import inputs
from models.serving.loaded import BATCH, LoadedModel
from models.serving.loaded_images import LoadedAutoencoder, LoadedImageModel

EXTRA = "pip install -e '.[lite]'"
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
    name = found["results"]["candidate"]["model"]
    of_pixels = found["model"]["input"] == "pixels"
    if not of_pixels and name not in IDS:
        raise UserError(f"{directory}: {name} is not converted; models of images and {', '.join(IDS)} are")
    tf = import_tensorflow()
    model = models.load_keras(directory)
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


@contextmanager
def quiet() -> Iterator[None]:
    """File descriptor 2 set aside meanwhile: the converter and the interpreter write notices there."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class LiteModel:
    """A LiteRT file in its interpreter.

    Raises:
        UserError: the interpreter is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check()
        from ai_edge_litert.interpreter import Interpreter

        with quiet():
            self._interpreter = Interpreter(model_path=os.fspath(path))

    def __call__(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the file gives for pixels uint8 [batch, ...] or ids int32 [batch, length]."""
        run = self._interpreter
        (given,), (gives,) = run.get_input_details(), run.get_output_details()
        with quiet():
            if tuple(run.get_input_details()[0]["shape"]) != x.shape:
                run.resize_tensor_input(given["index"], x.shape)
            run.allocate_tensors()
            run.set_tensor(given["index"], x)
            run.invoke()
        found: np.ndarray[Any, Any] = run.get_tensor(gives["index"])
        return found


def check() -> None:
    """Raises UserError where the interpreter is not installed."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise UserError(f"LiteRT's interpreter (ai-edge-litert) is not installed; run: {EXTRA}")


def measure(loaded: LoadedModel, light: LiteModel, pairs: Sequence[tuple[bytes, bytes]]) -> Iterator[str]:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.lite",
        description="Writes a LiteRT file with quantised weights; prints size and accuracy before and after.",
        epilog="Example: python -m models.lite MODEL_DIR model.tflite --test test.tsv",
    )
    parser.add_argument("model", metavar="MODEL_DIR", help="what training or export wrote")
    parser.add_argument("output", metavar="FILE", type=Path, help="the file to write")
    parser.add_argument("--test", nargs="+", metavar="FILE", help="labelled records that both are measured on")
    inputs.add_arguments(parser, "by suffix")
    options = parser.parse_args(arguments)
    try:
        pairs = []
        if options.test:
            check()
            pairs = inputs.labelled(options.test, **inputs.arguments(options))
        convert(options.model, options.output)
        saved = Path(options.model) / "saved_model"
        before = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
        sizes = [before, options.output.stat().st_size]
        measured = [""] * 2
        if pairs:
            measured = list(measure(models.load(options.model), LiteModel(options.output), pairs))
        for name, size, text in zip(("SavedModel", "LiteRT"), sizes, measured):
            print(f"{name}\t{size} bytes\t{text}".rstrip())
    except UserError as error:
        print(f"lite: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
