"""Reads a model folder: `load` for its SavedModel, to use it, `load_keras` for the Keras file, to go on with it.

A manifest is checked before NumPy or TensorFlow is imported. Loading a model runs it: load only what you trust.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import TYPE_CHECKING, Any

from mapreduce.command import require
from mapreduce.errors import UserError
from mapreduce.output import manifest
from models.quiet import import_tensorflow
from models.serving.exports import arrays, keras_file

if TYPE_CHECKING:
    from models.serving.classifier import Classifier


def load(directory: str | os.PathLike[str]) -> Classifier:
    """Reads a model that `models.serving` wrote.

    Raises:
        UserError: there is none, or it is not whole.

    Example:
        model = load("data/derived/20ng/linear")
        model(["a text", "another"])  # float32 [2, 20]
    """
    about = manifest.read(directory, "model").get("model") or {}
    if arrays.NAME in about:
        from models.serving.loaded_linear import LoadedLinear

        return LoadedLinear(directory)
    require("tensorflow")
    if about.get("input") == "table":
        from models.serving.loaded_tables import LoadedTable

        return LoadedTable(directory)
    if about.get("input") != "pixels":
        from models.serving.loaded_texts import LoadedModel

        return LoadedModel(directory)
    from models.serving.loaded_images import LoadedAutoencoder, LoadedImageModel

    return (LoadedAutoencoder if about.get("output") == "images" else LoadedImageModel)(directory)


def reads(directory: str | os.PathLike[str]) -> str:
    """What a model reads, "ids", "bag", "pixels" or "table", by its manifest.

    Raises:
        UserError: there is none, or it is not whole.
    """
    about = manifest.read(directory, "model").get("model") or {}
    return str(about.get("input", ""))


def load_keras(directory: str | os.PathLike[str]) -> Any:
    """Reads the Keras model beside the SavedModel, to go on with it: from strings or pixels to probabilities.

    Imports the layers of ours that it may hold first, which `keras.models.load_model` alone would miss.

    Raises:
        UserError: there is none, or it is not whole.
    """
    found = manifest.read(directory, "model")
    path = os.path.join(directory, keras_file.NAME)
    if keras_file.NAME not in manifest.part_names(found):
        raise UserError(f"{path}: no such file; train without --no-saved-model, or export the model again")
    import_tensorflow()
    import keras

    from models import architectures, layers

    for room in (architectures, layers):
        for module in pkgutil.iter_modules(room.__path__):
            importlib.import_module(f"{room.__name__}.{module.name}")
    try:
        return keras.models.load_model(path)
    except (TypeError, ValueError, OSError) as error:
        cause = str(error).rsplit("Exception encountered: ", 1)[-1].split("\n")[0][:200]
        raise UserError(f"{path}: cannot be loaded ({cause}); export the model again") from None
