"""TSV: `label TAB text`; further tabs are of the text."""

from __future__ import annotations

from mapreduce.errors import Rejected
from mapreduce.input.formats.format import Format, Record, checked


class Tsv(Format):
    """Lines `label TAB text`."""

    name = "tsv"
    suffixes = (".tsv",)

    def parse(self, line: bytes) -> Record:
        """Cuts at the first tab."""
        label, tab, text = line.partition(b"\t")
        if not tab:
            raise Rejected("no label" if line.strip() else "empty line")
        return checked(label, text)
