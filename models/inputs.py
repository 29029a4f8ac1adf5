"""Records for the commands: files or standard input to blocks of (label, text).

Formats are `mapreduce.input.formats`' and files are opened by `mapreduce.input.files`; this module only joins the two.
What a model is fitted on is not read here: the jobs read it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from mapreduce.errors import UserError
from mapreduce.input import records
from mapreduce.input.files import Source, expand
from mapreduce.input.formats import FORMATS, Layout, detect
from mapreduce.input.formats.format import FIELD_FLAGS, TEXTS


def add_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """The flags that say how input is read; `default` tells what --format is without the flag."""
    parser.add_argument("--format", choices=FORMATS, help=f"format of the input (default: {default})")
    for flag, about in FIELD_FLAGS.items():
        parser.add_argument(flag, **about)


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What these flags came to, as `read` takes it."""
    return {"format": options.format, "text_field": options.text_field, "label_field": options.label_field}


def labelled(paths: Sequence[str], **reading: Any) -> list[tuple[bytes, bytes]]:
    """All records (label, text) of labelled input, which is read as `read` does.

    Raises:
        UserError: moreover, it has no labels, or there is no record.
    """
    pairs = [record for block in read(paths, **reading) for record in block]
    if pairs and not any(label for label, _ in pairs):
        names = [one.name for one in FORMATS.values() if one.labelled and one.holds == TEXTS]
        raise UserError(f"{paths[0]}: no label column in plain text; give --format ({', '.join(names)})")
    if not pairs:
        raise UserError(f"{paths[0]}: no labelled record to measure on")
    return pairs


def read(
    paths: Sequence[str],
    *,
    format: str | None = None,
    text_field: str = "text",
    label_field: str = "label",
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Blocks of records (label, text), both bytes, in the order of the input; plain text has the label b"".

    Args:
        paths: files, folders or globs; "-" is standard input.
        format: one of `mapreduce.input.formats.FORMATS`; None takes it from the suffixes.

    Files are looked for at once and read when the result is iterated; what is rejected is named on stderr at
    the end.

    Raises:
        UserError: a file is missing or damaged, or not one line is a record.
    """
    files = [file for path in paths for file in ([path] if path == "-" else expand([path]))]
    # The first file stays open after the look at its first line: it may be a pipe.
    sources = [Source(file, keep=number == 0) for number, file in enumerate(files)]
    format = format or detect(source for source in sources if source.path != "-")
    layout = FORMATS[format].settle(Layout(text_field, label_field), sources)
    return _blocks(sources, records.RecordReader(format, layout=layout))


def _blocks(sources: Sequence[Source], reader: records.RecordReader) -> Iterator[list[tuple[bytes, bytes]]]:
    for source in sources:
        for block in source.blocks():
            yield reader.read(block)
    reader.check()
    if reader.rejected:
        print(reader.explain(), file=sys.stderr)
