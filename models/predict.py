"""Predicts the labels of texts or images: `python -m models.predict MODEL_DIR < lines.txt`.

Writes `label TAB probability` for each text, in the order of the input. It trains and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import models
from mapreduce.errors import UserError
from models.serving import inputs
from models.serving.loaded import LoadedModel

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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.predict",
        description="Writes `label TAB probability` for each text, in the order of the input.",
        epilog="Example: echo 'a text' | python -m models.predict MODEL_DIR",
    )
    parser.add_argument("model", metavar="MODEL_DIR", help="what training or export wrote")
    parser.add_argument("input", nargs="*", default=["-"], help="files of texts (default: standard input)")
    parser.add_argument("--all", action="store_true", help="every label with its probability, the best one first")
    inputs.add_arguments(parser, "by suffix; standard input is text, one a line")
    options = parser.parse_args(arguments)
    try:
        found = inputs.read(options.input, **inputs.arguments(options))
        model = models.load(options.model)
        if not model.labels:
            raise UserError(f"{options.model}: an autoencoder gives images back and knows no labels")
        predict(model, found, sys.stdout.buffer, every=options.all)
    except UserError as error:
        print(f"predict: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
