"""Makes TFRecord files of encoded shards, or shards again: `python -m models.tfrecord ENCODED_DIR OUTPUT_DIR`.

A tf.train.Example holds `hash` and `label` (bytes) and `ids` (int64 list), so stock TensorFlow reads it with
tf.data.TFRecordDataset and parse_example. Only a converter: training reads the shard lines (see `models.dataset`).
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.features.encoding import pack
from mapreduce.output import atomic, manifest
from mapreduce.paths import written_here
from models.quiet import import_tensorflow

SUFFIX = ".tfrecord"


def write(encoded: str | os.PathLike[str], output: str | os.PathLike[str]) -> int:
    """Writes part-N.tfrecord for each part of jobs/encode.py's output; returns the number of records.

    Raises:
        UserError: the input is not whole, or the output exists.
    """
    return _convert(encoded, output, _write_part, SUFFIX)


def read(records: str | os.PathLike[str], output: str | os.PathLike[str]) -> int:
    """Writes the shards back from what `write` wrote, byte for byte; returns the number of records.

    Raises:
        UserError: the input is not whole or damaged, or the output exists.
    """
    return _convert(records, output, _read_part, "")


def features() -> dict[str, Any]:
    """What tf.io.parse_example takes to read the records: hash, label and ragged ids."""
    import tensorflow as tf

    return {
        "hash": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.string),
        "ids": tf.io.RaggedFeature(tf.int64),
    }


def _convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    convert: Callable[[str, str], int],
    suffix: str,
) -> int:
    found = manifest.read(source, "encode")
    if found.get("dtype", "int32") != "int32":
        raise UserError(f"{source}: holds images or rows ({found['dtype']}); only the ids of texts are converted")
    paths = manifest.part_paths(source, found)
    if all(path.endswith(SUFFIX) for path in paths) != (suffix == "") and paths:
        raise UserError(f"{source}: holds {'shard lines' if suffix == '' else 'TFRecord files'} already")
    folder = Path(output)
    if folder.exists():
        raise UserError(f"{folder}: exists; give another output")
    total = 0
    with atomic.whole_folder(folder) as filled:
        for path in paths:
            name = os.path.basename(path).removesuffix(SUFFIX) + suffix
            total += convert(path, os.path.join(filled, name))
        manifest.write(filled, found)
    return total


def _write_part(path: str, output: str) -> int:
    import_tensorflow()
    import numpy as np
    import tensorflow as tf

    def examples() -> Iterator[bytes]:
        with open(path, "rb") as file:
            for line in file:
                key, label, encoded = line.rstrip(b"\n").split(b"\t")
                ids = np.frombuffer(base64.urlsafe_b64decode(encoded), "<i4")
                feature = {
                    "hash": tf.train.Feature(bytes_list=tf.train.BytesList(value=[key])),
                    "label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[label])),
                    "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=ids)),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                yield example.SerializeToString(deterministic=True)

    count = 0
    with tf.io.TFRecordWriter(output) as writer:
        for example in examples():
            writer.write(example)
            count += 1
    return count


def _read_part(path: str, output: str) -> int:
    import_tensorflow()
    import tensorflow as tf

    count = 0
    try:
        with open(output, "wb") as file:
            for batch in tf.data.TFRecordDataset(path).batch(512):
                parsed = tf.io.parse_example(batch, features())
                rows = zip(parsed["hash"].numpy(), parsed["label"].numpy(), parsed["ids"].to_list())
                for key, label, ids in rows:
                    file.write(b"%s\t%s\t%s\n" % (key, label, pack(ids)))
                    count += 1
    except tf.errors.OpError as error:
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0][:120]}") from None
    return count


def parser() -> Parser:
    """The command line, as --help shows it."""
    description = "Converts the output of jobs/encode.py to TFRecord files, or back with --back."
    made = Parser("python -m models.tfrecord", description, "shards shards-tfrecord")
    made.add_argument("input", help="output of jobs/encode.py, or with --back what this command wrote")
    made.add_argument("output", type=written_here, help="a folder that does not exist yet")
    made.add_argument("--back", action="store_true", help="from TFRecord files to shard lines")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)

    def work() -> None:
        count = (read if options.back else write)(options.input, options.output)
        print(f"tfrecord: {count} records in {options.output}", file=sys.stderr)

    return command.run("tfrecord", work)


if __name__ == "__main__":
    sys.exit(main())
