"""Encoded documents as bags: the native reader, its NumPy twin, and the graph's, hold the same."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mapreduce.errors import UserError
from mapreduce.features.encoding import pack
from mapreduce.input import files
from mapreduce.native import library as native
from mapreduce.output import committer, manifest
from models import dataset
from models.counts import bags

LABELS = ["a", "b"]


def shards(folder: Path, documents: list[tuple[str, list[int]]], parts: int = 3) -> Path:
    """An output of jobs/encode.py of these labels and ids."""
    folder.mkdir()
    draw = random.Random(0)
    for part in range(parts):
        lines = [
            b"%016x\t%s\t%s\n" % (draw.getrandbits(64), label.encode(), pack(ids))
            for label, ids in documents[part::parts]
        ]
        (folder / f"part-{part:05}").write_bytes(b"".join(lines))
    described = manifest.build("encode", arguments={}, inputs=[], seconds=0.0)
    described.update(dtype="int32", shape=[None], counters={"records": {"used": len(documents)}})
    committer.commit_job(str(folder), str(folder), {**described, "parts": manifest.describe_parts(str(folder))}, {})
    return folder


def drawn(seed: int, number: int, features: int) -> list[tuple[str, list[int]]]:
    """Documents of many repetitions, OOV, and none at all."""
    draw = random.Random(seed)
    return [
        (
            draw.choice(["a", "b", "c"]),
            [draw.randint(1, 1 + min(features, 9)) for _ in range(draw.choice([0, 1, 5, 40]))],
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("block", [50, 1 << 20])
def test_native_and_numpy_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    path = shards(tmp_path / "shards", drawn(0, 400, 30))
    monkeypatch.setattr(files, "BLOCK", block)
    found = bags.read([path], features=30)
    monkeypatch.setattr(native, "load", lambda: None)
    other = bags.read([path], features=30)
    for one, two in (
        *((getattr(found.bags, name), getattr(other.bags, name)) for name in ("ends", "ids", "counts")),
        (found.hashes, other.hashes),
        (found.features, other.features),
    ):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    assert found.labels == other.labels and len(found.bags) == 400
    assert set(bags.numbered(found.labels, LABELS).tolist()) == {-1, 0, 1}
    assert len(set(found.hashes.tolist())) == 400 and found.features.max() == 40


def test_the_graph_makes_the_same(tmp_path: Path) -> None:
    path = shards(tmp_path / "shards", drawn(1, 100, 30), parts=1)
    found = bags.read([path], features=30).bags
    ((x, _),) = dataset.read(path, kind="bag", batch_size=100, labels=LABELS)
    begin = 0
    for row, counts, end in zip(x["ids"].numpy(), x["counts"].numpy(), found.ends):
        is_feature = row > 1
        np.testing.assert_array_equal(row[is_feature], found.ids[begin:end])
        np.testing.assert_array_equal(counts[is_feature], found.counts[begin:end])
        begin = end


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize("ids", [[2, 33], [2, 1 << 30]])
def test_an_id_beyond_the_vocabulary_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[int], is_native: bool
) -> None:
    path = shards(tmp_path / "shards", [("a", ids)])
    if not is_native:
        monkeypatch.setattr(native, "load", lambda: None)
    with pytest.raises(UserError, match="encode again"):
        bags.read([path], features=30)


@pytest.mark.parametrize(
    "line", [b"0\ta\n", b"0\ta\tAg\n", b"0\ta\tAgAAAA=x\n\t\n", b"0\ta\t{}\n", b"\n", b"0\ta\tAgAAA"]
)
def test_what_is_no_shard_line_is_refused(line: bytes) -> None:
    library = native.load()
    assert library is not None
    with pytest.raises(native.Unsupported):
        native.bags(library, line, 2, np.zeros(9, np.int64))


def test_documents_and_features_are_selected(tmp_path: Path) -> None:
    found = bags.read([shards(tmp_path / "shards", drawn(2, 50, 30))], features=30).bags
    to = np.full(32, -1, np.int32)
    to[[3, 7, 5]] = [2, 3, 4]
    selected = np.array([4, 0, 9, 9, 49])
    some = found.select(selected, to)
    begins = found.ends - found.sizes
    for number, document in enumerate(selected):
        ids = found.ids[begins[document] : found.ends[document]]
        counts = found.counts[begins[document] : found.ends[document]]
        place = slice(some.ends[number] - some.sizes[number], some.ends[number])
        np.testing.assert_array_equal(some.ids[place], to[ids[to[ids] >= 0]])
        np.testing.assert_array_equal(some.counts[place], counts[to[ids] >= 0])
    assert len(some) == 5 and len(some.ids) > 3


def test_counts_by_label_are_those_of_each_pair(tmp_path: Path) -> None:
    lines = bags.read([shards(tmp_path / "shards", drawn(3, 200, 30))], features=30)
    found, y = lines.bags, bags.numbered(lines.labels, ["a", "b", "c"])
    selected = np.flatnonzero(lines.hashes % np.uint64(3) > 0)
    pairs: dict[tuple[int, int], list[int]] = {}
    begins = found.ends - found.sizes
    for document in selected:
        for place in range(begins[document], found.ends[document]):
            one = pairs.setdefault((int(found.ids[place]), int(y[document])), [0, 0])
            one[0] += int(found.counts[place])
            one[1] += 1
    by_label = selected[np.argsort(y[selected], kind="stable")]
    given = (found.ends, found.ids, found.counts)
    feature, label, tf, df = native.label_counts(native.load(), given, y, by_label, 32)
    assert [*zip(feature.tolist(), label.tolist())] == sorted(pairs)
    assert [*zip(tf.tolist(), df.tolist())] == [tuple(pairs[pair]) for pair in sorted(pairs)]


@pytest.mark.parametrize("term_frequency", bags.TERM_FREQUENCIES)
def test_values_are_of_length_one_natively_and_in_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, term_frequency: str
) -> None:
    found = bags.read([shards(tmp_path / "shards", drawn(4, 60, 30))], features=30).bags
    scale = np.linspace(0, 2, 32).astype(np.float32)
    natively = found.weigh(scale, term_frequency, True)
    lengths = [np.linalg.norm(part) for part in np.split(natively, found.ends[:-1])]
    assert set(np.round(lengths, 5)) <= {0.0, 1.0} and 1.0 in np.round(lengths, 5)
    monkeypatch.setattr(native, "load", lambda: None)
    np.testing.assert_allclose(found.weigh(scale, term_frequency, True), natively, rtol=1e-5)
