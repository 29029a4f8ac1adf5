"""Exported models of tables in use: raw columns, or the rows of files, to labels or to numbers.

`models.load` gives these where the manifest says that a model reads a table. Nothing is trained or read from files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.input import rows as row_lines
from mapreduce.tables import types
from mapreduce.tables.encoding import NUMBER, Input, Recipe, column_encoder
from models.serving.classifier import as_list
from models.serving.loaded_texts import LoadedModel, answer_all

ROWS = 4096
"""Rows that are answered at once."""
Columns = dict[str, Any]


class LoadedTable(LoadedModel):
    """An exported model of a table.

    Attributes:
        recipe: which columns it reads, and what becomes of them.
        labels: names in the order of the probabilities; of a model that gives a number there are none.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory)
        self.recipe = Recipe.from_json(self.manifest["model"].get("recipe"), os.fspath(directory))
        self._nulls = frozenset([b"", *(null.encode() for null in self.recipe.nulls)])

    @property
    def gives_number(self) -> bool:
        """Whether it gives a number for each row, and no labels."""
        return self.recipe.target.task == NUMBER

    def __call__(self, columns: Any) -> np.ndarray[Any, Any]:
        """Probabilities, float32 [rows, labels]; or numbers, float64 [rows].

        Args:
            columns: a dict of lists or arrays of one length, by the columns' names, or a pandas DataFrame; others than
                those of the recipe may be there. Missing is None, NaN or "". Numbers may be strings.

        Raises:
            UserError: a column is missing, or holds a value that is none of its type.
        """
        found = self._columns(columns)
        size = len(next(iter(found.values())))
        parts = [self._ask({name: one[at : at + ROWS] for name, one in found.items()}) for at in range(0, size, ROWS)]
        answers = np.concatenate([self._nothing(0), *parts])
        for place in np.flatnonzero(np.isnan(answers).any(axis=1)).tolist():
            raise UserError(f"rows[{place}]: {self._cause([found[one.name][place] for one in self.recipe.inputs])}")
        return answers[:, 0] if self.gives_number else answers

    def predict(self, columns: Any) -> list[Any]:
        """The most probable label of each row, or the number."""
        found = self(columns)
        return found.tolist() if self.gives_number else [self.labels[i] for i in found.argmax(axis=1)]

    def answer(self, texts: Any) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
        """Probabilities, or numbers [rows, 1], and why there is none, by place from 0.

        Args:
            texts: lines of rows, as `mapreduce.input.rows` has them, of the recipe's columns in its order.
        """
        fields = [row_lines.split(line) for line in texts]
        result, causes = self._nothing(len(fields)), dict[int, str]()
        for at in range(0, len(fields), ROWS):
            some = fields[at : at + ROWS]
            answer_all(self._ask_fields, some, list(range(at, at + len(some))), result, causes)
        nothing = np.isnan(result).any(axis=1)
        causes = {place: self._cause(fields[place]) if nothing[place] else cause for place, cause in causes.items()}
        return result, dict(sorted(causes.items()))

    def encode(self, texts: Any) -> np.ndarray[Any, Any]:
        """The numbers that the network reads, float32 [rows, numbers], of rows as `answer` takes them."""
        fields = [row_lines.split(line) for line in texts]
        found = [np.zeros((0, len(self.recipe.places)), np.float32)]
        for at in range(0, len(fields), ROWS):
            columns, _ = self._of_fields(fields[at : at + ROWS])
            found.append(self._saved.encode(self._tensors(columns)).numpy())
        return np.concatenate(found)

    def _nothing(self, size: int) -> np.ndarray[Any, Any]:
        shape = (size, 1 if self.gives_number else len(self.labels))
        return np.full(shape, np.nan, np.float64 if self.gives_number else np.float32)

    def _ask_fields(self, fields: Sequence[Sequence[bytes]]) -> np.ndarray[Any, Any]:
        columns, wrong = self._of_fields(fields)
        answers = self._ask(columns)
        answers[wrong] = np.nan
        return answers

    def _ask(self, columns: Columns) -> np.ndarray[Any, Any]:
        found = self._saved.serve(self._tensors(columns))
        number = self.gives_number
        return np.array(found["numbers"].numpy()[:, None] if number else found["probabilities"].numpy())

    def _tensors(self, columns: Columns) -> Columns:
        import tensorflow as tf

        return {
            one.name: tf.constant(columns[one.name], one.dtype, [len(columns[one.name])]) for one in self.recipe.inputs
        }

    def _of_fields(self, fields: Sequence[Sequence[bytes]]) -> tuple[Columns, list[int]]:
        """Columns of rows of fields, and the places of rows where what should be a number is none."""
        found: Columns = {}
        wrong: list[int] = []
        for one, values in zip(self.recipe.inputs, zip(*fields)):
            found[one.name] = list(values)
            if one.kind == NUMBER:
                found[one.name], misfits = self._numbers(values)
                wrong += misfits
        return found, wrong

    def _numbers(self, values: Sequence[bytes]) -> tuple[np.ndarray[Any, Any], list[int]]:
        """The numbers of fields, NaN for what is missing or none, and the places of those that are none."""
        read, nulls = types.reader(types.DOUBLE), self._nulls
        found, wrong = np.full(len(values), np.nan), []
        for place, value in enumerate(values):
            if value not in nulls:
                try:
                    found[place] = read(value)
                except ValueError:
                    wrong.append(place)
        return found, wrong

    def _columns(self, given: Any) -> Columns:
        """Columns of what `__call__` takes."""
        if not (isinstance(given, Mapping) or hasattr(given, "columns")):
            raise UserError(f"a model of a table takes a dict of columns. Received: {type(given).__name__}")
        if missing := [one.name for one in self.recipe.inputs if one.name not in given]:
            raise UserError(f"no column {', '.join(missing)}; there are {', '.join(map(str, given))!s:.200}")
        found = {one.name: self._column(one, given[one.name]) for one in self.recipe.inputs}
        sizes = {name: len(one) for name, one in found.items()}
        if len(set(sizes.values())) > 1:
            raise UserError(f"columns have one length. Received: {sizes}")
        return found

    def _column(self, column: Input, values: Any) -> Any:
        values = values.to_numpy() if hasattr(values, "to_numpy") else values
        if column.kind == NUMBER and isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
            return values.astype(np.float64)
        fields = [_as_field(value, column.name, place) for place, value in enumerate(as_list(values, "value"))]
        if column.kind != NUMBER:
            return fields
        found, wrong = self._numbers(fields)
        for place in wrong:
            raise UserError(f"rows[{place}]: {_misfit(column, fields[place])}")
        return found

    def _cause(self, fields: Sequence[Any]) -> str:
        """Why a row has no answer."""
        for column, value in zip(self.recipe.inputs, fields):
            field = value if isinstance(value, bytes) else types.write(float(value))
            try:
                column_encoder(column)(None if field in self._nulls else field)
            except ValueError:
                return _misfit(column, field)
        return "the model gives no number"


def _misfit(column: Input, field: bytes) -> str:
    what = "number" if column.kind == NUMBER else column.type
    return f"no {what} in column {column.name}: {field.decode('utf-8', 'replace')!r:.40}"


def _as_field(value: Any, name: str, place: int) -> bytes:
    """A value as a row has it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType"):
        return b""
    if isinstance(value, (bool, np.bool_)):
        return b"true" if value else b"false"
    if isinstance(value, np.datetime64):
        return b"" if np.isnat(value) else str(value).encode()
    if isinstance(value, (int, float, np.integer, np.floating)):
        return types.write(value.item() if isinstance(value, np.generic) else value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).encode()
    raise UserError(f"column {name}, row {place}: a number, a string, a date or nothing. Received: {value!r:.40}")
