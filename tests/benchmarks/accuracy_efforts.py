"""Whether --effort best is worth its time: five 5-fold cross-validations of training files, the same folds for both.

    python -m tests.benchmarks.accuracy_efforts data/raw/20ng-train.tsv data/raw/trec-train.tsv

For each file a line: the accuracy of the best single candidate of --effort normal, and that of the sum that --effort
best takes, both in percent, the mean over the seeds; their difference, and its standard error over the seeds. Each seed
draws folds and orders of its own. The sum is chosen on the answers that it is measured by, as the single candidate is.
No test split is read.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from mapreduce import command
from mapreduce.command import Parser
from mapreduce.flag_values import whole
from models.counts import feature_counts
from models.training import crossed
from models.training.candidates import BEST, NORMAL, candidates
from models.training.in_memory import InMemory
from models.training.settings import Settings
from models.training.stages import Stages

FIRST = 101
"""The draw of the first seed's folds: no training takes it."""


def compare(path: str, seeds: int, folder: Path) -> tuple[list[float], list[float]]:
    """Accuracies of the best single candidate of a normal training, and of the sum, one for each seed."""
    stages = Stages([path], folder)
    labels = stages.labelcount(candidates("linear")[0].specification, "all")
    every = feature_counts.label_documents(labels)
    length = feature_counts.mean_length(labels)
    several = candidates("linear", len(every), length, effort=BEST)
    names = {one.name for one in candidates("linear", len(every), length, effort=NORMAL)}
    singles, sums = [], []
    for seed in range(seeds):
        trials = InMemory(stages, several, every, Settings(seed=seed))
        found = crossed.cross(trials, several, "accuracy", FIRST + seed)
        singles.append(max(scores.accuracy for name, scores in found.scores.items() if name in names))
        sums.append(found.sum.accuracy)
        print(f"{path}, seed {seed}: {' + '.join(one.name for one in found.parts)}", file=sys.stderr)
    return singles, sums


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    program = "python -m tests.benchmarks.accuracy_efforts"
    parser = Parser(program, "Compares the efforts of training by cross-validation.", "data/raw/trec-train.tsv")
    parser.add_argument("train", nargs="+", help="training files, label TAB text")
    parser.add_argument("--seeds", type=whole(2), default=5, help="two or more (default: 5)")
    options = parser.parse_args(arguments)

    def work() -> None:
        print("| data | normal | best | difference | standard error |\n|---|---|---|---|---|")
        for path in options.train:
            with tempfile.TemporaryDirectory() as folder:
                singles, sums = compare(path, options.seeds, Path(folder))
            differences = [100 * (b - a) for a, b in zip(singles, sums)]
            error = stdev(differences) / math.sqrt(len(differences))
            cells = [
                f"{100 * mean(singles):.2f}",
                f"{100 * mean(sums):.2f}",
                f"{mean(differences):+.2f}",
                f"{error:.2f}",
            ]
            print(f"| {path} | {' | '.join(cells)} |", flush=True)

    return command.run("accuracy_efforts", work)


if __name__ == "__main__":
    sys.exit(main())
