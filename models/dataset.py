"""The bridge: the output of jobs/encode.py or jobs/encodetable.py as a tf.data.Dataset, or as NumPy arrays.

Lines `hash TAB label TAB base64` are read, shuffled, decoded and padded a batch at a time by TensorFlow operations,
never one by one and never by Python, from files that may be larger than memory. The output is checked before
TensorFlow is imported. This module tokenizes nothing and makes no ids; the jobs and `models.layers.encoder` do.
"""

from __future__ import annotations

import base64
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.output import manifest
from models.layers.bags import bag
from models.quiet import import_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf

WINDOW = 8192
"""Records that are held and shuffled at once; a set that is no larger is shuffled as a whole."""

KINDS = ("ids", "bag", "pixels", "table")


def read(
    directory: str | os.PathLike[str],
    *,
    kind: str = "ids",
    batch_size: int,
    labels: Sequence[str] | None,
    seed: int | None = None,
    epoch: int = 0,
    epochs: int = 1,
    bucket: bool = False,
    window: int = WINDOW,
    vocabulary_fingerprint: str | None = None,
) -> tf.data.Dataset:
    """Batches (x, y) of encoded records.

    The order is a function of (seed, epoch) alone: parts are permuted, and so are the records within each window
    (the lines of a part are in the order of a hash, so a window is a random sample already).

    Args:
        directory: the output of jobs/encode.py or jobs/encodetable.py.
        kind: "ids": x is int32 [batch, length], 0 = padding. "bag": x is a dict of `ids` and `counts`, both int32
            [batch, unique], as `bag` makes them. Length is that of the longest record of the batch, at least 1.
            "pixels": x is uint8 [batch, height, width, channels], for shards of images, whose shape is `shape`.
            "table": x is float32 [batch, numbers], for shards of rows.
        labels: names in the order of the model's outputs; y, int32 [batch], indexes it, -1 for any other label. None
            where the labels are numbers: y is float64 [batch].
        seed: None reads in the order of the files.
        epoch, epochs: the first epoch and how many follow each other, each in its own order.
        bucket: puts records of like length into one batch, within each window; needs no more memory.
        window: how many records are held and shuffled at once, rounded up to whole batches.
        vocabulary_fingerprint: the vocabulary that the ids have to be of; None takes any.

    Returns:
        A data set whose cardinality is known; the last batch of an epoch's last window may be smaller.

    Raises:
        UserError: the output is missing, not whole, of another kind or vocabulary; or an argument is no good.
    """
    found = manifest.read(directory, "encode", vocabulary_fingerprint=vocabulary_fingerprint)
    check(directory, found, kind, batch_size)
    import_tensorflow()
    import tensorflow as tf

    paths = manifest.part_paths(directory, found)
    target = _targets(labels)
    window = batch_size * max(1, -(-window // batch_size))

    def columns(block: tf.Tensor, lines: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        fields = tf.strings.split(lines, "\t")
        tf.debugging.assert_equal(fields.row_lengths(), tf.cast(3, tf.int64), "not `hash TAB label TAB base64`")
        return block, tf.size(lines), fields.values

    def batches(seeds: tf.Tensor | None, block: tf.Tensor, size: tf.Tensor, fields: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(size)
        starts = tf.range(0, size, batch_size)
        if seeds is not None:
            block_seeds = tf.random.experimental.stateless_fold_in(seeds, block)
            order = tf.random.experimental.stateless_shuffle(order, block_seeds)
        if bucket:
            sizes = tf.gather(tf.strings.length(fields[2::3]), order)
            order = tf.gather(order, tf.argsort(sizes, stable=True))
            if seeds is not None:
                starts = tf.random.experimental.stateless_shuffle(starts, block_seeds)

        def batch(start: tf.Tensor) -> tuple[Any, tf.Tensor]:
            rows = 3 * order[start : start + batch_size]
            encoded = tf.gather(fields, rows + 2)
            y = target(tf.gather(fields, rows + 1))
            if kind == "table":
                return _decode_numbers(encoded, found["shape"][0]), y
            if kind == "pixels":
                return _decode_pixels(encoded, found["shape"]), y
            ids = _decode(encoded)
            return (bag(ids) if kind == "bag" else ids), y

        return tf.data.Dataset.from_tensor_slices(starts).map(batch)

    def one_epoch(number: tf.Tensor) -> tf.data.Dataset:
        seeds, files = None, tf.constant(paths)
        if seed is not None:
            seeds = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0], tf.int64), number)
            files = tf.random.experimental.stateless_shuffle(files, seeds)
        lines = tf.data.TextLineDataset(files).batch(window).enumerate()
        blocks = lines.map(columns, num_parallel_calls=1).prefetch(1)
        return blocks.flat_map(lambda *block: batches(seeds, *block))

    numbers = tf.data.Dataset.range(epoch, epoch + epochs)
    size = -(-_count(directory, found) // batch_size)
    options = tf.data.Options()
    options.autotune.enabled = False  # with it, fit sometimes returns seconds late
    batched = numbers.flat_map(one_epoch).apply(tf.data.experimental.assert_cardinality(size * epochs))
    return batched.prefetch(4).with_options(options)


def check(directory: str | os.PathLike[str], found: dict[str, Any], kind: str, batch_size: int = 1) -> None:
    """Raises UserError where an output, by its manifest, does not hold what a model of this kind reads."""
    if found["parts"] and found["parts"][0]["name"].endswith(".tfrecord"):
        raise UserError(f"{directory}: holds TFRecord files; `python -m models.tfrecord --back` makes shards of them")
    if kind not in KINDS or batch_size < 1:
        raise UserError(
            f"dataset: kind is one of {KINDS}, batch_size at least 1. Received: kind={kind!r}, "
            f"batch_size={batch_size!r}"
        )
    dtype, shape = found.get("dtype"), found.get("shape") or []
    wanted, holds = {
        "pixels": ("uint8 [height, width, channels]; encode images", dtype == "uint8" and len(shape) == 3),
        "table": ("float32 [numbers]; encode a table", dtype == "float32" and len(shape) == 1),
    }.get(kind, ("int32 [null]; encode texts", dtype == "int32" and shape == [None]))
    if not holds:
        raise UserError(f"{directory}: holds {dtype} {found.get('shape')}, not {wanted} first")


def _targets(labels: Sequence[str] | None) -> Callable[[tf.Tensor], tf.Tensor]:
    """From labels, strings [batch], to y."""
    import tensorflow as tf

    if labels is None:
        return lambda numbers: tf.strings.to_number(numbers, tf.float64)
    names = [name.encode("utf-8", "surrogateescape") for name in labels]
    keys = tf.constant(names, tf.string, [len(names)])
    source = tf.lookup.KeyValueTensorInitializer(keys, tf.range(len(names), dtype=tf.int32))
    index = tf.lookup.StaticHashTable(source, default_value=-1)
    found: Callable[[tf.Tensor], tf.Tensor] = index.lookup
    return found


def _decode(encoded: tf.Tensor) -> tf.Tensor:
    """Base64 of little-endian int32 [batch] as a padded int32 tensor [batch, length], length at least 1."""
    import tensorflow as tf

    raw = tf.io.decode_base64(encoded)
    longest = tf.maximum(4, tf.reduce_max(tf.strings.length(raw)))
    return tf.io.decode_raw(raw, tf.int32, fixed_length=longest)


def _decode_pixels(encoded: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Base64 of bytes [batch] as a uint8 tensor [batch, height, width, channels]."""
    import tensorflow as tf

    raw = tf.io.decode_base64(encoded)
    size = math.prod(shape)
    tf.debugging.assert_equal(tf.strings.length(raw), size, "an image of another shape than the manifest's")
    return tf.reshape(tf.io.decode_raw(raw, tf.uint8, fixed_length=size), [-1, *shape])


def _decode_numbers(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Base64 of little-endian float32 [batch] as a tensor [batch, size]."""
    import tensorflow as tf

    raw = tf.io.decode_base64(encoded)
    tf.debugging.assert_equal(tf.strings.length(raw), 4 * size, "a row of another shape than the manifest's")
    return tf.reshape(tf.io.decode_raw(raw, tf.float32, fixed_length=4 * size), [-1, size])


def count(directory: str | os.PathLike[str]) -> int:
    """How many records an output of jobs/encode.py holds."""
    return _count(directory, manifest.read(directory, "encode"))


def _count(directory: str | os.PathLike[str], found: dict[str, Any]) -> int:
    counted = found["counters"].get("records", {}).get("used")
    return sum(1 for _ in _records(directory, found)) if counted is None else int(counted)


def shape(directory: str | os.PathLike[str]) -> tuple[int, ...]:
    """The shape of the images in an output of jobs/encode.py, (height, width, channels).

    Raises:
        UserError: it is missing, not whole, or holds no images.
    """
    found = manifest.read(directory, "encode")
    check(directory, found, "pixels")
    return tuple(found["shape"])


def label_counts(directory: str | os.PathLike[str]) -> dict[str, int]:
    """How many records each label has, by sorted label name."""
    found = Counter(label for label, _ in _records(directory, manifest.read(directory, "encode")))
    return {label.decode("utf-8", "surrogateescape"): found[label] for label in sorted(found)}


def labels(directory: str | os.PathLike[str]) -> list[str]:
    """The sorted names of the labels that occur in an output of jobs/encode.py."""
    return list(label_counts(directory))


def class_weights(directory: str | os.PathLike[str], labels: Sequence[str]) -> dict[int, float]:
    """Weights for `fit(class_weight=...)`, records / (labels * records of the label): each label weighs the same.

    Raises:
        UserError: a label has no record.
    """
    found = label_counts(directory)
    missing = [name for name in labels if not found.get(name)]
    if missing:
        raise UserError(f"{directory}: no record of label {missing[0]!r}; leave it out or add some")
    total = sum(found[name] for name in labels)
    return {i: total / (len(labels) * found[name]) for i, name in enumerate(labels)}


def to_numpy(
    directory: str | os.PathLike[str], *, labels: Sequence[str] | None
) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """All records in file order, without TensorFlow, and y int32 [records].

    A record is an int32 array of ids, a uint8 array of the image's shape, or a float32 array of a row's numbers. y
    indexes `labels`, -1 for any other; it is float64 where `labels` is None, as labels are numbers.
    """
    found = manifest.read(directory, "encode")
    form = [-1] if found["dtype"] == "int32" else found["shape"]
    index = {name.encode("utf-8", "surrogateescape"): i for i, name in enumerate(labels or ())}
    rows, y = [], []
    dtype = np.dtype(found["dtype"]).newbyteorder("<")
    for label, encoded in _records(directory, found):
        try:
            rows.append(np.frombuffer(base64.urlsafe_b64decode(encoded), dtype).reshape(form))
        except ValueError:
            raise UserError(f"{directory}: not base64 of {found['dtype']}: {encoded[:60]!r}; encode again") from None
        y.append(float(label) if labels is None else index.get(label, -1))
    return rows, np.array(y, np.int32 if labels is not None else np.float64)


def _records(directory: str | os.PathLike[str], found: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for path in manifest.part_paths(directory, found):
        with open(path, "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(b"\t")
                if len(fields) != 3:
                    raise UserError(f"{path}: not `hash TAB label TAB base64`: {line[:60]!r}; encode again")
                yield fields[1], fields[2]
