"""The bridge gives what jobs/encode.py wrote, shuffled as a function of (seed, epoch)."""

from __future__ import annotations

import base64
import random
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mapreduce.errors import UserError
from mapreduce.output import manifest
from models import dataset
from tests.conftest import ROOT

LABELS = ["a", 'b"x', "ç d"]


def write(folder: Path, records: list[tuple[str, list[int]]], parts: int = 3, used: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        with open(folder / f"part-{part:05d}", "wb") as file:
            for number, (label, ids) in enumerate(records[part::parts]):
                packed = base64.urlsafe_b64encode(struct.pack(f"<{len(ids)}i", *ids))
                file.write(b"%016x\t%s\t%s\n" % (number, label.encode(), packed))
    counters = {"records": {"used": len(records)}} if used else {}
    found = manifest.build("encode", counters=counters, vocabulary_fingerprint="f00", dtype="int32", shape=[None])
    manifest.write(folder, found)
    return folder


def make(count: int) -> list[tuple[str, list[int]]]:
    """Records whose first id is their own, so that each is recognised."""
    r = random.Random(5)
    return [(LABELS[i % 3], [2 + i, *(r.randrange(1, 50) for _ in range(r.randrange(40)))]) for i in range(count)]


RECORDS = make(100)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("encoded") / "out", RECORDS)


def write_images(folder: Path, count: int) -> np.ndarray[Any, Any]:
    """Shards of images of 3x2x3; the labels go round. Returns the images in the order of the files."""
    images = np.random.default_rng(3).integers(0, 256, (count, 3, 2, 3), np.uint8)
    folder.mkdir(parents=True)
    for part, numbers in enumerate(np.array_split(np.arange(count), 2)):
        with open(folder / f"part-{part:05d}", "wb") as file:
            for i in numbers:
                encoded = base64.urlsafe_b64encode(images[i].tobytes())
                file.write(b"%016x\t%s\t%s\n" % (i, LABELS[i % 3].encode(), encoded))
    counters = {"records": {"used": count}}
    manifest.write(folder, manifest.build("encode", counters=counters, dtype="uint8", shape=[3, 2, 3]))
    return images


def rows(data: tf.data.Dataset) -> list[tuple[str, list[int]]]:
    return [
        (LABELS[label], [i for i in row if i])
        for x, y in data.as_numpy_iterator()
        for row, label in zip(x.tolist(), y.tolist(), strict=True)
    ]


def test_file_order_without_a_seed(encoded: Path) -> None:
    data = dataset.read(encoded, batch_size=7, labels=LABELS)
    assert rows(data) == [record for part in range(3) for record in RECORDS[part::3]]
    x, y = next(iter(data))
    assert x.dtype == y.dtype == tf.int32
    assert x.shape == (7, max(len(ids) for _, ids in RECORDS[0:21:3]))
    assert data.cardinality() == 15


@pytest.mark.parametrize("bucket", [pytest.param(False, marks=pytest.mark.slow), True])
def test_every_record_once_an_epoch_in_an_order_of_its_own(encoded: Path, bucket: bool) -> None:
    def order(**kw: int) -> list[int]:
        data = dataset.read(encoded, batch_size=8, labels=LABELS, bucket=bucket, window=16, **kw)
        found = rows(data)
        if kw.get("epochs", 1) == 1:
            assert sorted(found) == sorted(RECORDS)
        return [ids[0] for _, ids in found]

    first, second = order(seed=1), order(seed=1, epoch=1)
    assert order(seed=1) == first
    assert len({tuple(o) for o in (first, second, order(seed=2))}) == 3
    assert order(seed=1, epochs=3) == first + second + order(seed=1, epoch=2)
    assert order(seed=1, epoch=1, epochs=2) == second + order(seed=1, epoch=2)


@pytest.mark.slow
def test_order_is_the_same_in_a_fresh_process(encoded: Path) -> None:
    data = dataset.read(encoded, batch_size=8, labels=LABELS, seed=3)
    program = (
        "from models import dataset\n"
        f"data = dataset.read({str(encoded)!r}, batch_size=8, labels={LABELS!r}, seed=3)\n"
        "print([int(i) for x, _ in data for i in x[:, 0]])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([ids[0] for _, ids in rows(data)])


def test_shuffle_reaches_across_a_part(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", make(4000), parts=1)
    data = dataset.read(folder, batch_size=100, labels=LABELS, seed=1)
    places = np.array([ids[0] for _, ids in rows(data)])
    assert abs(np.corrcoef(places, np.arange(4000))[0, 1]) < 0.1
    first = places[:100]
    assert first.min() < 400 and first.max() > 3600


def test_buckets_save_padding(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", make(1000))
    plain, bucketed = (
        sum(x.size for x, _ in dataset.read(folder, batch_size=10, labels=LABELS, seed=1, bucket=b).as_numpy_iterator())
        for b in (False, True)
    )
    used = sum(len(ids) for _, ids in make(1000))
    assert used <= bucketed < 1.1 * used < plain


def test_bag_counts_the_ids_of_each_record(encoded: Path) -> None:
    seen = []
    for x, y in dataset.read(encoded, kind="bag", batch_size=9, labels=LABELS).as_numpy_iterator():
        assert set(x) == {"ids", "counts"} and x["ids"].dtype == x["counts"].dtype == np.int32
        for ids, counts, label in zip(x["ids"].tolist(), x["counts"].tolist(), y.tolist(), strict=True):
            bag = {i: n for i, n in zip(ids, counts, strict=True) if i}
            assert sum(i > 0 for i in ids) == len(bag) and all(
                (i == 0) == (n == 0) for i, n in zip(ids, counts, strict=True)
            )
            seen.append((LABELS[label], bag))
    expected = [(label, dict(Counter(ids))) for part in range(3) for label, ids in RECORDS[part::3]]
    assert seen == expected


def test_bag_is_the_same_for_padded_and_ragged() -> None:
    padded = tf.constant([[5, 3, 5, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 2_000_000_000]])
    ragged = tf.ragged.constant([[5, 3, 5], [], [1, 1, 1, 1, 2_000_000_000]], dtype=tf.int32)
    for given in (padded, ragged):
        found = dataset.bag(given)
        assert found["ids"].numpy().tolist() == [[5, 3], [0, 0], [1, 2_000_000_000]]
        assert found["counts"].numpy().tolist() == [[2, 1], [0, 0], [4, 1]]
    assert dataset.bag(tf.zeros([2, 3], tf.int32))["ids"].numpy().tolist() == [[0], [0]]


def test_a_batch_of_empty_documents_has_length_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", [("a", []), ("a", [])])
    assert [x.tolist() for x, _ in dataset.read(folder, batch_size=2, labels=["a"]).as_numpy_iterator()] == [[[0], [0]]]


def test_pixels_have_the_shape_of_the_manifest_in_a_shuffled_order(tmp_path: Path) -> None:
    images = write_images(tmp_path / "shards", 50)

    def read(**kw: int) -> tuple[np.ndarray[Any, Any], list[int]]:
        data = dataset.read(tmp_path / "shards", kind="pixels", batch_size=8, labels=LABELS, window=16, **kw)
        assert data.cardinality() == 7 * kw.get("epochs", 1)
        assert data.element_spec[0].shape.as_list() == [None, 3, 2, 3] and data.element_spec[0].dtype == tf.uint8
        found = list(data.as_numpy_iterator())
        return np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found]).tolist()

    x, y = read()
    assert np.array_equal(x, images) and y == [i % 3 for i in range(50)]
    assert dataset.shape(tmp_path / "shards") == (3, 2, 3)
    number = {image.tobytes(): i for i, image in enumerate(images)}
    orders = []
    for epoch in range(2):
        x, y = read(seed=1, epoch=epoch)
        orders.append([number[image.tobytes()] for image in x])
        assert sorted(orders[-1]) == list(range(50)) and y == [i % 3 for i in orders[-1]]
    assert orders[0] != orders[1] != list(range(50))
    assert [number[image.tobytes()] for image in read(seed=1, epochs=2)[0]] == orders[0] + orders[1]
    found, _ = dataset.to_numpy(tmp_path / "shards", labels=LABELS)
    assert np.array_equal(np.stack(found), images) and found[0].dtype == np.uint8


def test_texts_are_not_read_as_pixels_nor_pixels_as_texts(encoded: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "shards", 4)
    for kind in ("ids", "bag"):
        with pytest.raises(UserError, match=r"holds uint8 \[3, 2, 3\], not int32 \[null\]; encode texts"):
            dataset.read(tmp_path / "shards", kind=kind, batch_size=2, labels=LABELS)
    with pytest.raises(UserError, match=r"not uint8 \[height, width, channels\]; encode images"):
        dataset.read(encoded, kind="pixels", batch_size=2, labels=LABELS)
    with pytest.raises(UserError, match="encode images"):
        dataset.shape(encoded)


def test_labels_counts_weights_and_arrays(encoded: Path) -> None:
    assert dataset.labels(encoded) == LABELS
    assert dataset.label_counts(encoded) == {"a": 34, 'b"x': 33, "ç d": 33}
    assert dataset.count(encoded) == 100
    assert dataset.class_weights(encoded, LABELS) == pytest.approx({0: 100 / 102, 1: 100 / 99, 2: 100 / 99})
    ids, y = dataset.to_numpy(encoded, labels=LABELS[:2])
    assert [row.tolist() for row in ids] == [ids for part in range(3) for _, ids in RECORDS[part::3]]
    assert y.dtype == ids[0].dtype == np.int32 and Counter(y.tolist()) == {0: 34, 1: 33, -1: 33}
    data = dataset.read(encoded, batch_size=100, labels=LABELS[:2])
    assert [batch.tolist() for _, batch in data.as_numpy_iterator()] == [y.tolist()]
    with pytest.raises(UserError, match="no record of label 'new'"):
        dataset.class_weights(encoded, [*LABELS, "new"])


def test_count_without_counters(tmp_path: Path) -> None:
    assert dataset.count(write(tmp_path / "out", RECORDS, used=False)) == 100


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    def refused(match: str, **kw: object) -> None:
        with pytest.raises(UserError, match=match) as error:
            dataset.read(folder, **{"batch_size": 2, "labels": LABELS, **kw})
        assert "\n" not in str(error.value)

    folder = tmp_path / "out"
    refused("no such encode output")
    write(folder, RECORDS)
    refused("made with vocabulary f00, and bar is wanted", vocabulary_fingerprint="bar")
    refused("kind is one of", kind="image")
    refused("batch_size at least 1", batch_size=0)
    (folder / "part-00001").write_bytes(b"")
    refused("part-00001: ")
    (folder / "_SUCCESS").unlink()
    refused("not a whole")
    manifest.write(tmp_path, manifest.build("wordcount"))
    folder = tmp_path
    refused("holds wordcount output")


def test_refusal_needs_no_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys; from models import dataset; from mapreduce.errors import UserError\n"
        f"try: dataset.read({str(tmp_path)!r}, batch_size=1, labels=[])\n"
        "except UserError: print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_no_python_in_the_graph(encoded: Path) -> None:
    graph = dataset.read(encoded, kind="bag", batch_size=2, labels=LABELS, seed=1)._as_serialized_graph().numpy()
    assert b"PyFunc" not in graph and b"TextLineDataset" in graph


def test_ids_of_the_job_are_those_of_the_bridge(tmp_path: Path) -> None:
    text = tmp_path / "t.tsv"
    text.write_bytes(b"a\tthe cat, the dog\nb\tA cat? \xff\x00 new\na\t!\n")
    for job in (
        ["vocabulary", "--top-k", "3"],
        ["encode", "--vocabulary", f"{tmp_path / 'vocabulary'}", "--shards", "2"],
    ):
        script = ROOT / "jobs" / f"{job[0]}.py"
        command = [sys.executable, str(script), "--quiet", *job[1:], "--output-dir", str(tmp_path / job[0]), str(text)]
        subprocess.run(command, check=True)
    found = [
        (label, row)
        for x, y in dataset.read(tmp_path / "encode", batch_size=3, labels=["a", "b"]).as_numpy_iterator()
        for row, label in zip(x.tolist(), y.tolist(), strict=True)
    ]
    # By count, ties by token descending: the, cat, \xff\x00.
    assert sorted(found) == [(0, [0, 0, 0, 0]), (0, [2, 3, 2, 1]), (1, [1, 3, 4, 1])]
