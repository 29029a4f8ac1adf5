"""What a format of records is: how a line becomes a record, and what the driver finds out for the tasks beforehand."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from mapreduce.errors import Rejected, UserError
from mapreduce.input.files import Source, blocks, is_transcoded, is_whole, means_utf8, open_input

TEXTS, IMAGES, ROWS = "texts", "images", "rows"
Record = tuple[bytes, bytes]
DELIMITERS = {"comma": b",", "semicolon": b";", "tab": b"\t", "bar": b"|"}


def one_delimiter(value: str) -> str:
    """Reads --delimiter: one character, or its name."""
    found = DELIMITERS.get(value, b"\t" if value == "\\t" else value.encode("utf-8", "surrogateescape"))
    if len(found) != 1 or found in b'"\r\n':
        raise argparse.ArgumentTypeError(f"{value!r}: give one character, or comma, semicolon, tab or bar")
    return delimiter_name(found)


def delimiter_name(delimiter: bytes) -> str:
    """What --delimiter calls a byte."""
    return next((name for name, byte in DELIMITERS.items() if byte == delimiter), delimiter.decode("utf-8", "replace"))


FIELD_FLAGS: dict[str, dict[str, Any]] = {
    f"--{name}-field": {
        "default": name,
        "metavar": "NAME",
        "help": f"field of the {name} in tables and JSON, by name or number{more} (default: {name})",
    }
    for name, more in (("text", "; several joined by commas are one text"), ("label", ""))
}
READING_FLAGS: dict[str, dict[str, Any]] = {
    "--delimiter": {"type": one_delimiter, "help": "between the fields of CSV (default: by its first bytes)"},
    "--header": {"choices": ("yes", "no"), "help": "whether a table's first line names its columns (default: by that)"},
    "--quotes": {"choices": ("yes", "no"), "help": "whether fields may stand in quotes (default: yes, in CSV)"},
    "--encoding": {"help": "of the text (default: UTF-8, or UTF-16 by its first bytes)"},
}
"""The flags that every reader of records has, by option, as `argparse` takes them. What they come to, the driver
settles for the tasks."""


@dataclass(frozen=True)
class Layout:
    """How the records of a format are laid out, as the flags say or `Format.settle` has found out.

    Attributes:
        text_field, label_field: names or numbers of fields in tables and JSON.
        columns: of a table: text column, label column (-1: none) and number of columns, from 0.
        joined: of a table: further text columns, that are joined to the first one.
        delimiter: of a table, one byte; None is what its first bytes show.
        header: of a table: whether the first line names the columns; None is as that looks.
        quotes: of a table: whether fields may stand in quotes; None is as the format has it.
        encoding: as `mapreduce.input.files.open_input` takes it.
        shape: of images, as "28x28x1".
        strict: whether what is not UTF-8 is rejected.
        labelled: whether a record has to have a label and a text; without, either may be empty.
        keeps_all: whether `Format.fields` is asked, so that every column is read.
        group_field: name or number of the field by which records are in one split or the other; None: by their texts.
        names: of a table whose rows are taken whole, the names of its columns; () finds them. The text of a record is
            then its row (`mapreduce.input.formats.rows`), and it has no label.
    """

    text_field: str = "text"
    label_field: str = "label"
    columns: tuple[int, int, int] | None = None
    joined: tuple[int, ...] = ()
    delimiter: bytes | None = None
    header: bool | None = None
    quotes: bool | None = None
    encoding: str | None = None
    shape: str | None = None
    strict: bool = False
    labelled: bool = True
    keeps_all: bool = False
    group_field: str | None = None
    names: tuple[str, ...] | None = None

    @property
    def names_fields(self) -> bool:
        """Whether a flag says which fields to take."""
        return (self.text_field, self.label_field) != ("text", "label")


def field_names(field: str, known: Container[str]) -> list[str]:
    """The fields that a flag names: several are joined by commas, unless one is called so itself."""
    return [field] if field in known or "," not in field else [name.strip() for name in field.split(",")]


def laid_out(flags: Mapping[str, Any], **more: Any) -> Layout:
    """The layout that flags say, by their names without dashes; a flag that is missing, or None, says nothing.

    Raises:
        UserError: a value is none of its flag's.
    """
    given = {name: flags[name] for name in (*_AS_THEY_ARE, "header", "quotes") if flags.get(name) is not None}
    for name in ("header", "quotes"):
        if name in given:
            given[name] = given[name] == "yes"
    if delimiter := flags.get("delimiter"):
        given["delimiter"] = DELIMITERS.get(delimiter, delimiter.encode())
    if (columns := flags.get("columns")) is not None:
        try:
            texts, label, count = columns.split(",")
            text, *joined = map(int, texts.split("+"))
            given.update(columns=(text, int(label), int(count)), joined=tuple(joined))
        except ValueError:
            raise UserError(f"--columns is text,label,count, as in 1,0,2. Received: {columns!r}") from None
    if "encoding" in given:
        means_utf8(given["encoding"])  # or what it is
    return Layout(**given, **more)


_AS_THEY_ARE = ("text_field", "label_field", "group_field", "encoding", "shape")


def settled(layout: Layout) -> dict[str, str | None]:
    """What was settled of a layout, by the names of the flags that say it: `laid_out` reads it."""
    columns = None
    if layout.columns is not None:
        columns = f"{'+'.join(map(str, (layout.columns[0], *layout.joined)))},{layout.columns[1]},{layout.columns[2]}"
    said = {True: "yes", False: "no", None: None}
    return {
        "columns": columns,
        "shape": layout.shape,
        "text_field": layout.text_field,
        "label_field": layout.label_field,
        "group_field": layout.group_field,
        "delimiter": delimiter_name(layout.delimiter) if layout.delimiter else None,
        "header": said[layout.header],
        "quotes": said[layout.quotes],
        "names": json.dumps(layout.names) if layout.names else None,
    }


class Format:
    """A format of records.

    Attributes:
        name: as --format has it.
        suffixes: of its files; none where it is only named.
        holds: "texts", "images" or "rows", which jobs over tables alone read.
        labelled: whether its records have labels.
        whole: whether a line is a text just as it is.
        has_fields: whether a record may have further fields.
        open: for a format that is not of lines: opens a file of it, (path, "rb"), as a stream of lines, which `parse`
            then takes. Such files are read whole; a cluster gets their lines.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[str] = TEXTS
    labelled: ClassVar[bool] = True
    whole: ClassVar[bool] = False
    has_fields: ClassVar[bool] = False
    open: ClassVar[Callable[..., Any] | None] = None
    usual: ClassVar[bytes | None] = None

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        if layout.group_field is not None and not self.has_fields:
            raise UserError(f"{self.name} records have no further fields; leave out --group-field")

    @classmethod
    def claims(cls, first: bytes) -> bool:
        """Whether a file of the suffix is of this format, by its first line."""
        return True

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """What the driver finds out from the beginnings of the input, for all tasks.

        Raises:
            UserError: they are not of this format.
        """
        return layout

    def parse(self, line: bytes) -> Record | None:
        """The record (label, text) of a line without its end; None where it is none, as an empty line of a table.

        Raises:
            Rejected: it is none that can be used.
        """
        raise NotImplementedError

    def group(self, line: bytes) -> bytes:
        """What stands in the field by which records are in one split or the other; b"" where there is nothing.

        Raises:
            Rejected: there is no such field.
        """
        raise NotImplementedError

    def fields(self, line: bytes) -> dict[str, bytes]:
        """All fields of a line by name, for who keeps more than text and label."""
        raise UserError(f"{self.name} records have no columns; leave out --id-field and --keep-columns")

    def at(self, path: str) -> Format:
        """The format of one of the input's files, as the driver or a task names it; a job may read several."""
        return self

    @property
    def cuts(self) -> bytes | None:
        """The delimiter, where records may hold line ends in quotes (`mapreduce.input.formats.cut`); else None."""
        return None

    @property
    def delimited(self) -> tuple[bytes, bool, bool] | None:
        """Of a format whose rows are fields between delimiters: the delimiter, whether fields may stand in quotes, and
        whether a backslash in a field is another character; else None."""
        return None

    def is_header(self, line: bytes) -> bool:
        """Whether a file's first line is no record."""
        return False

    def take_header(self, line: bytes) -> None:
        """Is told of the header of the file that is read, for the names that `fields` gives."""

    def reads_whole(self, path: str) -> bool:
        """Whether a file is read whole, by one task."""
        return type(self).open is not None or is_whole(path, self.layout.encoding)

    def open_file(self, path: str) -> BinaryIO:
        """Opens a file as a stream of lines in UTF-8."""
        if (opener := type(self).open) is not None:
            stream: BinaryIO = opener(path, "rb")
            return stream
        return open_input(path, self.layout.encoding)

    def open_part(self, path: str, start: int, length: int) -> BinaryIO:
        """Opens what is in a range of a file that is not of lines, or is read whole."""
        return self.open_file(path)

    def is_lines(self, path: str) -> bool:
        """Whether a file is one of lines of UTF-8, one a record at least, as clusters cut them; compressed or not."""
        return type(self).open is None and not is_transcoded(path, self.layout.encoding)

    def lines(self, path: str) -> Iterator[bytes]:
        """A file's records, in blocks of lines, one a record at least, for a cluster."""
        with self.open_file(path) as stream:
            yield from blocks(stream)

    def edges(self, path: str, wanted: list[int]) -> list[int]:
        """Where the splits of a file may be cut: at or behind each of the wanted offsets."""
        return wanted


def label_and_text(line: bytes) -> Record:
    """What stands before the first tab of a line, and behind it.

    Raises:
        Rejected: there is no tab.
    """
    label, tab, text = line.partition(b"\t")
    if not tab:
        raise Rejected("no label" if line.strip() else "empty line")
    return label, text


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are valid UTF-8."""
    try:
        return data.isascii() or data.decode() is not None
    except UnicodeDecodeError:
        return False


def one_line(text: bytes) -> bytes:
    """The text with a space for each line end in it, CR LF or LF."""
    return re.sub(rb"\r?\n", b" ", text) if b"\n" in text else text


def checked(label: bytes, text: bytes, labelled: bool = True) -> Record:
    """A record with its label stripped.

    Args:
        labelled: whether it has to have a label and a text; without, a label that will not do is none.

    Raises:
        Rejected: the label or the text will not do.
    """
    label = label.strip()
    if not labelled:
        return (label if is_utf8(label) and not re.search(rb"[\t\r\n]", label) else b""), text
    if not label:
        raise Rejected("no label")
    if b"\t" in label or b"\n" in label or b"\r" in label:  # at a CR Hadoop streaming would cut the line
        raise Rejected("tab or line end in the label")
    if not is_utf8(label):
        raise Rejected("label is not UTF-8")
    if not text.strip():
        raise Rejected("empty text")
    return label, text
