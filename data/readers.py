"""Read collections of labelled text, each of its shape, as pairs of label and text.

Used by convert.py, which writes the pairs as record lines, and by fetch.py. Nothing is written here, and no
text is changed beyond its encoding and its line ends. What is left out is added to the caller's counts.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from mapreduce.errors import UserError

Pair = tuple[str, str]


def decode(data: bytes, encoding: str, name: str, counts: Counter[str]) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        UserError: the bytes are not `encoding`; it names the file and the offset of the first bad byte.
    """
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: not {encoding} at byte {error.start} (0x{data[error.start]:02x}); give its --encoding, "
            "such as latin-1"
        ) from None
    except LookupError:
        raise UserError(f"--encoding {encoding}: no such text encoding; try utf-8 or latin-1") from None
    if text.startswith("\ufeff"):
        counts["byte order marks left out"] += 1
        text = text[1:]
    return text


def read_bytes(path: Path) -> bytes:
    """The bytes of the file at `path`.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}; give a file that can be read") from None


def read_file(path: Path, encoding: str, counts: Counter[str]) -> str:
    """The text of the file at `path`, see `decode`."""
    return decode(read_bytes(path), encoding, str(path), counts)


def lines(text: str) -> list[str]:
    """The lines of a text, which end in LF or CR LF and in nothing else (U+0085 and U+2028 are text)."""
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found if found[-1] else found[:-1]


def in_number_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts 2_9.txt before 10_4.txt: runs of digits count as numbers, all else by code point."""
    runs = re.split("([0-9]+)", name)  # every other one is of digits
    return [(int(run), "") if at % 2 else (-1, run) for at, run in enumerate(runs)], name


def class_files(folder: Path, labels: Sequence[str], counts: Counter[str]) -> Iterator[tuple[str, Path]]:
    """(label, path) of every file in the class folders of `folder`: classes by name, files in number order.

    `labels` names the class folders to take; empty means every one. Names that begin with a dot are left out.

    Raises:
        UserError: no class folder, an empty one, or one of `labels` missing.
    """
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    found = [entry.name for entry in entries if entry.is_dir()]
    if not found:
        raise UserError(f"{folder}: holds no class folder; give a folder with one folder per class")
    for label in labels:
        if label not in found:
            raise UserError(f"{folder}: no class folder {label}; there are {', '.join(found)}")
    counts["files beside the class folders left out"] += len(entries) - len(found)
    for label in sorted(set(labels)) or found:
        files = []
        for entry in (folder / label).iterdir():
            if entry.is_file() and not entry.name.startswith("."):
                files.append(entry)
            else:
                counts["folders and hidden files inside class folders left out"] += 1
        if not files:
            raise UserError(f"{folder / label}: an empty class folder; put its documents there or remove it")
        for path in sorted(files, key=lambda file: in_number_order(file.name)):
            yield label, path


def folder_pairs(folder: Path, labels: Sequence[str], encoding: str, counts: Counter[str]) -> Iterator[Pair]:
    """(label, text) of every file in the class folders of `folder`, see `class_files`.

    Raises:
        UserError: the folder is none of class folders, or a file is not in `encoding`.
    """
    for label, path in class_files(folder, labels, counts):
        # A line break at the end is the end of the file, not a part of the document.
        yield label, read_file(path, encoding, counts).removesuffix("\n").removesuffix("\r")


def per_line_pairs(files: Sequence[str], encoding: str, counts: Counter[str]) -> Iterator[Pair]:
    """(label, text) of every line of the files in `files`, each written LABEL=FILE, in the order given."""
    for entry in files:
        label, equals, name = entry.partition("=")
        if not label or not equals or not name:
            raise UserError(f"--per-line {entry}: not LABEL=FILE; write it as pos=rt-polarity.pos")
        found = 0
        for line in lines(read_file(Path(name), encoding, counts)):
            if line.strip():
                found += 1
                yield label, line
            else:
                counts["blank lines left out"] += 1
        if not found:
            raise UserError(f"{name}: an empty class, no document for label {label}; give a file with lines")


def separated_pairs(path: Path, separator: str, encoding: str, counts: Counter[str]) -> Iterator[Pair]:
    """(label, text) of every line of `path`, cut at the first `separator`."""
    for line in lines(read_file(path, encoding, counts)):
        label, cut, text = line.partition(separator)
        if not line.strip():
            counts["blank lines left out"] += 1
        elif not label or not cut:
            counts["lines without a label and a separator left out"] += 1
        else:
            yield label, text


def tab_pairs(
    text: str, name: str, counts: Counter[str], text_field: str = "", label_field: str = ""
) -> Iterator[Pair]:
    """(label, text) of every row of an Orange .tab file: names, types and flags in three lines, then rows.

    The label is the column flagged `class`; the text is the string column, or the one flagged `include=True`.

    Raises:
        UserError: the three header lines are not there, or do not name one label and one text column.
    """
    csv.field_size_limit(2**31 - 1)  # the default, 128 KiB, is less than a long document
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    try:
        header = list(islice(rows, 3))
        if len(header) < 3 or not len(header[0]) == len(header[1]) >= len(header[2]):
            raise UserError(f"{name}: not a .tab file, whose first three lines hold names, types and flags")
        names, types, flags = header[0], header[1], header[2] + [""] * (len(header[0]) - len(header[2]))
        strings = [at for at, kind in enumerate(types) if kind in ("string", "s")]
        included = [at for at in strings if "include=True" in flags[at].split()]
        classes = [at for at, flag in enumerate(flags) if "class" in flag.split()]
        label_at = _column(name, names, label_field, classes, "--label-field")
        text_at = _column(name, names, text_field, included or strings, "--text-field")
        for row in rows:
            if not "".join(row).strip():
                counts["blank rows left out"] += 1
            elif len(row) != len(names):
                counts["rows with more or fewer columns than names left out"] += 1
            elif not row[label_at].strip():
                counts["rows without a label left out"] += 1
            else:
                yield row[label_at], row[text_at]
    except csv.Error as error:
        raise UserError(f"{name}: line {rows.line_num}: {error}; mend that line") from None


def _column(name: str, names: list[str], field: str, found: list[int], flag: str) -> int:
    if field:
        if names.count(field) != 1:
            raise UserError(f"{name}: {flag} {field} is not one column; there are {', '.join(names)}")
        return names.index(field)
    if len(found) != 1:
        raise UserError(f"{name}: {len(found)} columns will do; give {flag}, one of {', '.join(names)}")
    return found[0]
