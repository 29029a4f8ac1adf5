"""Rows as the table jobs write them (`mapreduce.input.rows`); the manifest beside them names the columns."""

from __future__ import annotations

from mapreduce.input import rows
from mapreduce.input.formats.csv import Table
from mapreduce.input.formats.format import Layout


class Rows(Table):
    """Rows that a job has written."""

    name = "rows"
    quoted = False
    usual = b"\t"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._delimiter, self._quotes = b"\t", False

    @property
    def delimited(self) -> tuple[bytes, bool, bool]:
        """Fields between tabs, with escapes."""
        return b"\t", False, True

    def row(self, line: bytes) -> list[bytes]:
        """The fields of a line; that of a single field may have a tab behind it, which every runner gives it."""
        return rows.split(line.removesuffix(b"\t") if self._count == 1 else line)
