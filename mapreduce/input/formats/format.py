"""What a format of records is: how a line becomes a record, and what the driver finds out for the tasks beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from mapreduce.errors import Rejected
from mapreduce.input.files import Source

TEXTS, IMAGES = "texts", "images"
Record = tuple[bytes, bytes]
FIELD_FLAGS: dict[str, dict[str, Any]] = {
    f"--{name}-field": {"default": name, "help": f"field of the {name} in CSV and JSON lines (default: {name})"}
    for name in ("text", "label")
}
"""The flags that every reader of records has, by option, as `argparse` takes them."""


@dataclass(frozen=True)
class Layout:
    """How the records of a format are laid out, as the flags say or `Format.settle` has found out.

    Attributes:
        text_field, label_field: names of the fields in CSV and JSON lines.
        columns: of CSV: text column, label column and number of columns, from 0.
        shape: of images, as "28x28x1".
        strict: whether what is not UTF-8 is rejected.
    """

    text_field: str = "text"
    label_field: str = "label"
    columns: tuple[int, int, int] | None = None
    shape: str | None = None
    strict: bool = False


class Format:
    """A format of records.

    Attributes:
        name: as --format has it.
        suffixes: of its files; none where it is only named.
        holds: "texts" or "images".
        labelled: whether its records have labels.
        whole: whether a line is a text just as it is.
        open: for a format that is not of lines: opens a file of it as a stream of lines, which `parse` then takes. Such
            files are read whole, and by runners of this machine alone.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[str] = TEXTS
    labelled: ClassVar[bool] = True
    whole: ClassVar[bool] = False
    open: ClassVar[Callable[..., Any] | None] = None

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def claims(cls, first: bytes) -> bool:
        """Whether a file of the suffix is of this format, by its first line."""
        return True

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """What the driver finds out from the first lines of the input, for all tasks.

        Raises:
            UserError: they are not of this format.
        """
        return layout

    def parse(self, line: bytes) -> Record | None:
        """The record (label, text) of a line without its end; None where it is a header.

        Raises:
            Rejected: it is none.
        """
        raise NotImplementedError


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are valid UTF-8."""
    try:
        return data.isascii() or data.decode() is not None
    except UnicodeDecodeError:
        return False


def checked(label: bytes, text: bytes) -> Record:
    """A record with its label stripped.

    Raises:
        Rejected: the label or the text will not do.
    """
    label = label.strip()
    if not label:
        raise Rejected("no label")
    if b"\t" in label or b"\n" in label or b"\r" in label:  # at a CR Hadoop streaming would cut the line
        raise Rejected("tab or line end in the label")
    if not is_utf8(label):
        raise Rejected("label is not UTF-8")
    if not text.strip():
        raise Rejected("empty text")
    return label, text
