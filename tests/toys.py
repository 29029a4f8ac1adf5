"""Formats that tests add: one of lines, one of whole files. A module of their own, as jobs import it."""

from __future__ import annotations

import io
import json
from configparser import ConfigParser
from typing import BinaryIO

from mapreduce.errors import Rejected
from mapreduce.input.formats.format import Format, Record, checked
from mapreduce.input.formats.jsonl import JsonLines


class Pipes(Format):
    """Lines `text | label`."""

    name = "pipes"
    suffixes = (".pipes",)

    def parse(self, line: bytes) -> Record:
        text, bar, label = line.rpartition(b"|")
        if not bar:
            raise Rejected("no bar")
        return checked(label, text.strip())


def sections(path: str, mode: str) -> BinaryIO:
    """Opens a file of sections, each a record with a label and a text, as JSON lines."""
    parser = ConfigParser()
    parser.read(path)
    return io.BytesIO(b"".join(json.dumps(dict(parser[name])).encode() + b"\n" for name in parser.sections()))


class Sections(JsonLines):
    """Files that are not of lines."""

    name = "ini"
    suffixes = (".ini",)
    open = sections
