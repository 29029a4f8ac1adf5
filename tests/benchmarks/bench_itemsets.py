"""Frequent item sets and rules against mlxtend's fpgrowth and association_rules: whole processes, interleaved, the same
sets with the same counts.

100,000 baskets are made whose items go together in groups. Example:
  python -m tests.benchmarks.bench_itemsets --rounds 3
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_wordcount import ROOT, command, compare, timed

PEER = """
import json, sys
import pandas
from mlxtend.frequent_patterns import fpgrowth
from mlxtend.preprocessing import TransactionEncoder
baskets = [line.split() for line in open(sys.argv[1])]
encoder = TransactionEncoder()
table = pandas.DataFrame(encoder.fit_transform(baskets), columns=encoder.columns_)
found = fpgrowth(table, min_support=float(sys.argv[3]), use_colnames=True)
with open(sys.argv[2], "w") as file:
    for support, items in zip(found["support"], found["itemsets"]):
        print(json.dumps(sorted(items)), round(support * len(baskets)), support, sep="\\t", file=file)
"""


def make_baskets(path: Path, baskets: int) -> None:
    """Lines of items, the same at every call."""
    draw = random.Random(0)
    groups = [[f"item{draw.randrange(1000)}" for _ in range(draw.randint(2, 6))] for _ in range(200)]
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(baskets):
            items = {item for _ in range(draw.randint(1, 4)) for item in draw.choice(groups) if draw.random() < 0.8}
            file.write(" ".join(sorted(items | {f"item{int(draw.expovariate(0.01))}"})) + "\n")


def main() -> None:
    """Checks that both have the same sets, then measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baskets", type=int, default=100_000)
    parser.add_argument("--support", default="0.002")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, script = folder / "baskets.txt", folder / "peer.py"
        make_baskets(source, options.baskets)
        script.write_text(PEER)
        job = ROOT / "jobs" / "itemsets.py"
        flags = ("-r", "local", "-q", "--num-cores", "2", "--support", options.support, "--output-dir")
        runs = {
            "ours": lambda source, target: command(job, *flags, target, source),
            "mlxtend": lambda source, target: command(script, source, target, options.support),
        }
        answers = []
        for contender, run in runs.items():
            timed(run, source, folder / contender)
            target = folder / contender
            files = sorted(target.glob("part-*")) if target.is_dir() else [target]
            rows = (line.split("\t") for file in files for line in file.read_text().splitlines())
            answers.append({tuple(json.loads(items)): int(count) for items, count, _ in rows})
        if answers[0] != answers[1]:
            sys.exit(f"bench_itemsets: {len(answers[0])} sets and {len(answers[1])}, or other counts")
        said = compare(runs, "ours", "mlxtend", source, folder, options.rounds)
        print(f"{options.baskets} baskets, {len(answers[0])} sets: {said} (at most 0.2)")


if __name__ == "__main__":
    main()
