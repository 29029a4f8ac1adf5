"""CSV, RFC 4180 and its dialects: fields between commas, semicolons, tabs or bars; in quotes they may hold anything.

A quote opens a field only where the field begins. Where a record ends `mapreduce.input.formats.cut` finds out; what the
first bytes say of a table `mapreduce.input.formats.dialect`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from mapreduce.errors import Rejected, UserError
from mapreduce.input import rejections, rows
from mapreduce.input.files import BLOCK, Source, pieces, shown
from mapreduce.input.formats import cut, dialect
from mapreduce.input.formats.format import Format, Layout, Record, checked, one_line


class Table(Format):
    """Records of fields."""

    has_fields = True
    quoted: ClassVar[bool] = True
    """Whether fields may stand in quotes where no flag says it."""
    usual: ClassVar[bytes] = b","
    """What stands between fields where neither a flag nor the first bytes say it."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._delimiter = layout.delimiter or self.usual
        self._quotes = self.quoted if layout.quotes is None else layout.quotes
        self._texts = (layout.columns[0], *layout.joined) if layout.columns else ()
        self._label_column, self._count = layout.columns[1:] if layout.columns else (-1, 0)
        self._labelled = layout.labelled
        self._text, self._label = layout.text_field.encode(), layout.label_field.encode()
        self._is_named = self._label_column >= 0 and layout.header is not False
        self._group = int(layout.group_field) - 1 if layout.columns and layout.group_field else -1  # it is settled
        self._names: list[str] = list(layout.names or ())
        self._takes_rows = layout.names is not None
        if layout.names:
            self._count = len(layout.names)

    @property
    def cuts(self) -> bytes | None:
        """The delimiter, where fields may stand in quotes."""
        return self._delimiter if self._quotes else None

    @property
    def delimited(self) -> tuple[bytes, bool, bool] | None:
        """What stands between fields, and whether they may stand in quotes."""
        return self._delimiter, self._quotes, False

    def edges(self, path: str, wanted: list[int]) -> list[int]:
        """Where records begin."""
        return cut.edges(path, self._delimiter, wanted) if self.cuts else wanted

    def is_lines(self, path: str) -> bool:
        """Whether no record has a line end in it, either."""
        if not super().is_lines(path):
            return False
        if not self.cuts:
            return True
        state = cut.BEGINS
        with self.open_file(path) as file:
            for rest in pieces(file):
                lines, ends = rest.count(b"\n"), 0
                while rest:
                    found, state, done = cut.ends(rest, self._delimiter, state)
                    rest, ends = rest[done:], ends + len(found)
                if ends < lines:
                    return False
        return True

    def lines(self, path: str) -> Iterator[bytes]:
        """A file's records, each on one line: a line end in quotes becomes a space, but where rows are taken whole.

        Raises:
            RecordError: a quote is never closed.
        """
        if not self.cuts:
            yield from super().lines(path)
            return
        records, number = cut.Cut(self._delimiter, sys.maxsize), 1
        with self.open_file(path) as file:
            for block in pieces(file):
                found = []
                for record, lines in records.records(block):
                    found.append((record if self._takes_rows else one_line(record.removesuffix(b"\r"))) + b"\n")
                    number += lines
                yield b"".join(found)
        if swallowed := records.lines:
            raise rejections.unclosed(f"{shown(path)}, line {number}: {UNCLOSED} swallows {swallowed} lines")

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """Finds the delimiter, and in the header of each file the places of the columns.

        Raises:
            UserError: a header lacks a field, or two files differ in theirs.
        """
        if layout.names:
            return replace(layout, delimiter=layout.delimiter or cls.usual)
        if layout.columns is not None:
            if layout.group_field and not layout.group_field.isdigit():
                raise UserError(f"--group-field is a number where --columns are given. Received: {layout.group_field}")
            return replace(layout, delimiter=layout.delimiter or cls.usual)
        first: tuple[str, list[str]] | None = None
        for source in sources:
            head = source.head()
            if not head.strip():
                continue  # an empty file has no records either
            layout = replace(layout, delimiter=layout.delimiter or dialect.delimiter(head, layout))
            header = cls._first_row(head, source.name, layout)
            if first is None:
                first = (source.name, header)
                if layout.names is None:
                    layout = dialect.columns(layout, header, source.name)
                else:
                    layout = dialect.rows(layout, header, source.name)
            elif layout.header and header != first[1]:
                raise UserError(
                    f"{source.name}, line 1: header {header!s:.200} is not that of {first[0]}, {first[1]!s:.200}"
                )
        if first is None:
            raise UserError("no CSV header: the input is empty")
        return layout

    @classmethod
    def _first_row(cls, head: bytes, name: str, layout: Layout) -> list[str]:
        table = cls(layout)
        lines = head.lstrip(b"\r\n")
        ends = cut.ends(lines, table._delimiter, room=1)[0] if table.cuts else []
        line = lines[: ends[0]] if ends else lines if table.cuts else lines.partition(b"\n")[0]
        if len(line) >= BLOCK - len(head) + len(lines):
            raise UserError(f"{name}, line 1: no CSV header: longer than {BLOCK} bytes")
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if b"\r" in line and b"\n" not in lines:
            raise UserError(f"{name}, line 1: no CSV header: lines end in CR alone; save it with LF or CR LF")
        try:
            return table.header(line)
        except Rejected as cause:
            raise UserError(f"{name}, line 1: no CSV header: {cause}") from None

    def header(self, line: bytes) -> list[str]:
        """The names of the columns that a line holds.

        Raises:
            Rejected: as `row` does.
        """
        return [one_line(field).decode("utf-8", "surrogateescape") for field in self.row(line)]

    def row(self, line: bytes) -> list[bytes]:
        """The fields of a record without its line end.

        Raises:
            Rejected: there is something behind a closing quote.
        """
        delimiter = self._delimiter
        if not self._quotes or b'"' not in line:
            return line.split(delimiter)
        found: list[bytes] = []
        at, size = 0, len(line)
        while True:
            if line[at : at + 1] != b'"':
                end = line.find(delimiter, at)
                if end < 0:
                    return [*found, line[at:]]
                found.append(line[at:end])
                at = end + 1
                continue
            end = cut.closing(line, at)
            if end < 0:
                raise Rejected(UNCLOSED)
            found.append(line[at + 1 : end].replace(b'""', b'"'))
            at = end + 1
            if at == size:
                return found
            if line[at : at + 1] != delimiter:
                raise Rejected("malformed CSV")
            at += 1

    def parse(self, line: bytes) -> Record | None:
        """Takes the columns; an empty line is no record, nor is one that is the header."""
        if not line.strip(b" "):
            return None
        row = self.row(line)
        if len(row) != self._count:
            raise Rejected("wrong number of fields")
        if self._takes_rows:
            return b"", rows.join(row) if rows.SPECIAL.search(line) else b"\t".join(row)
        text = row[self._texts[0]]
        if len(self._texts) > 1:
            text = b" ".join([row[column] for column in self._texts])
        label = row[self._label_column] if self._label_column >= 0 else b""
        if label == self._label and text == self._text and self._is_named:
            return None  # the header, once a file
        return checked(label, one_line(text), self._labelled)

    def is_header(self, line: bytes) -> bool:
        """Whether the names of the columns are in their places."""
        if self._takes_rows:
            return self.layout.header is not False and self._is_names(line)
        if self.layout.header is False or not self.layout.columns or self._text not in line:
            return False
        try:
            row = self.row(line)
        except Rejected:
            return False
        if len(row) != self._count or row[self._texts[0]] != self._text:
            return False
        return self._label_column < 0 or row[self._label_column] == self._label

    def _is_names(self, line: bytes) -> bool:
        try:
            return dialect.named(self.header(line), "") == self.layout.names
        except (Rejected, UserError):
            return False

    def take_header(self, line: bytes) -> None:
        """Takes the names of the columns."""
        self._names = self.header(line)

    def group(self, line: bytes) -> bytes:
        """The field of the column, which the driver has found."""
        return self.row(line)[self._group]

    def fields(self, line: bytes) -> dict[str, bytes]:
        """All fields of a record, by the names of the header, or by number where there is none."""
        row = self.row(line)
        names = self._names or [str(number) for number in range(1, len(row) + 1)]
        return {name: one_line(field) for name, field in zip(names, row)}


UNCLOSED = "a quote that is never closed"


class Csv(Table):
    """Fields between commas, or what the first bytes show to be in their place."""

    name = "csv"
    suffixes = (".csv",)


def written(fields: list[bytes]) -> bytes:
    """A record with its line end; in quotes are fields that hold a comma, a quote or a line end.

    Example:
        >>> written([b"Oslo, Norway", b"3"]).decode().strip()
        '"Oslo, Norway",3'
    """
    quoted = (b'"%s"' % one.replace(b'"', b'""') if _TO_QUOTE.search(one) else one for one in fields)
    return (b",".join(quoted) or b'""') + b"\n"  # an empty line is no record


_TO_QUOTE = re.compile(rb'[,"\r\n]')
