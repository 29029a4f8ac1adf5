"""How many examples a second the bridge reads: shuffled, from disk, batches of 128, documents of 200 tokens or images.

Beside it the ways that TensorFlow's guides show: TFRecord with parse_example on batches, and one by one with
padded_batch. Prints a line for each: name, examples a second of wall time, microseconds of processor time an example.
Images are of 28x28, beside a tf.data.Dataset of the same array in memory. Targets, examples a second on two cores:
150,000 documents, 100,000 images. Example: python tests/benchmarks/bench_bridge.py 200000
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mapreduce.output import manifest
from models import dataset, tfrecord
from models.quiet import import_tensorflow

PARTS, TOKENS, BATCH = 4, 200, 128
SHAPE = (28, 28, 1)


def make_shards(folder: Path, count: int) -> None:
    """Writes shards of random ids with Zipf's frequencies, as jobs/encode.py would."""
    folder.mkdir()
    r = np.random.default_rng(0)
    for part in range(PARTS):
        ids = np.minimum(r.zipf(1.3, (count // PARTS, TOKENS)) + 1, 19_999).astype("<i4")
        with open(folder / f"part-{part:05d}", "wb") as file:
            for number, row in enumerate(ids):
                key = (number * PARTS + part) * 2**64 // count
                file.write(b"%016x\tlabel%d\t%s\n" % (key, number % 20, base64.urlsafe_b64encode(row.tobytes())))
    counters = {"records": {"used": count}}
    manifest.write(folder, manifest.build("encode", counters=counters, dtype="int32", shape=[None]))


def make_images(folder: Path, count: int) -> None:
    """Writes shards of random images of which a fifth of the pixels is not 0, as in MNIST."""
    folder.mkdir()
    r = np.random.default_rng(0)
    for part in range(PARTS):
        with open(folder / f"part-{part:05d}", "wb") as file:
            for number in range(count // PARTS):
                image = r.integers(0, 256, SHAPE, np.uint8) * (r.random(SHAPE) < 0.2)
                key = (number * PARTS + part) * 2**64 // count
                file.write(b"%016x\t%d\t%s\n" % (key, number % 10, base64.urlsafe_b64encode(image.tobytes())))
    counters = {"records": {"used": count}}
    manifest.write(folder, manifest.build("encode", counters=counters, dtype="uint8", shape=list(SHAPE)))


def measure(name: str, count: int, make: Callable[[], object], rounds: int = 3) -> None:
    """Iterates a data set and prints the best of some rounds, after one that is not counted."""
    wall, cpu = [], []
    data = make()
    for _ in range(rounds + 1):
        start, used = time.perf_counter(), sum(os.times()[:2])
        for _ in data:  # type: ignore[attr-defined]
            pass
        wall.append(time.perf_counter() - start)
        cpu.append(sum(os.times()[:2]) - used)
    best = min(wall[1:])
    print(f"{name:44s} {count / best:12,.0f} examples/s {min(cpu[1:]) / count * 1e6:8.2f} us", flush=True)


def main(count: int) -> None:
    """Measures the bridge and its peers on `count` examples."""
    import_tensorflow()
    import tensorflow as tf

    count -= count % PARTS
    with tempfile.TemporaryDirectory() as folder:
        shards, records = Path(folder) / "shards", Path(folder) / "tfrecord"
        make_shards(shards, count)
        names = dataset.labels(shards)

        def bridge(**arguments: object) -> Callable[[], object]:
            return lambda: dataset.read(shards, batch_size=BATCH, labels=names, **arguments)  # type: ignore[arg-type]

        measure("bridge, shuffled", count, bridge(seed=1))
        measure("bridge, file order", count, bridge())
        measure("bridge, shuffled, by length", count, bridge(seed=1, bucket=True))
        measure("bridge, shuffled, bags", count, bridge(seed=1, kind="bag"))
        files = tf.data.TextLineDataset([str(path) for path in sorted(shards.glob("part-*"))])
        measure("TextLineDataset alone, batches of 8192", count, lambda: files.batch(8192))

        tfrecord.write(shards, records)
        paths = sorted(str(path) for path in records.glob("part-*"))
        wanted = {"ids": tf.io.RaggedFeature(tf.int64), "label": tf.io.FixedLenFeature([], tf.string)}
        auto = tf.data.AUTOTUNE
        one = {**wanted, "ids": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)}
        read = tf.data.TFRecordDataset(paths).shuffle(8192, seed=1)
        batched = read.batch(BATCH).map(
            lambda batch: tf.io.parse_example(batch, wanted)["ids"].to_tensor(), num_parallel_calls=auto
        )
        measure("TFRecord, shuffled, parse_example on batches", count, lambda: batched.prefetch(auto))
        single = read.map(lambda record: tf.io.parse_single_example(record, one)["ids"], num_parallel_calls=auto)
        measure(
            "TFRecord, shuffled, one by one, padded_batch", count, lambda: single.padded_batch(BATCH).prefetch(auto)
        )

        pixels = Path(folder) / "pixels"
        make_images(pixels, count := min(count, 60_000))
        digits = dataset.labels(pixels)

        def images(**arguments: object) -> Callable[[], object]:
            return lambda: dataset.read(  # type: ignore[arg-type]
                pixels, kind="pixels", batch_size=BATCH, labels=digits, **arguments
            )

        measure("bridge, images, shuffled", count, images(seed=1))
        measure("bridge, images, file order", count, images())
        rows, y = dataset.to_numpy(pixels, labels=digits)
        memory = tf.data.Dataset.from_tensor_slices((np.stack(rows), y))
        measure(
            "images in memory, shuffled, batched",
            count,
            lambda: memory.shuffle(8192, seed=1).batch(BATCH).prefetch(auto),
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
