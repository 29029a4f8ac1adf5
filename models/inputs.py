"""Records for the commands: files or standard input to blocks of (label, text), or to rows that are to be answered.

Files are read by `mapreduce.input.reading`; here are the flags that say how, and what a command makes of it. What a
model is fitted on is not read here: the jobs read it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from mapreduce.errors import UserError
from mapreduce.flag_values import count_or_share
from mapreduce.input.formats import FORMATS
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.formats.format import FIELD_FLAGS, READING_FLAGS, TEXTS
from mapreduce.input.reading import Input, Told
from mapreduce.input.records import EVERY, RecordReader, SplitRule
from mapreduce.tables.schema import of_names

ROWS = 4096
"""Rows that are given at once, at most."""
NOTHING: Mapping[str, bytes] = MappingProxyType({})


def add_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """The flags that say how input is read; `default` tells what --format is without the flag."""
    parser.add_argument("--format", choices=FORMATS, help=f"format of the input (default: {default})")
    for flag, about in {**FIELD_FLAGS, **READING_FLAGS}.items():
        parser.add_argument(flag, **about)
    parser.add_argument("--max-rejected", type=count_or_share, default=None, help="fail at more: 100, or a share")


_NAMES = ("format", *(flag[2:].replace("-", "_") for flag in (*FIELD_FLAGS, *READING_FLAGS)), "max_rejected")


def arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What these flags came to, as `read` takes it."""
    return {name: getattr(options, name) for name in _NAMES}


def flags(options: argparse.Namespace) -> dict[str, str]:
    """These flags as the jobs take them."""
    found = arguments(options)
    return {"--" + name.replace("_", "-"): str(value) for name, value in found.items() if value is not None}


class Row(NamedTuple):
    """A record that is to be answered.

    Attributes:
        file: as the user named it.
        line: the number of its first line there, from 1.
        text: bytes; None where the record cannot be read.
        cause: why it cannot be read.
        columns: the further columns that were asked for.
    """

    file: str
    line: int
    text: bytes | None
    cause: str = ""
    columns: Mapping[str, bytes] = NOTHING


def found_out(paths: Sequence[str], **reading: Any) -> dict[str, str]:
    """What the first bytes of tables say of them, as flags of the jobs, which then need not find it out each."""
    return Input(paths, True, quiet=True, **reading).flags()


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


def read(paths: Sequence[str], **reading: Any) -> Iterator[list[tuple[bytes, bytes]]]:
    """Blocks of records (label, text), both bytes, in the order of the input; plain text has the label b"".

    Args:
        paths: files, folders or globs; "-" is standard input.
        reading: what `arguments` gives. `format` is one of `mapreduce.input.formats.FORMATS`; without it the suffixes
            tell.

    Files are looked for at once and read when the result is iterated; what is rejected is named on stderr at
    the end.

    Raises:
        UserError: a file is missing or damaged, or too many lines are no records.
    """
    return (reader.read(block) for reader, block in _told(Input(paths, True, **reading)))


def _told(given: Input) -> Iterator[tuple[RecordReader, bytes]]:
    told = Told(given)
    for source, reader, block in given.blocks():
        if block:
            yield reader, block
        else:
            told.add(source, reader)
    told.end()


def keyed(paths: Sequence[str], **reading: Any) -> Iterator[list[tuple[bytes, bytes, bytes]]]:
    """The same with a third: what the split of the record depends on, its text or, by `group_field`, its group."""
    return (reader.keyed(block) for reader, block in _told(Input(paths, True, **reading)))


def rows(paths: Sequence[str], *, columns: Sequence[str] = (), **reading: Any) -> Iterator[list[Row]]:
    """Blocks of what is to be answered, a row for each record in the order of the input; labels are not needed.

    Args:
        columns: further columns that a row is to have; a row lacks those that its record lacks.
        paths, reading: as in `read`.

    Raises:
        UserError: as in `read`; or there is no such column.
    """
    return _rows(Input(paths, False, bool(columns), **reading), columns)


def table(
    paths: Sequence[str],
    names: Sequence[str] | None,
    *,
    columns: Sequence[str] = (),
    rule: SplitRule = EVERY,
    **reading: Any,
) -> tuple[tuple[str, ...], Iterator[list[Row]]]:
    """The names of the columns of a table, and blocks of its rows: the text of one is its line, as
    `mapreduce.input.rows` has it.

    Args:
        names: the columns of a row, in their order, whatever that of the file; a name is found whatever its case where
            only one is alike. None takes all.
        rule: which split is read, by the hash of the whole row.
        columns, paths, reading: as in `rows`.

    Raises:
        UserError: as in `rows`; or there is no such column.
    """
    given = Input(paths, False, bool(columns), rows=True, rule=rule, **reading)
    schema = of_names(given.layout.names or ())
    if names is None:
        return schema.names, _rows(given, columns)
    try:
        places = [schema.place(name) for name in names]
    except UserError as error:
        raise UserError(f"{given.sources[0].name}: {error}") from None

    def chosen() -> Iterator[list[Row]]:
        for block in _rows(given, columns):
            yield [row if row.text is None else row._replace(text=_chosen(row.text, places)) for row in block]

    return tuple(names), chosen()


def _chosen(line: bytes, places: Sequence[int]) -> bytes:
    fields = line.split(b"\t")  # they stay escaped
    return b"\t".join([fields[place] for place in places])


def _rows(given: Input, columns: Sequence[str]) -> Iterator[list[Row]]:
    told = Told(given)
    kept_of = _Kept(columns)
    for source, reader, block in given.blocks():
        if not block:
            if swallowed := reader.rejected[UNCLOSED]:
                yield [Row(source.name, reader.lines - swallowed + 1, None, UNCLOSED)]
            told.add(source, reader)
            continue
        found: list[Row] = []
        for number, line, record in reader.entries(block):
            if len(found) == ROWS:  # a block may hold half a million
                kept_of.check()
                yield found
                found = []
            if isinstance(record, str):
                found.append(Row(source.name, number, None, record))
            else:
                kept = kept_of(reader, line, f"{source.name}, line {number}") if columns else NOTHING
                found.append(Row(source.name, number, record[1], "", kept))
        kept_of.check()
        yield found
    told.end()


class _Kept:
    """Further columns of records. One that a record lacks is left out there, as JSON may do; one that all of the first
    records lack is a mistake."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._seen: set[str] = set()
        self._lacking: dict[str, UserError] = {}

    def __call__(self, reader: RecordReader, line: bytes, place: str) -> dict[str, bytes]:
        """The columns of a record."""
        found: dict[str, bytes] = {}
        try:
            found = reader.columns(line, self._columns, place)
        except UserError:
            for name in self._columns:
                try:
                    found.update(reader.columns(line, [name], place))
                except UserError as error:
                    self._lacking.setdefault(name, error)
        self._seen.update(found)
        return found

    def check(self) -> None:
        """Raises UserError where there is no such column."""
        for name, error in self._lacking.items():
            if name not in self._seen:
                raise error
