"""CSV: a header that names the columns, then a record a line; fields may be quoted, line breaks in them may not be."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace

from mapreduce.errors import Rejected, UserError
from mapreduce.input.files import BLOCK, Source
from mapreduce.input.formats.format import Format, Layout, Record, checked

csv.field_size_limit(2**31 - 1)  # --max-line is the limit
_NUL = "\udc00"  # stands for NUL, which csv refuses before Python 3.11; no byte decodes to it


class Csv(Format):
    """Lines of fields between commas."""

    name = "csv"
    suffixes = (".csv",)

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """Reads the header of each file for the places of the columns.

        Raises:
            UserError: a header lacks a field, or two files differ in theirs.
        """
        if layout.columns is not None:
            return layout
        first = None
        for source in sources:
            header = _header(source)
            if not header:
                continue  # an empty file has no records either
            if first is None:
                first = (source.name, header)
            elif header != first[1]:
                raise UserError(
                    f"{source.name}, line 1: header {header!s:.200} is not that of {first[0]}, {first[1]!s:.200}"
                )
            for flag, field in (("--text-field", layout.text_field), ("--label-field", layout.label_field)):
                if header.count(field) != 1:
                    raise UserError(
                        f"{source.name}, line 1: no one column {field!r} in the header {header!s:.200}; "
                        f"name it with {flag}"
                    )
        if first is None:
            raise UserError("no CSV header: the input is empty")
        names = first[1]
        return replace(layout, columns=(names.index(layout.text_field), names.index(layout.label_field), len(names)))

    def parse(self, line: bytes) -> Record | None:
        """Takes the two columns; a line that is the header is none of the records."""
        if not line.strip():
            raise Rejected("empty line")
        text_column, label_column, count = self.layout.columns or (0, 0, 0)
        row = _quoted(line) if b'"' in line else line.split(b",")
        if len(row) != count:
            raise Rejected("wrong number of fields")
        text, label = row[text_column], row[label_column]
        if text == self.layout.text_field.encode() and label == self.layout.label_field.encode():
            return None  # the header, once a file
        return checked(label, text)


def _quoted(line: bytes) -> list[bytes]:
    try:
        decoded = line.decode("utf-8", "surrogateescape").replace("\0", _NUL)
        fields = next(csv.reader([decoded], strict=True))
        return [field.replace(_NUL, "\0").encode("utf-8", "surrogateescape") for field in fields]
    except csv.Error as error:
        unended = "unexpected end" in str(error)
        raise Rejected("quoted line break" if unended else "malformed CSV") from None


def _header(source: Source) -> list[str]:
    line = source.first()
    if len(line) >= BLOCK:
        raise UserError(f"{source.name}, line 1: no CSV header: longer than {BLOCK} bytes")
    try:
        return next(csv.reader([line.decode("utf-8", "surrogateescape").replace("\0", _NUL)]), [])
    except csv.Error as error:
        raise UserError(f"{source.name}, line 1: no CSV header: {error}") from None
