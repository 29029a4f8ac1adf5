"""The memory that a job takes, whatever the data: peaks of whole processes, against twice --sort-memory and 60 MiB.

Each row is a job in one process (-r inline) on an input that is hard to hold: much text, millions of equal documents,
one document as long as a line may be, millions of words that occur once. Exits 1 where a peak is beyond its bound.
Example:
  python tests/benchmarks/bench_memory.py --sort-memory 64
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# A child's ru_maxrss counts what its parent had before it; this is the peak of the program since it began.
PROGRAM = """
import atexit, runpy, sys
def say():
    with open("/proc/self/status") as file:
        print([line for line in file if line.startswith("VmHWM")][0].split()[1], file=sys.stderr)
atexit.register(say)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LINE = 9_900_000  # bytes of the longest document; --max-line takes 10,000,000


def peak(job: str, *arguments: object) -> float:
    """MiB that a job took at most, all in one process. It needs /proc."""
    command = [sys.executable, "-c", PROGRAM, str(ROOT / "jobs" / f"{job}.py"), "-q", "-r", "inline"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return int(done.stderr.split()[-1]) / 1024


def bound(sort_memory: int) -> int:
    """MiB that a process may take."""
    return 2 * sort_memory + 60


def make_equal(path: Path) -> None:
    """6 million documents that are one."""
    with open(path, "wb") as file:
        for _ in range(60):
            file.write(b"pos\tthe cat\n" * 100_000)


def make_long(path: Path) -> None:
    """One document of random words."""
    draw = random.Random(0)

    def words() -> Iterator[bytes]:
        size = 0
        while size < LINE:
            word = "".join(draw.choices("etaoinshrdlucmfwypvbgkjqxz", k=draw.randint(1, 9))).encode()
            size += len(word) + 1
            yield word

    path.write_bytes(b"pos\t" + b" ".join(words())[:LINE] + b"\n")


def make_distinct(path: Path) -> None:
    """20 million words that occur once, a few on a line."""
    with open(path, "wb") as file:
        for begin in range(0, 20_000_000, 100_000):
            words = [b"%x" % (i * 2654435761 & 0xFFFFFFFF) for i in range(begin, begin + 100_000)]
            file.writelines(b" ".join(words[i : i + 10]) + b"\n" for i in range(0, len(words), 10))


def make_text(path: Path) -> None:
    """100 MB with Zipf's frequencies."""
    from bench_wordcount import make_text as make

    make(path, 100_000_000)


WIDE: list[tuple[str, list[str]]] = [("--ngrams 5", ["--ngrams", "5"])]
WIDE.append(("--character-ngrams 3-5", ["--character-ngrams", "3-5"]))
CASES: list[tuple[str, Callable[[Path], None], str, list[str]]] = [
    ("100 MB of text", make_text, "wordcount", []),
    ("6 million equal documents", make_equal, "encode", ["--hash-buckets", "1000"]),
    *(
        (f"one document of 10 MB, {name}", make_long, job, flags)
        for name, flags in WIDE
        for job in ("wordcount", "vocabulary", "featurecount")
    ),
    ("20 million words that occur once", make_distinct, "wordcount", []),
    ("20 million words that occur once", make_distinct, "vocabulary", []),
]


def main() -> None:
    """Prints a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sort-memory", type=int, default=64, help="MiB (default: 64)")
    parser.add_argument("--only", default="", help="the rows that have this in them")
    options = parser.parse_args()
    most, is_beyond = bound(options.sort_memory), False
    print(f"| --sort-memory {options.sort_memory}M, at most {most} MiB | job | MiB | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (what, make, job, flags) in enumerate(CASES):
            if options.only not in f"{what} {job}":
                continue
            path = folder / f"{make.__name__}.tsv"
            if not path.exists():
                make(path)
            text = ["--format", "text"] if make in (make_text, make_distinct) else ["--format", "tsv"]
            flags = [*flags, *text, "--sort-memory", f"{options.sort_memory}M"]
            started = time.perf_counter()
            found = peak(job, *flags, "--output-dir", folder / f"output-{number}", path)
            print(f"| {what} | {job} | {found:.0f} | {time.perf_counter() - started:.1f} |", flush=True)
            is_beyond = is_beyond or found > most
    sys.exit(is_beyond)


if __name__ == "__main__":
    main()
