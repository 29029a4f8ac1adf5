"""JSON: an object a line, or one array of objects, with a field for the text and one for the label."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO, ClassVar, cast

from mapreduce.errors import Rejected, UserError
from mapreduce.input import rows
from mapreduce.input.files import BLOCK, Lines, Source, open_input, shown
from mapreduce.input.formats.format import Format, Layout, Record, checked, field_names, is_utf8, one_line


class JsonLines(Format):
    """Lines `{"label": ..., "text": ...}`; a label is a string, a whole number, true or false."""

    name = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")
    has_fields = True

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """Finds the names of columns, where rows are taken whole: those that the first records have."""
        if layout.names is None or layout.names:
            return layout
        names: dict[str, None] = {}
        for source in sources:
            with cls(layout).open_file(source.path) as stream:
                for line in stream.read(BLOCK).split(b"\n"):
                    with suppress(Rejected):  # its reader says what it is
                        names.update(dict.fromkeys(_loaded(line)))
        if not names:
            raise UserError("no JSON object in the input, so that there are no columns")
        return replace(layout, names=tuple(names))

    def parse(self, line: bytes) -> Record:
        """Takes the fields; a line break inside the text becomes a space."""
        if self.layout.names is not None:
            return b"", self._row(line, self.layout.names)
        fields = _loaded(line)
        layout = self.layout
        text, label = fields.get(layout.text_field), fields.get(layout.label_field)
        if not isinstance(text, str):
            text = self._text(fields)
        name = label if isinstance(label, str) else _label(_field(fields, layout.label_field), layout.labelled)
        # A lone surrogate, escaped, is no UTF-8.
        if layout.strict and not (is_utf8(_utf8(text)) and is_utf8(_utf8(name))):
            raise Rejected("invalid UTF-8")
        return checked(_utf8(name), one_line(_utf8(text)), layout.labelled)

    def _row(self, line: bytes, names: tuple[str, ...]) -> bytes:
        fields = _loaded(line, parse_int=str, parse_float=str, parse_constant=str)
        if not fields.keys() <= set(names):
            raise Rejected("a field that the first records lack")
        return rows.join(_plain(fields.get(name)) for name in names)

    def _text(self, fields: dict[str, Any]) -> str:
        texts = [_field(fields, name) for name in field_names(self.layout.text_field, fields)]
        found = [text for text in texts if isinstance(text, str)]
        if len(found) < len(texts) and (not found or any(t is not None and not isinstance(t, str) for t in texts)):
            raise Rejected("no text")
        return " ".join(found)

    def group(self, line: bytes) -> bytes:
        """The field of that name; what is no string as JSON."""
        try:
            return self.fields(line)[self.layout.group_field or ""]
        except KeyError:
            raise Rejected("no field of its group") from None

    def fields(self, line: bytes) -> dict[str, bytes]:
        """All fields of a record by name; what is no string as JSON."""
        return _Fields(_loaded(line))


def _loaded(line: bytes, **parse: Any) -> dict[str, Any]:
    if not line.strip():
        raise Rejected("empty line")
    try:
        fields = json.loads(line.decode(), **parse)
    except (ValueError, RecursionError):
        raise Rejected("undecodable JSON") from None
    if not isinstance(fields, dict):
        raise Rejected("undecodable JSON")
    return fields


def _plain(value: Any) -> bytes:
    """A value as a row has it: numbers as they are written."""
    if value is None:
        return b""
    return _utf8(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


class _Fields(dict[str, bytes]):
    """Fields of a JSON object, also those of objects in it by dotted name."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__({name: _written(value) for name, value in fields.items()})
        self._all = fields

    def __missing__(self, name: str) -> bytes:
        if (value := _field(self._all, name)) is None:
            raise KeyError(name)
        return _written(value)


def _written(value: Any) -> bytes:
    if value is None:
        return b""
    return one_line(_utf8(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))


def _field(fields: dict[str, Any], name: str) -> Any:
    """The value of a field, or by a dotted name of one in an object in it."""
    if name in fields or "." not in name:
        return fields.get(name)
    found: Any = fields
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _label(label: Any, labelled: bool) -> str:
    if isinstance(label, str):
        return label
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, int):
        return str(label)
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    if not labelled:
        return ""
    if isinstance(label, list):
        raise Rejected("several labels" if label else "no label")
    raise Rejected("label is a number with a fraction" if isinstance(label, float) else "no label")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class JsonArray(JsonLines):
    """One array of such objects, `[{...}, {...}]`."""

    name = "json"
    suffixes = (".json",)

    @classmethod
    def claims(cls, first: bytes) -> bool:
        """Whether the file begins as an array does."""
        return first.lstrip().startswith(b"[")

    @staticmethod
    def open(path: str, mode: str) -> BinaryIO:
        """Opens a file as a stream of its elements, a line each."""
        return cast(BinaryIO, Lines(elements(path)))


_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


def elements(path: str) -> Generator[bytes, None, None]:
    """The elements of the array in a file as they are written, a line each, in memory for the longest alone.

    Raises:
        UserError: it is no array, or not whole.
    """
    with open_input(path) as stream:
        yield from _elements(stream, shown(path))


def _elements(stream: BinaryIO, name: str) -> Iterator[bytes]:
    text, at, line, ended, expected = "", 0, 1, False, "["
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode

    def more() -> bool:
        nonlocal text, at, line, ended
        if ended:
            return False
        piece = stream.read(BLOCK)
        ended = not piece
        line += text.count("\n", 0, at)
        text, at = text[at:] + decode(piece, ended), 0
        if expected == "[":
            text = text.removeprefix("\ufeff")
        return True

    def damaged(what: str) -> UserError:
        return UserError(f"{name}, line {line + text.count(chr(10), 0, at)}: no JSON array of records: {what}")

    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text):
            if more():
                continue
            if expected == "end":
                return
            raise damaged("it ends before its ]")
        if expected == "[":
            if text[at] != "[":
                raise damaged(f"it begins with {text[at : at + 20]!r}")
            at, expected = at + 1, "first"
        elif expected == "end":
            raise damaged("there is something behind its ]")
        elif text[at] == "]" and expected in ("first", ","):
            at, expected = at + 1, "end"
        elif expected == ",":
            if text[at] != ",":
                raise damaged(f"no comma before {text[at : at + 20]!r}")
            at, expected = at + 1, "element"
        else:
            try:
                end = _decoder.raw_decode(text, at)[1]
            except (ValueError, RecursionError):
                if more():
                    continue
                raise damaged(f"{text[at : at + 40]!r} cannot be decoded") from None
            if end == len(text) and more():  # a number may go on
                continue
            yield re.sub(r"[\r\n]", " ", text[at:end]).encode("utf-8", "surrogateescape") + b"\n"
            at, expected = end, ","
