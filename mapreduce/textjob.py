"""The base class of jobs over documents: the flags for input formats, splits and tokenizers, and what they mean.

A job that derives from `TextJob` gets documents and features and holds no parsing. On the driver the class settles
what the tasks have to know (format, CSV columns) once, and adds up what was rejected.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mapreduce import compat, records
from mapreduce.errors import RecordError, UserError
from mapreduce.job import Job
from mapreduce.specification import PRESETS, Specification, override, preset
from mapreduce.split import expand
from mapreduce.tokenizer import Tokenizer

with compat.stand_ins():
    from mrjob.protocol import BytesProtocol, BytesValueProtocol

GROUP = "records"


class TextJob(Job):
    """A job over documents, labelled or not.

    Attributes:
        LABELLED: whether the job cannot do without labels.
    """

    LABELLED = False
    INPUT_PROTOCOL = BytesValueProtocol
    INTERNAL_PROTOCOL = BytesProtocol
    OUTPUT_PROTOCOL = BytesProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self._driver_arg_dests: set[str] = set()
        add = self.add_passthru_arg
        add("--format", choices=records.FORMATS, help="input format; default: by suffix, else text")
        add("--text-field", default="text", help="field of the text in CSV and JSON lines (default: text)")
        add("--label-field", default="label", help="field of the label in CSV and JSON lines (default: label)")
        add("--columns", help="columns of a CSV file: text,label,count; default: read from its header")
        add("--split", choices=records.SPLITS, default="all", help="which records to take (default: all)")
        add("--validation", type=float, default=0.1, help="share of the validation split (default: 0.1)")
        add("--salt", default="", help="another salt draws another validation split")
        add("--tokenizer", choices=PRESETS, help="tokenizer preset (default: keras)")
        self.add_driver_arg("--specification", help="in place of a preset: a JSON file, or an output's manifest")
        add("--punctuation", choices=("delete", "space", "keep", "leave"), help="what becomes of ASCII punctuation")
        add("--case", choices=("fold", "keep"), help="A to Z become a to z, or stay")
        add("--ngrams", type=widths, help="word n-grams: 2 (words and pairs) or 1-3")
        add("--character-ngrams", type=widths, help="character n-grams within words, for example 3-5")
        add("--head", type=int, help="count the first n words once more, as features of their own")

    def add_driver_arg(self, *args: Any, **kwargs: Any) -> None:
        """Declares a flag that does not pass to the tasks as it stands: `_settle` says what they get."""
        self._driver_arg_dests.add(self.arg_parser.add_argument(*args, **kwargs).dest)

    @cached_property
    def specification(self) -> Specification:
        """What a token is, by the flags."""
        options = self.options
        ngrams = options.ngrams if options.ngrams is None or len(options.ngrams) > 1 else options.ngrams[0]
        parts = {"ngrams": ngrams, "character_ngrams": options.character_ngrams, "head": options.head}
        if options.specification is None:
            return preset(options.tokenizer or "keras", punctuation=options.punctuation, case=options.case, **parts)
        if options.tokenizer or options.punctuation or options.case:
            raise UserError("--tokenizer, --punctuation and --case do not go with --specification, which holds a table")
        try:
            with open(options.specification, "rb") as file:
                data = json.load(file)
            if isinstance(data, dict) and "specification" in data:  # the manifest of an output
                data = data["specification"]
            return override(Specification.from_json(data), **parts)
        except (OSError, ValueError) as error:
            raise UserError(f"{options.specification}: not a specification: {error}") from None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Runs the specification."""
        return Tokenizer(self.specification)

    def reader(self) -> records.RecordReader:
        """The record reader, by the flags."""
        options = self.options
        columns = tuple(map(int, options.columns.split(","))) if options.columns else None
        rule = records.SplitRule(options.split, options.validation, options.salt.encode())
        return records.RecordReader(
            options.format or "text",
            text_field=options.text_field,
            label_field=options.label_field,
            columns=columns,  # type: ignore[arg-type]
            rule=rule,
        )

    def documents(self, blocks: Iterable[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
        """The documents (label, text) of blocks of lines, a list a block; counts what was read and rejected."""
        reader = self.reader()
        used = 0
        for block in blocks:
            found = reader.read(block)
            used += len(found)
            yield found
        self._count(reader, used)

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Blocks of texts, one a line, without their labels."""
        reader = self.reader()
        used = 0
        for block in blocks:
            if reader.whole_blocks:
                reader.records += block.count(b"\n")
            else:
                found = reader.read(block)
                block = b"".join(text + b"\n" for _, text in found)
                used += len(found)
            yield block
        self._count(reader, reader.records if reader.whole_blocks else used)

    def _count(self, reader: records.RecordReader, used: int) -> None:
        counts = {"in": reader.records, "used": used}
        counts["other split"] = reader.records - used - sum(reader.rejected.values())
        counts.update({f"rejected: {cause}": n for cause, n in reader.rejected.items()})
        for name, amount in counts.items():
            if amount:
                self.increment_counter(GROUP, name, amount)

    def check_counters(self, counters: list[dict[str, dict[str, int]]]) -> None:
        """Says what was rejected; raises RecordError where nothing was left to use."""
        found = counters[0].get(GROUP, {})
        rejected = Counter({n[len("rejected: ") :]: c for n, c in found.items() if n.startswith("rejected: ")})
        total, format = found.get("in", 0), self.options.format or "text"
        if rejected:
            line = records.explain(format, rejected, total)
            if sum(rejected.values()) == total:
                raise RecordError(line)
            if not self.options.quiet:
                print(f"{self.KIND}: {line}", file=sys.stderr)
        if self.LABELLED and not found.get("used"):
            raise RecordError(f"no labelled record in the input ({total} lines in, split {self.options.split})")

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The specification."""
        return {"specification": self.specification}

    def _non_option_kwargs(self) -> dict[str, Any]:
        """Adds to the tasks' arguments what the driver has found out about the input."""
        kwargs: dict[str, Any] = super()._non_option_kwargs()
        self.tokenizer  # noqa: B018 - a wrong flag is an error of the driver, not of a task
        kwargs["extra_args"] = [*kwargs["extra_args"], *self._settle(self.options.args)]
        return kwargs

    def _settle(self, paths: list[str]) -> list[Any]:
        """Arguments for the tasks that the driver alone can find out; files are `task_file`s."""
        options = self.options
        named = [path for path in paths if path != "-"]
        if options.format is None:
            options.format = records.detect_format(named if "://" in "".join(named) else expand(named))
        if self.LABELLED and options.format == "text":
            names = ", ".join(name for name in records.FORMATS if name != "text")
            raise UserError(f"{self.KIND} needs labelled records; the input looks like text; give --format ({names})")
        settled: list[Any] = ["--format", options.format]
        if options.specification:
            settled += ["--specification", task_file(options.specification)]
        if options.format == "csv" and options.columns is None:
            columns = records.csv_columns(expand(named), options.text_field, options.label_field)
            options.columns = ",".join(map(str, columns))
        if options.columns is not None:
            settled += ["--columns", options.columns]
        return settled


def task_file(path: str) -> dict[str, Any]:
    """An argument that is a file: it is sent to the nodes, and the task gets the name that it has there."""
    return {"type": "file", "path": os.path.abspath(path), "name": None}


def widths(text: str) -> tuple[int, ...]:
    """Parses "3-5" as (3, 4, 5), "1,3" as (1, 3) and "2" as (2,).

    Raises:
        ValueError: it is none of these.
    """
    first, dash, last = text.partition("-")
    return tuple(range(int(first), int(last) + 1)) if dash else tuple(map(int, text.split(",")))
