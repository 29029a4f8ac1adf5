"""Records for the commands: files or standard input to blocks of (label, text), or to rows that are to be answered.

Formats are `mapreduce.input.formats`' and files are opened by `mapreduce.input.files`; this module only joins the two.
What a model is fitted on is not read here: the jobs read it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from mapreduce.errors import RecordError, UserError
from mapreduce.flag_values import count_or_share
from mapreduce.input import records, rejections
from mapreduce.input.files import Source, blocks, expand, keep, pieces
from mapreduce.input.formats import FORMATS, Format, Layout, detect, refuse_unreadable
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.formats.dialect import found_out
from mapreduce.input.formats.format import DELIMITERS, FIELD_FLAGS, READING_FLAGS, TEXTS
from mapreduce.output import atomic

ROWS = 4096
"""Rows that are given at once, at most."""
NOTHING: Mapping[str, bytes] = MappingProxyType({})
SHOWN = 3
"""Rejected lines that are named one by one."""


def add_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """The flags that say how input is read; `default` tells what --format is without the flag."""
    parser.add_argument("--format", choices=FORMATS, help=f"format of the input (default: {default})")
    for flag, about in {**FIELD_FLAGS, **READING_FLAGS}.items():
        parser.add_argument(flag, **about)
    parser.add_argument(
        "--max-rejected", type=count_or_share, default=None, help="fail at more: 100, or a share (default: 0.01)"
    )


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


class _Input:
    """Files or standard input that are found and looked into at once, and read when asked for.

    Args:
        labelled: whether records have to have a label and a text.
        keeps_all: whether columns beside these are asked for.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labelled: bool,
        keeps_all: bool = False,
        *,
        format: str | None = None,
        text_field: str = "text",
        label_field: str = "label",
        delimiter: str | None = None,
        header: str | None = None,
        quotes: str | None = None,
        encoding: str | None = None,
        max_rejected: float | None = None,
    ) -> None:
        files = [file for path in paths for file in ([path] if path == "-" else expand([path]))]
        if format is not None and FORMATS[format].open is not None:
            files = keep(files, sys.stdin.buffer, atomic.scratch)
        # The first file stays open after the look at its first bytes: it may be a pipe.
        self.sources = [Source(file, keep=number == 0, encoding=encoding) for number, file in enumerate(files)]
        name = format or detect(source for source in self.sources if source.path != "-")
        self.kind: type[Format] = FORMATS[name]
        self.max_rejected = max_rejected
        layout = Layout(
            text_field,
            label_field,
            delimiter=delimiter and DELIMITERS.get(delimiter, delimiter.encode()),  # type: ignore[arg-type]
            header=header and header == "yes",  # type: ignore[arg-type]
            quotes=quotes and quotes == "yes",  # type: ignore[arg-type]
            encoding=encoding,
            labelled=labelled,
            keeps_all=keeps_all,
        )
        refuse_unreadable(self.kind, self.sources)
        self.layout = self.kind.settle(layout, self.sources)
        if said := found_out(layout, self.layout, self.kind):
            print(said, file=sys.stderr)

    def blocks(self) -> Iterator[tuple[Source, records.RecordReader, bytes]]:
        """Blocks of each file, with a reader of its own, and an empty one at its end."""
        for source in self.sources:
            reader = records.RecordReader(self.kind.name, layout=self.layout, keep=SHOWN, begins=True)
            format = self.kind(self.layout)
            if self.kind.open is not None:
                with format.open_file(source.path) as stream:
                    found = pieces(stream) if format.cuts else blocks(stream, records.MAX_LINE + 1)
                    yield from ((source, reader, block) for block in found)
            else:
                found = source.blocks(records.MAX_LINE + 1, cut=format.cuts is None)
                yield from ((source, reader, block) for block in found)
            reader.finish()
            yield source, reader, b""


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
    return _records(_Input(paths, True, **reading))


def _records(given: _Input) -> Iterator[list[tuple[bytes, bytes]]]:
    told = Told(given)
    for source, reader, block in given.blocks():
        if block:
            yield reader.read(block)
        else:
            told.add(source, reader)
    told.end()


def rows(paths: Sequence[str], *, columns: Sequence[str] = (), **reading: Any) -> Iterator[list[Row]]:
    """Blocks of what is to be answered, a row for each record in the order of the input; labels are not needed.

    Args:
        columns: further columns that a row is to have; a row lacks those that its record lacks.
        paths, reading: as in `read`.

    Raises:
        UserError: as in `read`; or there is no such column.
    """
    return _rows(_Input(paths, False, bool(columns), **reading), columns)


def _rows(given: _Input, columns: Sequence[str]) -> Iterator[list[Row]]:
    told = Told(given)
    kept_of = _Kept(columns)
    for source, reader, block in given.blocks():
        if not block:
            if given.layout.columns is not None and reader.rejected[UNCLOSED]:
                yield [Row(source.name, reader.lines, None, UNCLOSED)]
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

    def __call__(self, reader: records.RecordReader, line: bytes, place: str) -> dict[str, bytes]:
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


class Told:
    """What is said at the end of lines that were rejected, or are not UTF-8."""

    def __init__(self, given: _Input) -> None:
        self._given = given
        self._total = records.RecordReader(given.kind.name, layout=given.layout)
        self._first = self._invalid = ""

    def add(self, source: Source, reader: records.RecordReader) -> None:
        """Adds up what a reader has counted of a file."""
        total = self._total
        total.lines += reader.lines
        total.headers += reader.headers
        total.continued += reader.continued
        total.used += reader.used
        total.invalid_utf8 += reader.invalid_utf8
        total.rejected.update(reader.rejected)
        if reader.samples and not self._first:
            places = ", ".join(str(number) for number, _ in reader.samples)
            self._first = f"; the first: {source.name}, line{'s' * (len(reader.samples) > 1)} {places}"
        if reader.samples.invalid and not self._invalid:
            self._invalid = f"; the first: {source.name}, line {reader.samples.invalid[0][0]}"

    def end(self) -> None:
        """Says it.

        Raises:
            RecordError: too much was rejected.
        """
        total = self._total
        if total.invalid_utf8:
            said = rejections.invalid(total.invalid_utf8, {"used": total.used})
            print(said + self._invalid, file=sys.stderr)
        if not total.rejected:
            return
        line = total.explain() + self._first
        if total.rejected[UNCLOSED]:
            raise rejections.unclosed(line)
        most = self._given.max_rejected
        rejected = sum(total.rejected.values())
        if most is not None and rejected > (most * total.records if isinstance(most, float) else most):
            raise RecordError(f"{line}; more than --max-rejected {most}")
        total.check()
        print(line, file=sys.stderr)
