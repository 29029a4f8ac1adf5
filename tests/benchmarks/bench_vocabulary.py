"""The vocabulary of a text: jobs/vocabulary.py as a whole process against Keras's TextVectorization.adapt.

Both read the same file and must make the same tokens in the same order; interleaved rounds, medians, one ratio. The
peer's time is that of adapt alone, without the import of TensorFlow. Without --input a text with Zipf's frequencies is
made. Example:
  python tests/benchmarks/bench_vocabulary.py --input books.txt --rounds 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_wordcount import make_text

from mapreduce.native import library as native
from mapreduce.output import vocabulary
from models.quiet import import_tensorflow

ROOT = Path(__file__).resolve().parent.parent.parent
TOP_K = 20_000


def ours(path: str, folder: str, with_library: bool) -> tuple[float, list[bytes]]:
    """Seconds and tokens of the job."""
    output = os.path.join(folder, "vocabulary")
    command = [sys.executable, str(ROOT / "jobs" / "vocabulary.py"), "-r", "local", "-q", "--top-k", str(TOP_K)]
    env = os.environ if with_library else {**os.environ, native.OFF: "0"}
    started = time.perf_counter()
    subprocess.run([*command, "--output-dir", output, path], check=True, env=env)
    seconds = time.perf_counter() - started
    tokens = vocabulary.read(output).tokens
    subprocess.run(["rm", "-r", output], check=True)
    return seconds, tokens


def adapted(path: str) -> tuple[float, list[bytes]]:
    """Seconds and tokens of TextVectorization.adapt on batches of 1,024 lines."""
    import keras
    import tensorflow as tf

    layer = keras.layers.TextVectorization(max_tokens=TOP_K + 2)
    started = time.perf_counter()
    layer.adapt(tf.data.TextLineDataset(path).batch(1024))
    seconds = time.perf_counter() - started
    return seconds, [token.encode() for token in layer.get_vocabulary()[2:]]


def main() -> None:
    """Runs the rounds and prints a line for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", help="a text file; default: one of 100 MB is made")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import_tensorflow()
    seconds: dict[str, list[float]] = {"native": [], "plain Python": [], "TextVectorization.adapt": []}
    with tempfile.TemporaryDirectory() as folder:
        path = options.input or os.path.join(folder, "text")
        if not options.input:
            make_text(Path(path), 100_000_000)
        for _ in range(options.rounds):
            taken, peer = adapted(path)
            seconds["TextVectorization.adapt"].append(taken)
            for name in ("native", "plain Python"):
                taken, tokens = ours(path, folder, name == "native")
                seconds[name].append(taken)
                if tokens != peer:
                    sys.exit(f"bench_vocabulary: {name} and adapt differ")
    median = {name: statistics.median(times) for name, times in seconds.items()}
    for name, value in median.items():
        print(f"{name:24s} {value:8.2f} s  {value / median['TextVectorization.adapt']:6.3f} of adapt")


if __name__ == "__main__":
    main()
