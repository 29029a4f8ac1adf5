"""Every network on images: parameters of the classic definitions, raw bytes in, logits out, the same after saving."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.architectures.autoencoder import autoencoder

SHAPE = (28, 28, 1)
PARAMETERS = {"mlp": 101_770, "cnn": 93_322, "cnn_dropout": 1_199_882, "lenet5": 61_706, "resnet": 171_562}


def build(name: str, *arguments: Any, **more: Any) -> Any:
    return getattr(importlib.import_module(f"models.architectures.{name}"), name)(*arguments, **more)


def images(number: int, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(0).integers(0, 256, (number, *shape), np.uint8)


@pytest.fixture(scope="module", params=PARAMETERS)
def network(request: pytest.FixtureRequest) -> Any:
    return build(request.param, SHAPE, 10)


def test_parameters_are_those_of_the_definition(network: Any) -> None:
    assert network.count_params() == PARAMETERS[network.name]
    documented = getattr(importlib.import_module(f"models.architectures.{network.name}"), network.name).__doc__
    assert f"; {PARAMETERS[network.name]:,} parameters for 28 x 28 pixels and 10 labels" in documented


def test_raw_bytes_to_logits(network: Any) -> None:
    (pixels,) = network.inputs
    assert pixels.dtype == "uint8" and pixels.name == "pixels"
    logits = np.array(network(images(3)))
    assert logits.shape == (3, 10) and logits.dtype == np.float32
    assert logits.min() < 0 and not np.allclose(logits.sum(axis=1), 1)  # no softmax: export adds it


def test_batch_mates_change_nothing(network: Any) -> None:
    many = images(5)
    np.testing.assert_allclose(network(many)[3], network(many[3:4])[0], atol=1e-5)


def test_a_saved_network_answers_the_same(network: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "m.keras")(images(2)), network(images(2)), atol=1e-6)


def test_images_of_other_shapes(network: Any) -> None:
    shape = (32, 36, 3)
    assert build(network.name, shape, 4)(images(2, shape)).shape == (2, 4)


@pytest.mark.parametrize(("convolutional", "parameters"), [(False, 50_992), (True, 3_217)])
def test_an_autoencoder_gives_an_image_for_an_image(convolutional: bool, parameters: int) -> None:
    model = autoencoder(SHAPE, convolutional=convolutional)
    assert model.count_params() == parameters and f"{parameters:,}" in str(autoencoder.__doc__)
    assert model(images(2)).shape == (2, *SHAPE)
    shape = (32, 36, 3)
    assert autoencoder(shape, convolutional=convolutional)(images(2, shape)).shape == (2, *shape)


def test_dropout_is_for_training_alone() -> None:
    model, many = build("cnn_dropout", SHAPE, 10), images(2)
    np.testing.assert_array_equal(model(many), model(many))
    assert np.abs(np.array(model(many, training=True)) - np.array(model(many, training=True))).max() > 1e-6
