"""Trains a model on records that a program holds: a DataFrame, dicts, or pairs of label and text.

They are written to a file of JSON lines beside the job outputs, and `models.train` does the rest; what is no record is
left out, counted and shown, as the jobs do it. Nothing is imported from the package that a DataFrame is of.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from numbers import Integral
from typing import TYPE_CHECKING, Any

from mapreduce.command import require
from mapreduce.errors import RecordError, UserError
from mapreduce.flag_values import exceeds
from mapreduce.input.formats.jsonl import JsonLines
from mapreduce.input.records import RecordReader
from mapreduce.output import atomic
from models.serving.load import load
from models.train import train, work_folder
from models.training.settings import DEFAULT, Settings

if TYPE_CHECKING:
    from models.serving.classifier import Classifier

NAME = "records.jsonl"
"""The file in `output`.work; its name stays, so that equal records are known for the same again."""


def fit(
    records: Any,
    output: str | os.PathLike[str],
    *,
    text: str = "text",
    label: str = "label",
    model: str = "linear",
    settings: Settings = DEFAULT,
    max_rejected: float = 0.01,
) -> Classifier:
    """Makes a model of records, in `output`, and loads it; one that was made of equal records is only loaded.

    Args:
        records: a DataFrame, or dicts, with the fields `text` and `label`, or pairs (label, text). A text is a str, a
            label a str or a whole number, which becomes a str.
        output: a folder for the model; `output`.work keeps what it was made from, the texts among it.
        model: one of the models of texts, as `models.train.train` takes it.
        settings: how training runs.
        max_rejected: how many records may be none (None, NaN, an empty text, ...): a number, or as a float a share.

    Raises:
        RecordError: too many records are none; the first is shown with its number, from 0.
        UserError: a field is missing, or the records do not make a model.
    """
    require("numpy" if settings.no_saved_model else "tensorflow")
    from models.training import checks

    lines = _lines(records, text, label, max_rejected, settings.group_field)
    path = work_folder(output) / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.whole_file(path) as file:
        file.writelines(lines)
    checked = checks.check([str(path)], validation=settings.validation, group_field=settings.group_field)
    try:
        train([path], output, model=model, settings=settings, checked=checked)
    except SystemExit:
        raise UserError("a job of the training has failed; standard error says why") from None
    return load(output)


def _lines(records: Any, text: str, label: str, most: float, group: str | None = None) -> list[bytes]:
    """A JSON line for each record; the format's own reader says what is none."""
    reader = RecordReader(JsonLines.name)
    lines, first = [], ""
    for number, (found, name, content, alike) in enumerate(_fields(records, text, label, group)):
        line = {"label": _label(name), "text": content if isinstance(content, str) else None}
        if group is not None:
            line.setdefault(group, None if alike is None else str(alike))
        block = json.dumps(line).encode("ascii") + b"\n"
        if reader.read(block):
            lines.append(block)
        else:
            first = first or f"record {number}, {found!r:.80}"
    if rejected := sum(reader.rejected.values()):
        causes = ", ".join(f"{cause} ({n})" for cause, n in reader.rejected.most_common(3))
        told = f"{rejected} of {reader.lines} records are none: {causes}; the first: {first}"
        if exceeds(rejected, reader.lines, most):
            raise RecordError(
                f"{told}; more than max_rejected={most}; mend them, or give other fields (text={text!r}, "
                f"label={label!r})"
            )
        print(f"fit: {told}", file=sys.stderr)
    if not lines:
        raise RecordError("no records to train on; give some")
    return lines


def _label(value: Any) -> str | int | None:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return value if isinstance(value, str) else None


def _fields(records: Any, text: str, label: str, group: str | None) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Each record, its label, its text and its group, whatever these are."""
    if hasattr(records, "columns") and hasattr(records, "to_dict"):  # a DataFrame
        columns = list(records.columns)
        for name in (text, label, *([] if group is None else [group])):
            if columns.count(name) != 1:
                raise UserError(f"{columns.count(name)} columns {name!r} and not one; there are {columns!r:.200}")
        groups = repeat(None) if group is None else records[group]
        yield from ((one[:2], *one) for one in zip(records[label], records[text], groups))
        return
    if isinstance(records, (str, bytes, Mapping)) or not isinstance(records, Iterable):
        raise UserError(f"records are a DataFrame, dicts or pairs (label, text). Received: {type(records).__name__}")
    for number, record in enumerate(records):
        if isinstance(record, Mapping):
            if group is not None and group not in record:
                raise UserError(f"record {number} has no field {group!r}, its group. Received: {record!r:.60}")
            yield record, record.get(label), record.get(text), None if group is None else record[group]
        elif isinstance(record, (tuple, list)) and len(record) == 2 and group is None:
            yield record, *record, None
        else:
            wanted = "neither a dict nor a pair (label, text)" if group is None else f"no dict with a field {group!r}"
            raise UserError(f"record {number} is {wanted}. Received: {record!r:.60}")
