"""JSON lines: an object a line, with a field for the text and one for the label."""

from __future__ import annotations

import json

from mapreduce.errors import Rejected
from mapreduce.input.formats.format import Format, Record, checked, is_utf8


class JsonLines(Format):
    """Lines `{"label": ..., "text": ...}`; a label is a string or a whole number."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson", ".json")

    def parse(self, line: bytes) -> Record:
        """Takes the two fields; a line break inside the text becomes a space."""
        if not line.strip():
            raise Rejected("empty line")
        try:
            fields = json.loads(line.decode())
        except (ValueError, RecursionError):
            raise Rejected("undecodable JSON") from None
        if not isinstance(fields, dict):
            raise Rejected("undecodable JSON")
        text, label = fields.get(self.layout.text_field), fields.get(self.layout.label_field)
        if not isinstance(text, str):
            raise Rejected("no text")
        if isinstance(label, bool) or not isinstance(label, (str, int)):
            raise Rejected("no label")
        # A lone surrogate, escaped, is no UTF-8.
        if self.layout.strict and not (is_utf8(_utf8(text)) and is_utf8(_utf8(str(label)))):
            raise Rejected("invalid UTF-8")
        return checked(_utf8(str(label)), _utf8(text.replace("\n", " ")))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
