"""What earlier versions wrote still loads: of 0.1.0 outputs, kept steps, models, Keras files and a checkpoint; of the
versions since then models."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import models
from mapreduce.errors import UserError
from mapreduce.native import library as native
from mapreduce.output import manifest, vocabulary
from models import dataset
from models.counts import feature_counts
from tests.conftest import ROOT, Run

COUNTS = ("wordcount", "featurecount", "labelcount", "encode-images", "imagestats", "duplicates")
NETWORKS = ("textcnn", "lstm", "attention", "transformer")


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(ROOT / "tests" / "earlier" / name) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that tests/earlier/make.py filled."""
    return unpacked("written.tar.gz", tmp_path_factory.mktemp("earlier"))


@pytest.fixture(scope="module")
def said(earlier: Path) -> dict[str, Any]:
    """What the models said of some texts and images then."""
    found: dict[str, Any] = json.loads((earlier / "said.json").read_bytes())
    return found


@pytest.mark.parametrize(
    "name",
    ["wordcount", "featurecount", "labelcount", "vocabulary", "encode", "encode-images", "imagestats", "duplicates"],
)
def test_an_output_is_whole(name: str, earlier: Path) -> None:
    found = manifest.read(earlier / name, name.partition("-")[0])
    assert found["records"]["used"] > 0


@pytest.mark.parametrize(
    "name", ["wordcount", "featurecount", "labelcount", "encode-images", "imagestats", "duplicates"]
)
def test_a_job_writes_the_same_bytes_now(name: str, earlier: Path, tmp_path: Path, run_job: Run) -> None:
    known = manifest.read(earlier / name)
    file = "images.tsv" if "image" in name else "train.tsv"
    flags = ["--ngrams", "2"] if name == "featurecount" else []
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "jobs" / f"{name.partition('-')[0]}.py",
            "-q",
            *flags,
            "--output-dir",
            tmp_path / "out",
            file,
        ],
        cwd=earlier,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = manifest.read(tmp_path / "out")
    assert ("letters" in found["counters"]) == (name == "labelcount")
    found["counters"].pop("letters", None)  # were not counted in 0.1.0
    for one in (found, known):  # the first was asked for sums of inputs
        del one["seconds"]
        for described in one["inputs"]:
            described.pop("sha256", None)
    assert found == known


def test_outputs_are_read_by_what_follows_them(earlier: Path, tmp_path: Path, run_job: Run) -> None:
    tokens = vocabulary.read(earlier / "vocabulary")
    assert len(tokens.tokens) > 10 and tokens.specification is not None
    counts = feature_counts.load(earlier / "featurecount", earlier / "labelcount")
    assert counts.labels == ["cats", "dogs"] and counts.documents.tolist() == [80, 80]
    rows, labels = dataset.to_numpy(earlier / "encode", labels=["cats", "dogs"])
    assert len(rows) == 160 and np.bincount(labels).tolist() == [80, 80]
    pixels, _ = next(
        iter(dataset.read(earlier / "encode-images", kind="pixels", batch_size=80, labels=["above", "below"]))
    )
    assert pixels.shape == (80, 8, 8, 1)
    run_job("encode", "--vocabulary", earlier / "vocabulary", "--output-dir", tmp_path / "again", earlier / "train.tsv")
    known, again = (Path(folder, "part-00000").read_bytes() for folder in (earlier / "encode", tmp_path / "again"))
    assert known == again


def test_kept_steps_are_gone_on_with(earlier: Path, tmp_path: Path) -> None:
    kept = earlier / "steps" / "0000" / "part-00000"
    before = os.stat(kept).st_mtime_ns
    command = [sys.executable, ROOT / "jobs" / "vocabulary.py", "-q", "--step-output-dir", "steps", "--resume"]
    done = subprocess.run(
        [*command, "--output-dir", tmp_path / "out", "train.tsv"], cwd=earlier, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert os.stat(kept).st_mtime_ns == before
    assert (tmp_path / "out" / "part-00000").read_bytes() == (earlier / "whole" / "part-00000").read_bytes()


@pytest.mark.parametrize("name", ["linear", *NETWORKS])
def test_a_model_of_texts_says_the_same(name: str, earlier: Path, said: dict[str, Any]) -> None:
    np.testing.assert_allclose(models.load(earlier / name)(said["texts"]), said[name], atol=1e-5)
    found = models.load_keras(earlier / name)(tf.constant(said["texts"]))
    np.testing.assert_allclose(found, said[name], atol=1e-5)


def test_a_model_of_images_says_the_same(earlier: Path, said: dict[str, Any]) -> None:
    texts = [line.split(b"\t")[1] for line in (earlier / "images.tsv").read_bytes().splitlines()[:3]]
    model = models.load(earlier / "autoencoder")
    np.testing.assert_allclose(model(texts), said["autoencoder"], atol=1e-5)
    found = models.load_keras(earlier / "autoencoder")(model.pixels(texts))  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, said["autoencoder"], atol=1e-5)


@pytest.fixture(scope="module")
def since(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with models that tests/earlier/make.py filled as they are written since 0.1.0."""
    return unpacked("models.tar.gz", tmp_path_factory.mktemp("since"))


@pytest.mark.parametrize("name", ["linear", "textcnn", "mlp"])
def test_a_model_written_since_says_the_same(name: str, since: Path) -> None:
    said = json.loads((since / "said.json").read_bytes())
    given: Any = np.array(said["pixels"], np.uint8) if name == "mlp" else said["texts"]
    np.testing.assert_allclose(models.load(since / name)(given), said[name], atol=1e-5)
    np.testing.assert_allclose(models.load_keras(since / name)(tf.constant(given)), said[name], atol=1e-5)


def test_models_of_a_manifest_version_that_is_not_known_are_refused(since: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(since / "mlp", tmp_path / "mlp")
    data = (folder / "_manifest.json").read_bytes().replace(b'"version": 1', b'"version": 2')
    (folder / "_manifest.json").write_bytes(data)
    (folder / "_SUCCESS").write_bytes(manifest.success(data))
    with pytest.raises(UserError, match=r"of manifest version 2, and version 1 is read here; use the featuremill that"):
        models.load(folder)


@pytest.mark.slow
def test_a_training_that_was_cut_off_ends_as_it_would_have(earlier: Path, said: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "models.train", "--train", "train.tsv", "--output", "interrupted", "--seed", "1"]
    command += ["--candidates", "igm"]  # which is not tried any more where there are two labels
    environment = {**os.environ, "PYTHONPATH": str(ROOT), native.OFF: "0"}  # which that version did without
    done = subprocess.run([*command, "--resume"], cwd=earlier, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "fit igm: goes on after epoch 2 of 8" in done.stderr
    assert not re.search(
        "^(labelcount|featurecount|encode): train split", done.stderr.split("fit igm")[0], re.MULTILINE
    )
    weights = {
        variable.path.rpartition("/")[2]: variable for variable in models.load_keras(earlier / "interrupted").weights
    }
    assert weights.keys() == said["uninterrupted"].keys()
    for name, values in said["uninterrupted"].items():
        np.testing.assert_allclose(weights[name], values, atol=1e-5)
