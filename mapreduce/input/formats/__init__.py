"""The formats of records, one a file, and which one a file is of.

A further format is a file like csv.py, with a class that derives from `Format`, and its name in the list that is
registered below.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from mapreduce.errors import UserError
from mapreduce.input import first_bytes
from mapreduce.input.files import OPENERS, Source
from mapreduce.input.formats.csv import Csv
from mapreduce.input.formats.fasttext import FastText
from mapreduce.input.formats.format import Format, Layout
from mapreduce.input.formats.images import Images
from mapreduce.input.formats.jsonl import JsonArray, JsonLines
from mapreduce.input.formats.parquet import Arrow, Parquet
from mapreduce.input.formats.rows import Rows
from mapreduce.input.formats.text import Text
from mapreduce.input.formats.tsv import Tsv
from mapreduce.paths import is_remote

__all__ = ["FORMATS", "Format", "Layout", "detect", "is_ambiguous", "register"]

FORMATS: dict[str, type[Format]] = {}
"""By name. Of formats that share a suffix the first one that claims a file has it, and the last one what cannot be
looked into."""


def register(*formats: type[Format]) -> None:
    """Adds formats."""
    FORMATS.update({one.name: one for one in formats})


register(Csv, FastText, Images, JsonArray, JsonLines, Parquet, Arrow, Rows, Text, Tsv)


def detect(sources: Iterable[Source]) -> str:
    """The format of input files, by their suffixes (below .gz, .bz2 or .xz) and, where several formats share one, by
    their first lines; text where the suffix is not known. A file on a cluster is not looked into.

    Raises:
        UserError: the files are of several formats.
    """
    found: dict[str, str] = {}
    for source in sources:
        found.setdefault(_detect(source), source.name)
    if len(found) > 1:
        names = ", ".join(f"{path} is {name}" for name, path in sorted(found.items()))
        raise UserError(f"input files of several formats: {names}; run them apart or give --format")
    return next(iter(found), Text.name)


def _detect(source: Source) -> str:
    stem, suffix = os.path.splitext(source.path)
    fitting = _of_suffix(suffix)
    if not fitting and suffix in OPENERS:  # a compression's
        fitting = _of_suffix(os.path.splitext(stem)[1])
    if not fitting:
        return Text.name
    if len(fitting) > 1 and not is_remote(source.path):
        try:
            return next(one for one in fitting if one.claims(source.first())).name
        except UserError:
            pass  # who reads it says what is wrong
    return fitting[-1].name


def refuse_unreadable(format: type[Format], sources: Iterable[Source]) -> None:
    """Raises UserError where a file's first bytes show that it is none of lines of text, and not of the format."""
    if format.open is not None:
        return
    for source in sources:
        if found := first_bytes.kind(source.head(first_bytes.ENOUGH)):
            raise UserError(first_bytes.refusal(source.name, found))


def _of_suffix(suffix: str) -> list[type[Format]]:
    return [one for one in FORMATS.values() if suffix in one.suffixes]


def is_ambiguous(name: str) -> bool:
    """Whether another format shares a suffix with this one, so that a file's name does not tell which it is."""
    mine = set(FORMATS[name].suffixes)
    return any(mine.intersection(one.suffixes) for one in FORMATS.values() if one.name != name)
