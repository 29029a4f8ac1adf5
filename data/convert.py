"""Turn collections of labelled text or images into record lines: `label TAB text`, UTF-8, one document a line.

Read here: a folder per class with a file per document or image, one file per class with a document per line, lines
that begin with their label, Orange's .tab files, IDX files of images, and the tables that the jobs read as they are
(CSV, JSON, Parquet and their like). Nothing is tokenised, folded or shuffled: the text stays as it is, except that a
line break or a tab inside a document becomes one space, since neither can stand inside a record line. What is
changed or left out is counted on stderr, and more than 1 % of a class that is left out is an error. The output is
written whole or not at all.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from data.pictures import Shape, are_pictures, idx_pairs, picture_pairs
from data.readers import (
    Counts,
    Pair,
    folder_pairs,
    per_line_pairs,
    read_bytes,
    read_file,
    record_pairs,
    refuse_other_kinds,
    separated_pairs,
    tab_pairs,
)
from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.flag_values import count_or_share
from mapreduce.input.files import Source
from mapreduce.input.formats import detect
from mapreduce.input.formats.images import Images
from mapreduce.input.formats.text import Text
from mapreduce.output import atomic
from mapreduce.paths import written_here

EXAMPLES = (
    "aclImdb/train --labels neg pos --squeeze --output data/raw/imdb-train.tsv",
    "TREC_10.label --separator space --label-until : --encoding latin-1 --output trec.tsv",
    "reviews.tab --text-field Content --label-field Category > reviews.tsv",
    "train-images-idx3-ubyte.gz --idx-labels train-labels-idx1-ubyte.gz > train.tsv",
    "pictures/ --size 32x32 --grey --output pictures.tsv",
    "--per-line neg=rt-polarity.neg pos=rt-polarity.pos --encoding latin-1 --output mr.tsv",
)


def record(label: str, text: str, counts: Counter[str]) -> bytes:
    """One record line, its line break included.

    A line break (CR LF, LF or CR) and a tab become one space each. Changes are added to `counts`.

    Raises:
        UserError: the label or the text cannot be written as UTF-8.
    """
    values = []
    for value in (label, text):
        if "\n" in value or "\r" in value:
            value, changed = re.subn("\r\n|\n|\r", " ", value)
            counts["line breaks became a space"] += changed
        if "\t" in value:
            counts["tabs became a space"] += value.count("\t")
            value = value.replace("\t", " ")
        values.append(value)
    counts["documents"] += 1
    if not values[1].strip():
        counts["documents without text kept"] += 1
    try:
        return "\t".join(values).encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # a folder's name, or an encoding that allows half of a surrogate pair
        raise UserError(f"label {label!r}: a name or text that is not Unicode; rename or mend it") from None


def left_out(counts: Counter[str]) -> str:
    """What was changed or left out, as the rest of a line: `; blank rows left out: 1`."""
    told = ("documents", "images")
    return "".join(f"; {what}: {n}" for what, n in sorted(counts.items()) if n and what not in told)


def report(name: str, labels: Counter[str], counts: Counter[str]) -> None:
    """One line on stderr: documents or images, labels, and everything that was changed or left out."""
    what = "images" if counts["images"] else "documents"
    print(f"{name}: {counts['documents']} {what}, {len(labels)} labels{left_out(counts)}", file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """The command line, as --help shows it."""
    description = "Labelled text or images of many shapes to record lines, `label TAB text`."
    made = Parser("python data/convert.py", description, *EXAMPLES)
    made.add_argument("input", nargs="?", type=Path, help="a folder of class folders, a .tab or IDX file, or lines")
    made.add_argument("--per-line", nargs="+", metavar="LABEL=FILE", help="a file per class, a document per line")
    made.add_argument("--separator", help="between label and text: space, tab or characters")
    made.add_argument("--labels", nargs="+", default=[], help="class folders to take (default: every one)")
    made.add_argument("--label-until", metavar="CHARS", help="cut labels there: with :, DESC:manner to DESC")
    made.add_argument("--rename", nargs="+", default=[], metavar="OLD=NEW", help="other names for labels")
    made.add_argument(
        "--squeeze", action="store_true", help="each run of white space becomes a space, none at the ends"
    )
    made.add_argument("--text-field", default="", help="the text column of a table or .tab file")
    made.add_argument("--label-field", default="", help="the label column of a table or .tab file")
    made.add_argument("--idx-labels", type=Path, metavar="FILE", help="the labels of an IDX file of images")
    made.add_argument("--size", type=height_and_width, metavar="HxW", help="resize PNG and JPEG files: 32x32")
    made.add_argument("--grey", action="store_true", help="make one channel of the colours of PNG and JPEG files")
    made.add_argument("--encoding", default="utf-8", help="of the input (default: utf-8)")
    made.add_argument(
        "--max-left-out",
        type=count_or_share,
        default=0.01,
        help="fail (3) where more of a class is left out: 2, or a share (default: 0.01)",
    )
    made.add_argument("--output", type=written_here, metavar="FILE", help="a new file (default: stdout)")
    return made


def height_and_width(text: str) -> Shape:
    """Parses 32x32.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    if not re.fullmatch("[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: write height and width as 32x32")
    height, width = text.split("x")
    return int(height), int(width)


def pairs(options: argparse.Namespace, counts: Counts) -> Iterator[Pair]:
    """(label, text) of the input that the options name, before renaming.

    Raises:
        UserError: no input or two, one that is not there, or a flag that does not go with it.
    """
    if (options.input is None) == (options.per_line is None):
        raise UserError("give either one folder or file, or --per-line LABEL=FILE; see --help")
    kind = "lines" if options.per_line else "folder" if options.input.is_dir() else options.input.suffix
    kind = "IDX" if options.idx_labels and kind not in ("lines", "folder") else kind
    pictures = kind == "folder" and are_pictures(options.input)
    table = kind not in ("lines", "folder", "IDX", ".tab") and not options.separator and is_table(options.input)
    for flag, value, fits in (
        ("--labels", options.labels, kind == "folder"),
        ("--idx-labels", options.idx_labels, kind == "IDX"),
        ("--size", options.size, pictures),
        ("--grey", options.grey, pictures),
        ("--separator", options.separator, kind not in ("lines", "folder", "IDX")),
        ("--text-field", options.text_field, table or (kind == ".tab" and not options.separator)),
        ("--label-field", options.label_field, table or (kind == ".tab" and not options.separator)),
    ):
        if value and not fits:
            raise UserError(f"{flag} {value}: does not go with this input; see --help")
    if options.per_line is not None:
        return per_line_pairs(options.per_line, options.encoding, counts)
    path: Path = options.input
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; give one that is there")
    if pictures:
        return picture_pairs(path, options.labels, options.size, options.grey, counts)
    if kind == "IDX":
        names = (str(path), str(options.idx_labels))
        return idx_pairs(read_bytes(path), read_bytes(options.idx_labels), names, counts)
    if path.is_dir():
        return folder_pairs(path, options.labels, options.encoding, counts)
    if options.separator:
        separator = {"space": " ", "tab": "\t"}.get(options.separator, options.separator)
        return separated_pairs(path, separator, options.encoding, counts)
    if path.suffix == ".tab":
        text = read_file(path, options.encoding, counts)
        return tab_pairs(text, str(path), counts, options.text_field, options.label_field)
    if table:
        fields = {"text_field": options.text_field, "label_field": options.label_field}
        encoding = {} if options.encoding == "utf-8" else {"encoding": options.encoding}
        return record_pairs(path, {**{k: v for k, v in fields.items() if v}, **encoding}, counts)
    refuse_other_kinds(read_bytes(path), path)
    raise UserError(
        f"{path}: neither a folder nor a .tab file nor a table; for lines of label and text give --separator, "
        "for an IDX file --idx-labels"
    )


def is_table(path: Path) -> bool:
    """Whether a file is of a format of records that the jobs read, by its name."""
    return detect([Source(str(path))]) not in (Text.name, Images.name)


def relabelled(found: Iterable[Pair], options: argparse.Namespace, counts: Counts) -> Iterator[Pair]:
    """The pairs with --label-until, --rename and --squeeze applied, in this order."""
    names = dict(entry.split("=", 1) for entry in options.rename if "=" in entry.strip("="))
    if len(names) != len(options.rename):
        raise UserError(f"--rename {' '.join(options.rename)}: write OLD=NEW, each OLD once")
    for number, (label, text) in enumerate(found, 1):
        name = label.split(options.label_until, 1)[0] if options.label_until else label
        if not name.strip():
            counts.leave_out("", "documents with an empty label", f"document {number}")
            continue
        counts.taken[label] += 1
        yield names.get(name, name), " ".join(text.split()) if options.squeeze else text


def convert(options: argparse.Namespace, stream: BinaryIO) -> tuple[Counter[str], Counts]:
    """Write the record lines to `stream`; returns the documents of each label, and what was counted.

    Raises:
        UserError: the input holds no record, or is no such input.
        RecordError: too much of a class was left out.
    """
    labels: Counter[str] = Counter()
    counts = Counts()
    for label, text in relabelled(pairs(options, counts), options, counts):
        stream.write(record(label, text, counts))
        labels[label] += 1
    counts.check(options.max_left_out)
    if not labels:
        raise UserError(f"{options.input}: no record found{left_out(counts)}; nothing was written")
    return labels, counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parser().parse_args(arguments)
    return command.run("convert", lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    if options.output is None:
        # Not straight to stdout: an error in the last document must leave nothing there.
        with tempfile.TemporaryFile() as stream:
            labels, counts = convert(options, stream)
            stream.seek(0)
            with command.printing():
                shutil.copyfileobj(stream, sys.stdout.buffer)
    else:
        if options.output.exists():
            raise UserError(f"{options.output}: exists; give another --output, or move it away")
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with atomic.whole_file(options.output) as stream:
            labels, counts = convert(options, stream)
    report(str(options.output or "stdout"), labels, counts)


if __name__ == "__main__":
    sys.exit(main())
