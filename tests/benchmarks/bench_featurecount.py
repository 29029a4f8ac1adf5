"""featurecount to trigrams, native against plain Python: whole processes, interleaved, the same bytes.

Example: python tests/benchmarks/bench_featurecount.py --input imdb-train.tsv
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def make_records(path: Path, count: int) -> None:
    """Lines `label TAB text` of about 200 words with Zipf's frequencies."""
    draw = random.Random(0)
    names = [b"w%d" % i for i in range(80_000)]
    words = draw.choices(names, [1 / (i + 2) for i in range(len(names))], k=count * 200)
    with open(path, "wb") as file:
        for number in range(count):
            file.write(b"l%d\t%s\n" % (number % 2, b" ".join(words[number * 200 : number * 200 + 200])))


def run(native: bool, source: Path, target: Path) -> float:
    """Seconds of the whole process."""
    shutil.rmtree(target, ignore_errors=True)
    start = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, ROOT / "jobs" / "featurecount.py", "-q", "-r", "local"),
            *("--ngrams", "3", "--output-dir", target, source),
        ],
        check=True,
        env={**os.environ, "MAPREDUCE_NATIVE": str(int(native))},
    )
    return time.perf_counter() - start


def main() -> None:
    """Prints the medians and the median ratio of interleaved pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help="labelled records; default: some are made")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.input or folder / "records.tsv"
        if options.input is None:
            make_records(source, 8_000)
        found: dict[bool, list[float]] = {native: [] for native in (True, False)}
        parts = {}
        for _ in range(options.rounds):
            for native, seconds in found.items():
                seconds.append(run(native, source, folder / "counts"))
                parts[native] = [path.read_bytes() for path in sorted((folder / "counts").glob("part-*"))]
            if parts[True] != parts[False]:
                sys.exit("bench_featurecount: different parts")
        for native, seconds in found.items():
            print(f"{'native' if native else 'plain Python':16s} {statistics.median(seconds):8.2f} s")
        print(f"ratio {statistics.median(a / b for a, b in zip(found[True], found[False])):.3f} (at most 0.2)")


if __name__ == "__main__":
    main()
