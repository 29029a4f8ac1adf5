"""Makes a light model: `python -m models.lite MODEL_DIR model.tflite`, a LiteRT file with quantised weights.

Size and accuracy are printed before and after; a model that is not converted is named in one line. The work is done in
`models.serving.litert`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import models
from mapreduce import command
from mapreduce.command import Parser, require
from mapreduce.paths import written_here
from models import inputs
from models.serving.exports import saved_model


def parser() -> Parser:
    """The command line, as --help shows it."""
    description = "Writes a LiteRT file with quantised weights; prints size and accuracy before and after."
    made = Parser("python -m models.lite", description, "MODEL_DIR model.tflite --test test.tsv")
    made.add_argument("model", metavar="MODEL_DIR", help="what training or export wrote")
    made.add_argument("output", metavar="FILE", type=written_here, help="the file to write")
    made.add_argument("--test", nargs="+", metavar="FILE", help="labelled records that both are measured on")
    inputs.add_arguments(made, "by suffix")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)

    def work() -> None:
        require("tensorflow")
        pairs = []
        if options.test:
            require("ai_edge_litert")
            pairs = inputs.labelled(options.test, **inputs.arguments(options))
        from models.serving import litert

        litert.convert(options.model, options.output)
        saved = Path(options.model) / saved_model.NAME
        before = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
        sizes = [before, options.output.stat().st_size]
        measured = [""] * 2
        if pairs:
            measured = list(litert.measure(models.load(options.model), litert.LiteModel(options.output), pairs))
        for name, size, text in zip(("SavedModel", "LiteRT"), sizes, measured):
            print(f"{name}\t{size} bytes\t{text}".rstrip())

    return command.run("lite", work)


if __name__ == "__main__":
    sys.exit(main())
