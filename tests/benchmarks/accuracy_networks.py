"""Fills the README's table of networks: `make accuracy`, a row for each network and data set.

Every network is trained with three seeds as `models.train` does it, which chooses on the validation split and reads the
test split once; the row is the mean. Where LiteRT's interpreter is there, what can be converted is measured with it.
Nothing here decides how a model is made.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import models
from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.output import manifest
from models import inputs, train
from models.serving import litert
from models.training.candidates import IMAGE_MODELS
from models.training.settings import Settings
from tests.benchmarks.accuracy import NAMES, Table, add_arguments, size_of, splits_of, write_row

SEEDS = (0, 1, 2)
IMAGES = ("mlp", "cnn", "cnn_dropout", "lenet5", "resnet")
TEXTS = ("textcnn", "lstm", "attention", "transformer")
DATA = ("mnist", "r8", "20ng", "trec", "imdb")
DEFAULT = ("mnist", "r8")
TABLE = Table(
    "networks",
    ("data", "network", "accuracy", "epochs", "seconds", "parameters", "MB", "LiteRT accuracy", "LiteRT MB"),
    tuple((NAMES[name], model) for name in DATA for model in (IMAGES if name == "mnist" else TEXTS)),
)


@dataclass(frozen=True)
class Measured:
    """One training: accuracy, the epochs of the weights that were kept, seconds, parameters and bytes."""

    accuracy: float
    epochs: int
    seconds: float
    parameters: int
    size: int


def measure(train_file: Path, test_file: Path, output: Path, model: str, seed: int) -> Measured:
    """Trains a network (or takes the one that is there and up to date) and tests it."""
    train.train([train_file], output, model=model, settings=Settings(seed))
    found = manifest.read(output, "model")
    results = found["results"]
    _, accuracy = train.test(output, [str(test_file)])
    size = size_of(output / "saved_model")
    return Measured(accuracy, results["epoch"], found["seconds"], results["parameters"], size)


def light(output: Path, test_file: Path, model: str) -> tuple[float, int] | None:
    """Accuracy and bytes of the LiteRT file of a model; None where it is not converted, or no interpreter is there."""
    if not command.installed("ai_edge_litert") or model not in (*IMAGE_MODELS, *litert.IDS):
        return None
    file = output.with_suffix(".tflite")
    litert.convert(output, file)
    _, line = litert.measure(models.load(output), litert.LiteModel(file), inputs.labelled([str(test_file)]))
    return float(line.split()[-1]), file.stat().st_size


def row(name: str, model: str, measured: Sequence[Measured], lighter: tuple[float, int] | None) -> str:
    """The row of a network on a data set."""
    epochs = sorted({one.epochs for one in measured})
    cells = [NAMES[name], model, f"{100 * mean(one.accuracy for one in measured):.2f}"]
    cells.append(str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}")
    cells += [f"{mean(one.seconds for one in measured):.0f}", f"{mean(one.parameters for one in measured):,.0f}"]
    cells.append(f"{mean(one.size for one in measured) / 1e6:.2f}")
    cells += [f"{100 * lighter[0]:.2f}", f"{lighter[1] / 1e6:.2f}"] if lighter else ["", ""]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = Parser(
        "make accuracy ARGS=",
        "Trains every network with three seeds and fills the README's table.",
        "'networks mnist r8'",
    )
    parser.add_argument("names", nargs="*", metavar="DATA", help=f"of {', '.join(DATA)}; default: mnist, r8")
    parser.add_argument("--models", nargs="+", default=[], metavar="MODEL", help="these networks only")
    add_arguments(parser, "trec", "imdb")
    options = parser.parse_args(arguments)
    folders = {name: getattr(options, name, None) for name in DATA}
    chosen = options.names or [name for name in DATA if name in DEFAULT or folders[name]]

    def work() -> None:
        for name in chosen:
            if name not in DATA:
                raise UserError(f"no data set {name!r} for networks; there are {', '.join(DATA)}")
            ((train_file, test_file),) = splits_of(name, folders[name], options.work)
            for model in IMAGES if name == "mnist" else TEXTS:
                if options.models and model not in options.models:
                    continue
                print(f"== {NAMES[name]}, {model}", file=sys.stderr)
                outputs = [options.work / name / f"{model}-seed{seed}" for seed in SEEDS]
                measured = [measure(train_file, test_file, output, model, seed) for seed, output in zip(SEEDS, outputs)]
                line = row(name, model, measured, light(outputs[0], test_file, model))
                write_row(options.readme, line, TABLE)
                print(line, flush=True)

    return command.run("accuracy", work)


if __name__ == "__main__":
    sys.exit(main())
