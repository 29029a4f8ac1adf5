"""Plain text: a line is a document, without a label."""

from __future__ import annotations

from mapreduce.input.formats.format import Format, Record


class Text(Format):
    """Lines of text."""

    name = "text"
    labelled = False
    whole = True

    def parse(self, line: bytes) -> Record:
        """The line, with the label b""."""
        return b"", line
