"""Word count against polars, duckdb and stock mrjob: whole processes, interleaved, medians, the same answer.

Every contender reads the same text, splits on white space, counts, and writes `word TAB count` lines; their sorted
outputs are compared byte for byte before anything is measured. What is printed is each one's median and, from each
round's pair of runs, the median ratio to ours, so that a busy machine slows both alike.

At last a tenth of the text, the whole and four times the whole are counted: seconds, and the memory that the largest
process took.

Without --input a text with Zipf's frequencies is made. Example:
  python tests/benchmarks/bench_wordcount.py --input books.txt --rounds 9
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TASKS = "2"
POLARS = """
import sys, polars as pl
lines = pl.scan_csv(sys.argv[1], has_header=False, separator="\\x01", quote_char=None,
                    schema={"line": pl.String}, encoding="utf8-lossy")
words = lines.select(pl.col("line").str.replace_all(r"[\\t\\r\\x0b\\x0c]", " ").str.split(" ").explode().alias("word"))
counts = words.filter(pl.col("word") != "").group_by("word").len()
counts.sink_csv(sys.argv[2], include_header=False, separator="\\t", quote_style="never")
"""
DUCKDB = """
import sys, duckdb
duckdb.sql(f'''copy (
    select word, count(*) from (
        select unnest(string_split(translate(line, chr(9)||chr(11)||chr(12)||chr(13), '    '), ' ')) as word
        from read_csv('{sys.argv[1]}', columns={{'line': 'VARCHAR'}}, delim=chr(1), quote='', escape='', header=false,
                      auto_detect=false, strict_mode=false, max_line_size=10000000))
    where word <> '' group by word) to '{sys.argv[2]}' (delimiter '\t', header false, quote '')''')
"""
# The mapper of mrjob's README, its word a run of what is no white space.
NAIVE = """
from {module} import {base} as Base
{protocols}
class Count(Base):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1
{combiner}
    def reducer(self, word, counts):
        yield word, sum(counts)

if __name__ == "__main__":
    Count.run()
"""
COMBINER = "    def combiner(self, word, counts):\n        yield word, sum(counts)\n"
BLOCKS = """
from collections import Counter
from mrjob.job import MRJob
from mrjob.protocol import BytesProtocol, BytesValueProtocol

class Count(MRJob):
    INPUT_PROTOCOL, INTERNAL_PROTOCOL, OUTPUT_PROTOCOL = BytesValueProtocol, BytesProtocol, BytesProtocol

    def run_mapper(self, step_num=0):
        counts = Counter()
        while block := self.stdin.read(1 << 20):
            if not block.endswith(b"\\n"):
                block += self.stdin.readline()
            counts.update(block.split())
        self.stdout.writelines([b"%s\\t%d\\n" % pair for pair in counts.items()])

    def mapper(self, _, line):
        for word in line.split():
            yield word, b"1"

    def reducer(self, word, counts):
        yield word, b"%d" % sum(map(int, counts))

if __name__ == "__main__":
    Count.run()
"""
Contender = Callable[[Path, Path], None]


def make_text(path: Path, size: int) -> None:
    """Words with Zipf's frequencies, the same at every call."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=2 + i % 9)) + str(i) * (i > 500) for i in range(400_000)]
    weights = [1 / (i + 2) for i in range(len(words))]
    block = b""
    with open(path, "wb") as file:
        for number in range(0, size, 1 << 20):
            if number % (16 << 20) == 0:
                chosen = draw.choices(words, weights, k=3_000_000)
                lines = (" ".join(chosen[i : i + 12]) for i in range(0, len(chosen), 12))
                block = "\n".join(lines).encode()[: (16 << 20) - 1] + b"\n"
            file.write(block[number % (16 << 20) : number % (16 << 20) + min(1 << 20, size - number)])
        file.write(b"\n")


def command(*arguments: object, env: dict[str, str] | None = None, stdout: Path | None = None) -> None:
    """Runs a process to its end, quietly."""
    with open(stdout or os.devnull, "wb") as out:
        subprocess.run(
            [sys.executable, *map(str, arguments)],
            stdout=out,
            stderr=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **(env or {})},
        )


def contenders(folder: Path) -> dict[str, Contender]:
    """Name to what reads one path and writes another, a file or a folder of parts."""
    scripts = {"polars": POLARS, "duckdb": DUCKDB, "blocks": BLOCKS}
    plain = {"protocols": "", "combiner": ""}
    scripts["stock"] = NAIVE.format(module="mrjob.job", base="MRJob", **plain)
    scripts["stock combiner"] = NAIVE.format(module="mrjob.job", base="MRJob", protocols="", combiner=COMBINER)
    scripts["ours combiner"] = NAIVE.format(module="mapreduce.job", base="Job", protocols="", combiner=COMBINER)
    for name, text in scripts.items():
        (folder / f"count_{name}.py".replace(" ", "_")).write_text(text)

    def ours(preset: str, *, native: str = "1", tasks: str = TASKS) -> Contender:
        job = ROOT / "jobs" / "wordcount.py"
        return lambda source, target: command(
            *(job, "-r", "local", "-q", "--tokenizer", preset, "--num-cores", tasks, "--output-dir", target, source),
            env={"MAPREDUCE_NATIVE": native},
        )

    def script(name: str, *flags: str) -> Contender:
        path = folder / f"count_{name}.py".replace(" ", "_")
        if flags:
            return lambda source, target: command(path, *flags, "--output-dir", target, source)
        return lambda source, target: command(path, source, target)

    stock = ("-q", "-r", "local", "--num-cores", TASKS)
    return {
        "ours": ours("whitespace"),
        "ours, keras preset": ours("keras"),
        "ours, one task": ours("whitespace", tasks="1"),
        "ours, plain Python": ours("whitespace", native="0"),
        "ours, unchanged mapper and combiner": script("ours combiner", *stock),
        "polars": script("polars"),
        "duckdb": script("duckdb"),
        "mrjob, block-counting mapper": script("blocks", *stock),
        "mrjob, mapper and combiner": script("stock combiner", *stock),
        "mrjob, mapper of its README": script("stock", *stock),
        "mrjob, inline": script("stock", "-q", "-r", "inline"),
    }


def answer(target: Path) -> str:
    """A digest of the sorted lines; JSON's quotes around words are taken off."""
    files = sorted(target.glob("part-*")) if target.is_dir() else [target]
    lines = sorted(line for file in files for line in file.read_bytes().split(b"\n") if line)
    if lines and all(line.startswith(b'"') and b'"\t' in line for line in lines):
        lines = sorted(b"%s\t%s" % (_decoded(key), n) for key, n in (line.rsplit(b"\t", 1) for line in lines))
    return hashlib.sha256(b"\n".join(lines)).hexdigest()[:16]


def _decoded(key: bytes) -> bytes:
    import json

    return str(json.loads(key)).encode()


def timed(run: Contender, source: Path, target: Path) -> float:
    """Seconds of a whole process, its output gone before and after."""
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    run(source, target)
    return time.perf_counter() - start


def compare(runs: dict[str, Contender], first: str, second: str, source: Path, folder: Path, rounds: int) -> str:
    """A line with the medians of two contenders, interleaved, and the median ratio of the pairs."""
    found: dict[str, list[float]] = {first: [], second: []}
    for number in range(rounds):
        for name in (first, second) if number % 2 else (second, first):
            found[name].append(timed(runs[name], source, folder / "target"))
    ratio = statistics.median(a / b for a, b in zip(found[first], found[second]))
    medians = [statistics.median(found[name]) for name in (first, second)]
    return f"{first:36s} {medians[0]:7.2f} s   {second:30s} {medians[1]:7.2f} s   ratio {ratio:.3f}   rounds {rounds}"


COMPARISONS = [  # ours, the peer, the most that the ratio may be, share of the text, share of the rounds
    ("ours", "polars", 0.5, 1.0, 1.0),
    ("ours", "duckdb", 0.5, 1.0, 1.0),
    ("ours, keras preset", "polars", None, 1.0, 0.5),
    ("ours", "ours, one task", None, 1.0, 1.0),
    ("ours", "ours, one task", 1 / 1.5, 4.0, 0.5),
    ("ours, plain Python", "mrjob, block-counting mapper", 0.65, 1.0, 0.3),
    ("ours", "mrjob, mapper of its README", 1 / 70, 1.0, 0.12),
    ("ours, unchanged mapper and combiner", "mrjob, mapper and combiner", 0.25, 0.1, 0.3),
    ("ours, unchanged mapper and combiner", "mrjob, mapper and combiner", 0.1, 0.0, 0.7),
    ("ours, unchanged mapper and combiner", "mrjob, inline", 1.0, 0.0, 1.0),
]


GROWTH = (0.1, 1.0, 4.0)  # shares of the text


def grow(run: Contender, texts: dict[float, Path], target: Path, rounds: int) -> None:
    """Prints median seconds and peak memory by size."""
    for share in GROWTH:
        seconds, peaks = [], []
        for _ in range(rounds):
            shutil.rmtree(target, ignore_errors=True)
            started = time.perf_counter()
            if not (child := os.fork()):
                run(texts[share], target)
                os._exit(0)
            usage = os.wait4(child, 0)[2]
            seconds.append(time.perf_counter() - started)
            peaks.append(usage.ru_maxrss // 1024)
            answer(target)  # it is whole
        size = texts[share].stat().st_size / 1e6
        print(f"{size:6.1f} MB  ours {statistics.median(seconds):7.2f} s, at most {max(peaks)} MiB in a process")


def main() -> None:
    """Checks that all have the same answer, then measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help="a text file; default: one is made")
    parser.add_argument("--megabytes", type=int, default=100, help="how much of it (default: 100)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="measure the comparisons whose peer has this in its name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = options.input or folder / "text"
        if options.input is None:
            make_text(whole, options.megabytes * 1_000_000)
        texts = {}
        for share in sorted({*GROWTH, *(row[3] for row in COMPARISONS)}):
            texts[share] = folder / f"text-{share}"
            with open(whole, "rb") as source, open(texts[share], "wb") as target:
                data = source.read(int(options.megabytes * 1_000_000 * min(share, 1.0)))
                data = data[: data.rfind(b"\n") + 1] if share else b"two lines\nof input\n"
                for _ in range(max(1, round(share))):
                    target.write(data)
                del data  # or it would count as memory of what is started here
        runs = contenders(folder)
        small = folder / "small"
        small.write_bytes(texts[1.0].read_bytes()[:2_000_000].rpartition(b"\n")[0] + b"\n")
        answers = {}
        for contender, run in runs.items():
            timed(run, small, folder / "target")
            if contender != "ours, keras preset":
                answers[contender] = answer(folder / "target")
        if len(set(answers.values())) != 1:
            sys.exit(f"bench_wordcount: different answers: {answers}")
        for first, second, most, share, part in COMPARISONS:
            if options.only and options.only not in second:
                continue
            rounds = max(1, round(options.rounds * part))
            line = compare(runs, first, second, texts[share], folder, rounds)
            size = texts[share].stat().st_size
            print(f"{size / 1e6:6.1f} MB  {line}  " + (f"(at most {most:.3f})" if most else ""), flush=True)
        if not options.only or options.only in "growth":
            grow(runs["ours"], texts, folder / "target", max(1, options.rounds // 2))


if __name__ == "__main__":
    main()
