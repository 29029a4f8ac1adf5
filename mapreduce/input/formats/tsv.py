"""TSV: `label TAB text`, where further tabs are of the text; or a table whose columns a header or flags name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mapreduce.input.files import BLOCK, Source
from mapreduce.input.formats import dialect
from mapreduce.input.formats.csv import Table
from mapreduce.input.formats.format import Layout, Record, checked, label_and_text

TAB = b"\t"


class Tsv(Table):
    """Lines `label TAB text`, or rows of fields between tabs."""

    name = "tsv"
    suffixes = (".tsv",)
    quoted = False
    usual = TAB

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._is_table = (layout.columns is not None and layout.delimiter is not None) or layout.names is not None

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """Finds out whether the lines are rows of a table: a flag or the first line names columns.

        Raises:
            UserError: a header lacks a field, or two files differ in theirs.
        """
        layout = replace(layout, delimiter=layout.delimiter or TAB)
        if layout.columns is not None or layout.names:
            return super().settle(layout, ())
        given = list(sources)
        head = next((head for source in given if (head := source.head()).strip()), b"")
        if not head:
            return layout
        if layout.names is not None:
            quotes = dialect.is_quoted(head, TAB) if layout.quotes is None else layout.quotes
            return super().settle(replace(layout, quotes=quotes), given)
        line = head.partition(b"\n")[0].removesuffix(b"\r")
        names_fields = layout.names_fields or layout.group_field is not None
        if len(line) >= BLOCK and not names_fields and not layout.header:
            return replace(layout, header=False)
        fields = line.split(layout.delimiter or TAB)
        row = [field.strip(b'"').decode("utf-8", "surrogateescape") for field in fields]  # a header's, if it is one
        header = dialect.has_header(row, layout) if layout.header is None else layout.header
        if not header and not names_fields and layout.delimiter == TAB and layout.quotes is not True:
            return replace(layout, header=False)
        if layout.quotes is None:
            layout = replace(layout, quotes=bool(header) and dialect.is_quoted(head, TAB))
        if not header and not layout.names_fields:  # the two columns are not named
            layout = replace(layout, label_field="1", text_field="2")
        return super().settle(replace(layout, header=header), given)

    @property
    def cuts(self) -> bytes | None:
        """The delimiter, where it is a table whose fields may stand in quotes."""
        return super().cuts if self._is_table else None

    def parse(self, line: bytes) -> Record | None:
        """Cuts at the first tab, or takes the columns."""
        if self._is_table:
            return super().parse(line)
        return checked(*label_and_text(line), self.layout.labelled)

    def fields(self, line: bytes) -> dict[str, bytes]:
        """All fields of a record by name."""
        if self._is_table:
            return super().fields(line)
        label, _, text = line.partition(TAB)
        return {"label": label, "text": text}
