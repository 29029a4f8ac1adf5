"""Linear regression against pandas and numpy's lstsq: whole processes, interleaved, the same coefficients.

A table is made by bench_tables; five terms, one of them a product. Example:
  python -m tests.benchmarks.bench_regression --megabytes 100 --rounds 5
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_tables import TYPES, make_table
from tests.benchmarks.bench_wordcount import ROOT, command, compare, timed

PEER = """
import sys
import numpy, pandas
table = pandas.read_csv(sys.argv[1], usecols=["id", "user", "price", "quantity", "rating"]).dropna()
terms = [table["id"], table["user"], table["quantity"], table["rating"], table["price"] * table["rating"]]
x = numpy.column_stack([numpy.ones(len(table)), *terms])
scale = numpy.abs(x).max(axis=0)  # or it takes what is small beside the users' numbers for nothing
found = numpy.linalg.lstsq(x / scale, table["price"], rcond=None)[0] / scale
with open(sys.argv[2], "w") as file:
    for value in found:
        print(repr(float(value)), file=file)
"""


def main() -> None:
    """Checks that both find the same, then measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, script = folder / "table.csv", folder / "peer.py"
        make_table(source, options.megabytes * 1_000_000)
        script.write_text(PEER)
        types = ",".join(f"{column}:{kind}" for column, (kind, _) in TYPES.items())
        flags = ["-r", "local", "-q", "--num-cores", "2", "--types", types, "--target", "price"]
        flags += ["--on", "id,user,quantity,rating,price*rating", "--output-dir"]
        runs = {
            "ours": lambda source, target: command(ROOT / "jobs" / "regression.py", *flags, target, source),
            "numpy": lambda source, target: command(script, source, target),
        }
        for contender, run in runs.items():
            timed(run, source, folder / contender)
        lines = (folder / "ours" / "part-00000").read_text().splitlines()
        ours = [float(line.split("\t")[1]) for line in lines]
        theirs = [float(line) for line in (folder / "numpy").read_text().splitlines()]
        if len(ours) != len(theirs) or any(abs(a / b - 1) > 1e-5 for a, b in zip(ours, theirs)):
            sys.exit(f"bench_regression: {ours} and {theirs}")
        print(f"{options.megabytes} MB: {compare(runs, 'ours', 'numpy', source, folder, options.rounds)}")


if __name__ == "__main__":
    main()
