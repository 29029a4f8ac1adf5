"""fastText's format: `__label__NAME text`, one label a line."""

from __future__ import annotations

from mapreduce.errors import Rejected
from mapreduce.input.formats.format import Format, Record, checked

_MARK = b"__label__"


class FastText(Format):
    """Lines `__label__NAME text`."""

    name = "fasttext"
    suffixes = (".ft",)

    def parse(self, line: bytes) -> Record:
        """Cuts at the first space."""
        label, _, text = line.strip().partition(b" ")
        if not label.startswith(_MARK):
            raise Rejected("no label" if line.strip() else "empty line")
        if text.startswith(_MARK):
            raise Rejected("several labels")
        return checked(label[len(_MARK) :], text)
