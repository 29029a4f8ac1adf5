"""Word count on a standalone cluster of Spark, session start included, each side a spark-submit of its own.

Ours against an idiomatic DataFrame (split, explode, groupBy), on a plain file; and a job of one's own in Python, with
mapper, combiner and reducer, against `reduceByKey().sortByKey()`. Interleaved rounds; counts are compared. The text is
made of words between single spaces, where all rules agree. Needs the practice cluster: make spark-up.

    python tests/benchmarks/bench_spark.py [--rounds 3] [--megabytes 100]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.bench_hadoop import ROOT, corpus, timed
from tests.spark import cluster as practice

FRAME = """
import sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, explode, split
spark = SparkSession.builder.getOrCreate()
words = spark.read.text("file://" + sys.argv[1]).select(explode(split(col("value"), " ")).alias("word"))
words.groupBy("word").count().write.option("sep", "\\t").csv("file://" + sys.argv[2])
"""
PAIRS = """
import sys
from pyspark import SparkContext
lines = SparkContext().textFile("file://" + sys.argv[1])
counts = lines.flatMap(lambda line: [(word, 1) for word in line.split()]).reduceByKey(lambda a, b: a + b).sortByKey()
counts.map(lambda pair: pair[0] + "\\t" + str(pair[1])).saveAsTextFile("file://" + sys.argv[2])
"""
OWN = """
from mapreduce.job import Job
class Words(Job):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1
    def combiner(self, word, counts):
        yield word, sum(counts)
    def reducer(self, word, counts):
        yield word, sum(counts)
if __name__ == "__main__":
    Words.run()
"""


def counts(folder: Path, read: Callable[[str], str] = str) -> dict[str, int]:
    """The counts in an output's parts."""
    found: dict[str, int] = {}
    for path in folder.glob("part-*"):
        for line in path.read_text("utf-8").splitlines():
            word, _, number = line.rpartition("\t")
            found[read(word)] = int(number)
    return found


def main() -> None:
    """Runs the rounds and prints a line each, then the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    if practice.pid("master") is None:
        sys.exit("bench_spark: the practice cluster is not running: make spark-up")
    submit = [str(Path(practice.spark_class()).with_name("spark-submit")), "--master", practice.MASTER]
    os.environ.update(PYSPARK_PYTHON="python3", PYSPARK_DRIVER_PYTHON=sys.executable, PYTHONPATH=str(ROOT))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus(folder / "large.txt", options.megabytes * 1_000_000)
        corpus(folder / "small.txt", options.megabytes * 100_000)
        for file, program in (("frame.py", FRAME), ("pairs.py", PAIRS), ("own.py", OWN)):
            (folder / file).write_text(program)
        spark = ["-q", "-r", "spark", "--spark-master", practice.MASTER, "--spark-tmp-dir", "/tmp"]
        job = [str(ROOT / "jobs/wordcount.py"), *spark, "--tokenizer", "whitespace", "--format", "text"]
        sides: dict[str, tuple[str, list[str], Callable[[str], str]]] = {
            "wordcount": ("large.txt", [sys.executable, *job], str),
            "DataFrame": ("large.txt", [*submit, str(folder / "frame.py")], str),
            "own script": ("small.txt", [sys.executable, str(folder / "own.py"), *spark], json.loads),
            "reduceByKey": ("small.txt", [*submit, str(folder / "pairs.py")], str),
        }
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(options.rounds):
            found = {}
            for side in sorted(sides, reverse=bool(number % 2)):
                file, command, read = sides[side]
                output = folder / f"{side.replace(' ', '-')}-{number}"
                ours = command[0] == sys.executable
                more = ["--output-dir", str(output), str(folder / file)] if ours else [str(folder / file), str(output)]
                seconds[side].append(timed([*command, *more]))
                found[side] = counts(output, read)
                print(f"round {number + 1}: {side} {seconds[side][-1]:.1f} s", flush=True)
            for ours, peer in (("wordcount", "DataFrame"), ("own script", "reduceByKey")):
                if found[ours] != found[peer]:
                    sys.exit(f"bench_spark: the counts of {ours} and {peer} differ")
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    for ours, peer in (("wordcount", "DataFrame"), ("own script", "reduceByKey")):
        print(f"{ours} / {peer}: {medians[ours] / medians[peer]:.2f} of the time (equal counts)")


if __name__ == "__main__":
    main()
