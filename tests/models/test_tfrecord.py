"""TFRecord files are read by stock TensorFlow, and come back as the shards they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from mapreduce.features.encoding import pack
from mapreduce.output import manifest
from models import dataset, tfrecord

RECORDS = [[(b"00", b"a", [2, 1]), (b"01", "é".encode(), [])], [(b"02", b'"b c', [2**31 - 1])], []]


@pytest.fixture
def encoded(tmp_path: Path) -> Path:
    folder = tmp_path / "encoded"
    folder.mkdir()
    for number, records in enumerate(RECORDS):
        lines = [b"%s\t%s\t%s\n" % (key, label, pack(ids)) for key, label, ids in records]
        (folder / f"part-{number:05d}").write_bytes(b"".join(lines))
    manifest.write(folder, manifest.build("encode", vocabulary_fingerprint="f00", dtype="int32", shape=[None]))
    return folder


def test_stock_tensorflow_reads_them(encoded: Path, tmp_path: Path) -> None:
    assert tfrecord.write(encoded, tmp_path / "out") == 3
    files = sorted(str(path) for path in (tmp_path / "out").glob("part-*.tfrecord"))
    assert len(files) == 3
    wanted = {
        "hash": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.string),
        "ids": tf.io.VarLenFeature(tf.int64),
    }
    data = tf.data.TFRecordDataset(files).batch(2).map(lambda batch: tf.io.parse_example(batch, wanted))
    found = [
        (key, label, [i for i in ids if i])
        for batch in data
        for key, label, ids in zip(
            batch["hash"].numpy(),
            batch["label"].numpy(),
            tf.sparse.to_dense(batch["ids"]).numpy().tolist(),
            strict=True,
        )
    ]
    assert found == [record for records in RECORDS for record in records]


def test_they_come_back_byte_for_byte(encoded: Path, tmp_path: Path) -> None:
    assert tfrecord.main([str(encoded), str(tmp_path / "out")]) == 0
    assert tfrecord.main(["--back", str(tmp_path / "out"), str(tmp_path / "back")]) == 0
    for path in encoded.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes(), path.name
    assert dataset.count(tmp_path / "back") == 3


def test_what_cannot_be_converted_is_one_line(
    encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(match: str, *arguments: object) -> None:
        assert tfrecord.main(list(map(str, arguments))) != 0
        err = capsys.readouterr().err
        assert match in err and err.count("\n") == 1

    refused("no such encode output", tmp_path / "none", tmp_path / "out")
    refused(f"there is encode output in {encoded}: give the one that is meant", encoded.parent, tmp_path / "out")
    refused("holds shard lines already", "--back", encoded, tmp_path / "out")
    assert tfrecord.write(encoded, tmp_path / "out") == 3
    refused("exists", encoded, tmp_path / "out")
    refused("holds TFRecord files already", tmp_path / "out", tmp_path / "again")
    damaged = tmp_path / "out" / "part-00000.tfrecord"
    damaged.write_bytes(damaged.read_bytes()[:-3] + b"xyz")
    refused("part-00000.tfrecord: changed", "--back", tmp_path / "out", tmp_path / "again")
    manifest.write(tmp_path / "out", manifest.build("encode"))
    refused("damaged", "--back", tmp_path / "out", tmp_path / "again")
    manifest.write(encoded, manifest.build("encode", dtype="uint8", shape=[28, 28, 1]))
    refused("holds images or rows (uint8)", encoded, tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoded", "out"]
