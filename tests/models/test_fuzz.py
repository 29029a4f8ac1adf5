"""Readers of models/ on mutations of real outputs, up to where TensorFlow is imported: a clear error or a right result.

Jobs on this machine write the sha256 of their parts, so that any change is seen; outputs that come from a cluster have
sizes alone, so these mutations are given manifests that fit them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from mapreduce.errors import UserError
from mapreduce.output import manifest
from models import dataset
from models.counts import feature_counts
from models.serving import loaded_texts
from tests.fuzz import EXAMPLES, fuzz

LABELS = b"neg\t2\t5\t2:1 3:1\npos\t1\t3\t3:1\n"
COUNTS = b"bad\tneg\t2\t2\nfilm\tneg\t1\t1\nfilm\tpos\t1\t1\ngood film\tpos\t1\t1\n"
SHARDS = b"0123456789abcdef\tpos\tAgAAAAMAAAACAAAAAQAAAA==\nf123456789abcdef\tneg\tAgAAAA==\n"


def write(folder: Path, kind: str, data: bytes, **more: Any) -> Path:
    """An output as `hadoop fs -get` brings it: sizes, and no sums."""
    folder.mkdir(exist_ok=True)
    (folder / "part-00000").write_bytes(data)
    found = {**manifest.build(kind, **more), "parts": [{"name": "part-00000", "size": len(data)}]}
    (folder / manifest.NAME).write_bytes(manifest.encode(found))
    (folder / manifest.SUCCESS).write_bytes(b"")
    return folder


def one_line(error: UserError) -> bool:
    return "\n" not in str(error) and 0 < len(str(error)) < 2_000


@EXAMPLES
def test_counts(examples: int, tmp_path: Path) -> None:
    labels = write(tmp_path / "labels", "labelcount", LABELS)

    def attempt(data: bytes) -> None:
        try:
            found = feature_counts.load(write(tmp_path / "counts", "featurecount", data), labels)
        except UserError as error:
            assert one_line(error)
            return
        assert len(found.feature) == len(found.label) == len(found.tf) == len(found.df)
        assert not len(found.feature) or 0 <= found.feature.max() < len(found.features)
        assert set(found.label.tolist()) <= {0, 1}

    fuzz(examples, COUNTS, attempt)


@EXAMPLES
def test_label_counts(examples: int, tmp_path: Path) -> None:
    def attempt(data: bytes) -> None:
        try:
            found = feature_counts.label_documents(write(tmp_path / "labels", "labelcount", data))
        except UserError as error:
            assert one_line(error)
            return
        assert all(isinstance(n, int) for n in found.values())

    fuzz(examples, LABELS, attempt)


@EXAMPLES
def test_shards(examples: int, tmp_path: Path) -> None:
    def attempt(data: bytes) -> None:
        folder = write(tmp_path / "shards", "encode", data, dtype="int32", shape=[None])
        try:
            rows, y = dataset.to_numpy(folder, labels=["neg", "pos"])
        except UserError as error:
            assert one_line(error)
            return
        assert len(rows) == len(y) and all(row.dtype == np.int32 for row in rows)
        assert set(y.tolist()) <= {-1, 0, 1}

    fuzz(examples, SHARDS, attempt)


@pytest.mark.parametrize("name", ["_manifest.json", "saved_model/saved_model.pb", "model.keras"])
@EXAMPLES
def test_a_model_directory(examples: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any change is refused before TensorFlow is asked to read it."""
    (tmp_path / "m" / "saved_model").mkdir(parents=True)
    (tmp_path / "m" / "saved_model" / "saved_model.pb").write_bytes(b"a graph")
    (tmp_path / "m" / "model.keras").write_bytes(b"PK a zip")
    manifest.write(tmp_path / "m", {**manifest.build("model"), "model": {"labels": ["neg", "pos"]}})
    path = tmp_path / "m" / name
    whole = path.read_bytes()

    class Reached(Exception):
        pass

    def reach() -> None:
        raise Reached

    monkeypatch.setattr(loaded_texts, "import_tensorflow", reach)

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        with pytest.raises((UserError, Reached)) as error:
            models.load(tmp_path / "m")
        assert (error.type is Reached) == (data == whole)
        assert error.type is Reached or one_line(error.value)

    fuzz(examples, whole, attempt)


@EXAMPLES
def test_a_model_manifest_that_fits(examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"a graph")
    manifest.write(tmp_path, {**manifest.build("model"), "model": {"labels": ["neg", "pos"]}})

    class Reached(Exception):
        pass

    def reach() -> None:
        raise Reached

    monkeypatch.setattr(loaded_texts, "import_tensorflow", reach)
    (tmp_path / manifest.SUCCESS).write_bytes(b"")

    def attempt(data: bytes) -> None:
        (tmp_path / manifest.NAME).write_bytes(data)
        try:
            models.load(tmp_path)
        except UserError as error:
            assert one_line(error)
        except Reached:
            assert isinstance(json.loads(data)["model"]["labels"], list)

    fuzz(examples, (tmp_path / manifest.NAME).read_bytes(), attempt)
