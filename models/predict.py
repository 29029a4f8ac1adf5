"""Predicts the labels of texts or images: `python -m models.predict MODEL_DIR < lines.txt`.

Writes `label TAB probability` for each text, in the order of the input. It trains and measures nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import models
from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from models import inputs

if TYPE_CHECKING:
    from models.serving.loaded_texts import LoadedModel

CHUNK = 4096
"""Texts that are held at once."""


def lines(model: LoadedModel, texts: Sequence[str | bytes], *, every: bool = False) -> Iterator[bytes]:
    """A line for each text: `label TAB probability`, four decimals.

    Args:
        every: all labels on the line, the most probable first, each with its probability.
    """
    names = [name.encode("utf-8", "surrogateescape") for name in model.labels]
    for row in model(texts):
        order = (-row).argsort(kind="stable")[: None if every else 1]
        yield b"\t".join(b"%s\t%.4f" % (names[i], row[i]) for i in order) + b"\n"


def predict(
    model: LoadedModel,
    blocks: Iterator[list[tuple[bytes, bytes]]],
    output: BinaryIO,
    *,
    every: bool = False,
) -> None:
    """Writes the lines for blocks of records (label, text), `CHUNK` texts at a time; labels are not looked at."""
    for block in blocks:
        for start in range(0, len(block), CHUNK):
            texts = [text for _, text in block[start : start + CHUNK]]
            output.writelines(lines(model, texts, every=every))
            output.flush()


def parser() -> Parser:
    """The command line, as --help shows it."""
    description = "Writes `label TAB probability` for each text, in the order of the input."
    made = Parser("python -m models.predict", description, "MODEL_DIR < lines.txt")
    made.add_argument("model", metavar="MODEL_DIR", help="what training or export wrote")
    made.add_argument("input", nargs="*", default=["-"], help="files of texts (default: standard input)")
    made.add_argument("--all", action="store_true", help="every label with its probability, the best one first")
    inputs.add_arguments(made, "by suffix; standard input is text, one a line")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)

    def work() -> None:
        found = inputs.read(options.input, **inputs.arguments(options))
        model = models.load(options.model)
        if not model.labels:
            raise UserError(f"{options.model}: an autoencoder gives images back and knows no labels")
        with command.printing():
            predict(model, found, sys.stdout.buffer, every=options.all)

    return command.run("predict", work)


if __name__ == "__main__":
    sys.exit(main())
