"""Parquet, Arrow and Feather files: rows of columns, read by pyarrow and taken as JSON lines are.

pyarrow is an extra, and is imported where a file is opened: in a task, after the fork.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any, BinaryIO, cast

from mapreduce.command import require
from mapreduce.errors import PathError, UserError
from mapreduce.input.files import Lines, Source, shown
from mapreduce.input.formats.format import Layout, field_names
from mapreduce.input.formats.jsonl import JsonLines
from mapreduce.paths import absolute

ROWS = 4096
"""Rows that are in memory at once."""


class Columns(JsonLines):
    """Rows of a file of columns."""

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """Looks at the names of the columns.

        Raises:
            UserError: pyarrow is not installed, or a column is missing.
        """
        require("pyarrow")
        if layout.names is not None:
            found = {source.name: tuple(cls.columns(source.path)) for source in sources}
            (first, ours), *others = found.items()
            for path, theirs in others:
                if theirs != ours:
                    raise UserError(f"{path}: columns {theirs!s:.200} are not those of {first}, {ours!s:.200}")
            return replace(layout, names=layout.names or ours)
        for source in sources:
            names = cls.columns(source.path)
            wanted = [("--text-field", name) for name in field_names(layout.text_field, names)]
            wanted += [("--label-field", layout.label_field)] * layout.labelled
            wanted += [("--group-field", layout.group_field)] if layout.group_field is not None else []
            for flag, name in wanted:
                if name.partition(".")[0] not in names and name not in names:
                    raise UserError(
                        f"{source.name}: no column {name!r}; there are {', '.join(names)}; name it with {flag}"
                    )
        return layout

    @staticmethod
    def columns(path: str) -> list[str]:
        """The names of a file's columns."""
        raise NotImplementedError


class Parquet(Columns):
    """Rows of a Parquet file."""

    name = "parquet"
    suffixes = (".parquet", ".pq")

    @staticmethod
    def columns(path: str) -> list[str]:
        """The names of a file's columns."""
        return cast("list[str]", _opened(path).schema_arrow.names)

    @staticmethod
    def open(path: str, mode: str) -> BinaryIO:
        """Opens a file as a stream of its rows, as JSON lines."""
        return cast(BinaryIO, Lines(_rows(_opened(path).iter_batches(ROWS), path)))

    def reads_whole(self, path: str) -> bool:
        """Whether a file has one group of rows: a group is the least that a task reads."""
        return bool(_opened(path).num_row_groups < 2)

    def edges(self, path: str, wanted: list[int]) -> list[int]:
        """Where groups of rows begin."""
        begins = _begins(_opened(path))
        return [next((begin for begin in begins if begin >= place), os.path.getsize(path)) for place in wanted]

    def open_part(self, path: str, start: int, length: int) -> BinaryIO:
        """Opens the groups of rows that begin in a range of bytes, with the wanted columns alone."""
        file = _opened(path)
        groups = [i for i, begin in enumerate(_begins(file)) if start <= begin < start + length]
        names = file.schema_arrow.names
        fields = [*field_names(self.layout.text_field, names), self.layout.label_field, self.layout.group_field or ""]
        asked = [name for name in names if name in {f if f in names else f.partition(".")[0] for f in fields}]
        whole = self.layout.keeps_all or bool(self.layout.names)
        batches = file.iter_batches(ROWS, row_groups=groups, columns=None if whole else asked)
        return cast(BinaryIO, Lines(_rows(batches, path)))


class Arrow(Columns):
    """Rows of an Arrow (IPC) or Feather file."""

    name = "arrow"
    suffixes = (".arrow", ".feather")

    @staticmethod
    def columns(path: str) -> list[str]:
        """The names of a file's columns."""
        return cast("list[str]", _opened_arrow(path).schema.names)

    @staticmethod
    def open(path: str, mode: str) -> BinaryIO:
        """Opens a file as a stream of its rows, as JSON lines."""
        file = _opened_arrow(path)
        batches = (file.get_batch(i) for i in range(file.num_record_batches))
        return cast(BinaryIO, Lines(_rows(batches, path)))


def _opened(path: str) -> Any:
    import pyarrow.parquet

    with _explained(path, "no Parquet file that can be read"):
        return pyarrow.parquet.ParquetFile(absolute(path))


def _opened_arrow(path: str) -> Any:
    import pyarrow

    with _explained(path, "no Arrow or Feather file that can be read"):
        return pyarrow.ipc.open_file(pyarrow.memory_map(absolute(path)))


def _begins(file: Any) -> list[int]:
    """Where in a file its groups of rows begin."""
    found = []
    for i in range(file.num_row_groups):
        column = file.metadata.row_group(i).column(0)
        found.append(min(filter(None, (column.dictionary_page_offset, column.data_page_offset))))
    return found


@contextmanager
def _explained(path: str, what: str) -> Iterator[None]:
    """What pyarrow raises in the block is an error of the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        cause = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise PathError(f"{shown(path)}: {what}: {cause}") from None


def _rows(batches: Iterable[Any], path: str) -> Generator[bytes, None, None]:
    with _explained(path, "damaged or unreadable"):
        for batch in batches:
            for row in batch.to_pylist():
                yield json.dumps(row, ensure_ascii=False, default=_plain).encode("utf-8", "surrogatepass") + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
