"""Encoding documents to ids: jobs/encode.py as a whole process, against tf.strings in a graph.

The graph lowers, strips punctuation, splits and looks up, in batches of 1024 from a TextLineDataset, with as many calls
in parallel as tf.data sees fit; importing TensorFlow and building the vocabulary table are not counted for it. Our time
is that of the whole process: start, reading, hashing, sorting by hash and writing shards included. Example:
  python tests/benchmarks/bench_encode.py --input train.tsv --rounds 5
"""

from __future__ import annotations

import argparse
import base64
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
TOKENS, VOCABULARY = 140, 20_000


def make_documents(path: Path, count: int, source: Path | None) -> None:
    """Lines `label TAB text` of about 140 words, from the words of a file or made up; no two are equal."""
    if source is not None:
        words = source.read_bytes().replace(b"\t", b" ").split()
    else:
        draw = random.Random(0)
        names = [b"w%d" % i for i in range(200_000)]
        words = draw.choices(names, [1 / (i + 2) for i in range(len(names))], k=4_000_000)
    with open(path, "wb") as file:
        for number in range(count):
            start = number * TOKENS % max(1, len(words) - TOKENS)
            file.write(b"l%d\t%s, %d.\n" % (number % 2, b" ".join(words[start : start + TOKENS]), number))


def job(name: str, *arguments: Any) -> float:
    """Seconds of a job's process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, ROOT / "jobs" / f"{name}.py", "-q", "-r", "local", *map(str, arguments)], check=True
    )
    return time.perf_counter() - start


def graph(documents: Path, vocabulary: Path) -> Any:
    """A function that encodes all documents and returns how many ids there were."""
    import tensorflow as tf

    tokens = [line.split(b"\t")[0] for line in (vocabulary / "part-00000").read_bytes().split(b"\n") if line]
    ids = tf.range(2, len(tokens) + 2, dtype=tf.int32)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tokens, ids), 1)

    def encode(lines: Any) -> Any:
        text = tf.strings.regex_replace(lines, r"^[^\t]*\t", "")
        text = tf.strings.regex_replace(tf.strings.lower(text), r"[!-/:-@\[-`{-~]", "")
        return table.lookup(tf.strings.split(text))

    data = tf.data.TextLineDataset(str(documents)).batch(1024)
    data = data.map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return lambda: sum(int(batch.flat_values.shape[0]) for batch in data)


def written(shards: Path) -> int:
    """How many ids there are in shards."""
    encoded = (line.rpartition(b"\t")[2] for p in shards.glob("part-*") for line in p.read_bytes().splitlines())
    return sum(len(base64.urlsafe_b64decode(text)) // 4 for text in encoded)


def main() -> None:
    """Prints the medians and the median ratio of interleaved pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help="a text file whose words are used")
    parser.add_argument("--documents", type=int, default=192_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents, vocabulary, shards = folder / "documents.tsv", folder / "vocabulary", folder / "shards"
        make_documents(documents, options.documents, options.input)
        job("vocabulary", "--top-k", VOCABULARY, "--output-dir", vocabulary, documents)
        in_graph = graph(documents, vocabulary)
        ids = in_graph()
        ours, theirs = [], []
        for _ in range(options.rounds):
            shutil.rmtree(shards, ignore_errors=True)
            ours.append(job("encode", "--vocabulary", vocabulary, "--shards", 2, "--output-dir", shards, documents))
            start = time.perf_counter()
            in_graph()
            theirs.append(time.perf_counter() - start)
        if written(shards) != ids:
            sys.exit(f"bench_encode: the graph has {ids} ids and the shards {written(shards)}")
        for label, found in (("jobs/encode.py, whole process", ours), ("tf.strings in graph", theirs)):
            seconds = statistics.median(found)
            print(f"{label:32s} {seconds:7.2f} s {options.documents / seconds:12,.0f} documents/s")
        print(f"ratio of times {statistics.median(a / b for a, b in zip(ours, theirs)):.3f} (at most 1)")


if __name__ == "__main__":
    main()
