"""Word count of 100 MB on HDFS: ours with all that mrjob does around it, against Hadoop's own Java wordcount.

Same cluster, same file of two blocks, two map tasks and one reducer each, interleaved rounds; whole commands are timed
and their outputs compared. Needs the practice cluster: make hadoop-up.

    python tests/benchmarks/bench_hadoop.py [--rounds 3] [--megabytes 100]
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / "tests/hadoop/.cluster"
HADOOP = str(HOME / "bin/hadoop")


def corpus(path: Path, size: int) -> None:
    """Writes words by Zipf's law, valid UTF-8, without vertical tabs."""
    random.seed(1)
    words = [f"w{int(random.paretovariate(0.9))}" for _ in range(400_000)]
    with open(path, "w", encoding="ascii") as file:
        while file.tell() < size:
            random.shuffle(words)
            for start in range(0, len(words), 12):
                file.write(" ".join(words[start : start + 12]) + "\n")
                if start % 60_000 == 0 and file.tell() >= size:
                    break


def timed(command: list[str]) -> float:
    """Seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def fs(*arguments: str) -> bytes:
    """The standard output of `hadoop fs`."""
    return subprocess.run([HADOOP, "fs", *arguments], check=True, capture_output=True).stdout


def main() -> None:
    """Runs the rounds and prints a line each, then the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    if subprocess.run([sys.executable, ROOT / "tests/hadoop/cluster.py"], capture_output=True).returncode:
        sys.exit("bench_hadoop: the practice cluster is not running: make hadoop-up")
    os.environ["HADOOP_HOME"] = str(HOME)
    size = options.megabytes * 1_000_000
    examples = str(next((HOME / "lib").glob("hadoop-mapreduce-examples-*.jar")))
    fs("-rm", "-r", "-f", "/benchmark")
    fs("-mkdir", "-p", "/benchmark/in")
    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder) / "words.txt", size)
        block = (size // 2 // 512 + 200) * 512
        fs(f"-Ddfs.blocksize={block}", "-put", f"{folder}/words.txt", "/benchmark/in")
    ours = [sys.executable, str(ROOT / "jobs/wordcount.py"), "-q", "-r", "hadoop", "--tokenizer", "whitespace"]
    ours += ["--format", "text", "--jobconf", "mapreduce.job.reduces=1", "hdfs:///benchmark/in", "--output-dir"]
    seconds: dict[str, list[float]] = {"Java wordcount": [], "ours": []}
    for number in range(options.rounds):
        commands = {
            "Java wordcount": [HADOOP, "jar", examples, "wordcount", "/benchmark/in", f"/benchmark/java-{number}"],
            "ours": [*ours, f"hdfs:///benchmark/ours-{number}"],
        }
        for name in sorted(commands, reverse=bool(number % 2)):
            seconds[name].append(timed(commands[name]))
            print(f"round {number + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
        if fs("-cat", f"/benchmark/java-{number}/part-*") != fs("-cat", f"/benchmark/ours-{number}/part-*"):
            sys.exit("bench_hadoop: the outputs differ")
    fs("-rm", "-r", "-f", "/benchmark")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    driver = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"ours / Java wordcount: {medians['ours'] / medians['Java wordcount']:.2f} of the time (equal outputs)")
    print(f"clients' CPU, both: {driver.ru_utime + driver.ru_stime:.0f} s")


if __name__ == "__main__":
    main()
