"""Read collections of labelled text, each of its shape, as pairs of label and text.

Used by convert.py, which writes the pairs as record lines, and by fetch.py. Nothing is written here, and no
text is changed beyond its encoding and its line ends. What is left out is added to the caller's counts, which also
say when that is too much.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from mapreduce.errors import RecordError, UserError
from mapreduce.flag_values import exceeds
from mapreduce.input import first_bytes, rejections
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.reading import Input

Pair = tuple[str, str]


class Counts(Counter[str]):
    """What was changed or left out, by what is said of it; and of which class it was left out.

    Attributes:
        taken: documents or images of each class that were taken.
        lost: of each class those that were left out, by what is said of them; the class "" is not known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: Counter[str] = Counter()
        self.lost: dict[str, Counter[str]] = {}
        self._said: dict[str, str] = {}
        self._first: dict[tuple[str, str], str] = {}

    def leave_out(self, label: str, what: str, where: str) -> None:
        """Counts a document or an image of a class that is left out; `where` the first one is, is said with it."""
        self[self._said.setdefault(what, f"{what} left out (the first: {where})")] += 1
        self.lost.setdefault(label, Counter())[what] += 1
        self._first.setdefault((label, what), where)

    def check(self, most: float | int) -> None:
        """Holds what was left out against --max-left-out.

        Args:
            most: how many of a class may be left out: a number, or as a float a share.

        Raises:
            RecordError: it is more; the class with the largest share is named.
        """
        found = []
        for label, lost in self.lost.items():
            known = self.taken[label] + lost.total() if label else self.taken.total() + lost.total()
            if exceeds(lost.total(), known, most):
                found.append((lost.total() / known, label, lost.total(), known))
        if not found:
            return
        _, label, number, known = max(found)
        causes = ", ".join(
            f"{what} ({n}, the first: {self._first[label, what]})" for what, n in self.lost[label].items()
        )
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise RecordError(
            f"{f'class {label}' if label else 'all classes'}{more}: {number} of {known} left out, more than "
            f"--max-left-out {most}; {causes}; mend or remove them, or give a higher --max-left-out"
        )


def decode(data: bytes, encoding: str, name: str, counts: Counts) -> str:
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


def read_file(path: Path, encoding: str, counts: Counts) -> str:
    """The text of the file at `path`, see `decode`.

    Raises:
        UserError: moreover, its first bytes are those of a file of another kind.
    """
    data = read_bytes(path)
    refuse_other_kinds(data, path)
    return decode(data, encoding, str(path), counts)


def refuse_other_kinds(data: bytes, path: Path) -> None:
    """Raises UserError where the first bytes of what should be text are those of another kind of file."""
    if kind := first_bytes.kind(data):
        raise UserError(f"{path}: is {kind}, by its first bytes, and no text; save it as UTF-8 text, or unpack it")


def lines(text: str) -> list[str]:
    """The lines of a text, which end in LF or CR LF and in nothing else (U+0085 and U+2028 are text)."""
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found if found[-1] else found[:-1]


def in_number_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts 2_9.txt before 10_4.txt: runs of digits count as numbers, all else by code point."""
    runs = re.split("([0-9]+)", name)  # every other one is of digits
    return [(int(run), "") if at % 2 else (-1, run) for at, run in enumerate(runs)], name


def class_files(folder: Path, labels: Sequence[str], counts: Counts) -> Iterator[tuple[str, Path]]:
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


def folder_pairs(folder: Path, labels: Sequence[str], encoding: str, counts: Counts) -> Iterator[Pair]:
    """(label, text) of every file in the class folders of `folder`, see `class_files`.

    Raises:
        UserError: the folder is none of class folders, or a file is not in `encoding`.
    """
    for label, path in class_files(folder, labels, counts):
        # A line break at the end is the end of the file, not a part of the document.
        yield label, read_file(path, encoding, counts).removesuffix("\n").removesuffix("\r")


def per_line_pairs(files: Sequence[str], encoding: str, counts: Counts) -> Iterator[Pair]:
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


def record_pairs(path: Path, options: dict[str, str], counts: Counts) -> Iterator[Pair]:
    """(label, text) of every record of a file that the jobs read as well: CSV, TSV, JSON, Parquet and their like.

    Args:
        options: as `mapreduce.input.reading.Input` takes them.

    Raises:
        UserError: it is not of its format, or lacks a column.
        RecordError: a quote is never closed.
    """
    given = Input([str(path)], True, **options)  # type: ignore[arg-type]
    for source, reader, block in given.blocks():
        for number, _, record in reader.entries(block):
            if isinstance(record, str):
                counts.leave_out("", f"records with {record}", f"{source.name}, line {number}")
            else:
                yield tuple(field.decode("utf-8", "replace") for field in record)  # type: ignore[misc]
        if not block and (swallowed := reader.rejected[UNCLOSED]):
            raise rejections.unclosed(f"{source.name}: {UNCLOSED} swallows the last {swallowed} lines")


def separated_pairs(path: Path, separator: str, encoding: str, counts: Counts) -> Iterator[Pair]:
    """(label, text) of every line of `path`, cut at the first `separator`.

    Raises:
        UserError: at the end, where what was found are no labels and texts: fields of CSV, or the two sides swapped.
    """
    labels: set[str] = set()
    found = quoted = 0
    for number, line in enumerate(lines(read_file(path, encoding, counts)), 1):
        label, cut, text = line.partition(separator)
        if not line.strip():
            counts["blank lines left out"] += 1
        elif not label or not cut:
            counts.leave_out("", "lines without a label and a separator", f"{path}, line {number}")
        else:
            labels.add(label)
            found += 1
            quoted += _is_quoted(label) or _is_quoted(text)
            yield label, text
    if separator.strip() and quoted > found * QUOTED:
        raise UserError(
            f"{path}: {quoted} of {found} records hold a field in quotes, as CSV has them, and --separator leaves "
            "quotes as they are; the jobs read CSV as it is (.csv or --format csv, --text-field, --label-field)"
        )
    if len(labels) >= FEW and len(labels) > found * OWN:
        raise UserError(
            f"{path}: {len(labels)} labels in {found} records: nearly every record has a label of its own; before the "
            f"first {separator!r} must be the label, and behind it the text: swap the two, or give another --separator"
        )


QUOTED = 0.1
"""A larger share of records that hold a field in quotes is taken for CSV."""
FEW, OWN = 20, 0.8
"""So many labels, in a larger share of as many records, are taken for texts."""


def _is_quoted(field: str) -> bool:
    """Whether a field stands in quotes as CSV has them: those inside are doubled."""
    return len(field) > 1 and field[0] == field[-1] == '"' and '"' not in field[1:-1].replace('""', "")


def tab_pairs(text: str, name: str, counts: Counts, text_field: str = "", label_field: str = "") -> Iterator[Pair]:
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
                counts.leave_out("", "rows with more or fewer columns than names", f"{name}, line {rows.line_num}")
            elif not row[label_at].strip():
                counts.leave_out("", "rows without a label", f"{name}, line {rows.line_num}")
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
