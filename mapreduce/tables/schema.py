"""The schema of a table: names and types of its columns. It is data, and stands in the manifest of what has rows."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mapreduce.errors import UserError
from mapreduce.output import manifest as manifests
from mapreduce.tables import types

FIELD = manifests.SCHEMA
"""Where a manifest has it."""


@dataclass(frozen=True)
class Column:
    """A column: its name, and one of `types.TYPES`."""

    name: str
    type: str = types.TEXT


@dataclass(frozen=True)
class Schema:
    """Columns in their order, and what stands for a missing value beside an empty field."""

    columns: tuple[Column, ...]
    nulls: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def place(self, name: str, where: str = "") -> int:
        """The place of a column, from 0; a name is found whatever its case where only one is alike.

        Raises:
            UserError: there is none; the nearest names are proposed.
        """
        names = self.names
        if name in names:
            return names.index(name)
        alike = [place for place, one in enumerate(names) if one.casefold() == name.casefold()]
        if len(alike) == 1:
            return alike[0]
        near = difflib.get_close_matches(name, names, 3, 0.5)
        hint = f"perhaps {' or '.join(near)}; " if near else ""
        raise UserError(f"{where + ': ' if where else ''}no column {name!r}; {hint}there are {', '.join(names)}")

    def of(self, name: str, where: str = "") -> Column:
        """The column of a name; raises as `place` does."""
        return self.columns[self.place(name, where)]

    def places(self, names: str, where: str = "") -> tuple[int, ...]:
        """The places of the columns that a list names, as a,b; one whose name holds a comma may stand alone.

        Raises:
            UserError: as `place` does.
        """
        if names in self.names:
            return (self.place(names),)
        return tuple(self.place(name.strip(), where) for name in names.split(",") if name.strip())

    def to_json(self) -> dict[str, Any]:
        """As a manifest has it."""
        columns = [{"name": column.name, "type": column.type} for column in self.columns]
        return {"columns": columns, "nulls": ["", *self.nulls]}

    @classmethod
    def from_json(cls, data: Any, where: str) -> Schema:
        """Reads what `to_json` gives.

        Raises:
            UserError: it is none.
        """
        try:
            columns = tuple(Column(str(one["name"]), one["type"]) for one in data["columns"])
            nulls = tuple(str(one) for one in data.get("nulls", ()) if one)
            wrong = [column.type for column in columns if column.type not in (*types.TYPES, types.NULL)]
        except (KeyError, TypeError, AttributeError):
            raise UserError(f'{where}: no schema, {{"columns": [{{"name": ..., "type": ...}}, ...]}}') from None
        if wrong:
            raise UserError(f"{where}: no type {wrong[0]!r}; there are {', '.join(types.TYPES)}")
        return cls(columns, nulls)

    def with_types(self, given: dict[str, str]) -> Schema:
        """The schema with other types for some columns."""
        places = {self.place(name, "--types"): kind for name, kind in given.items()}
        columns = (Column(one.name, places.get(i, one.type)) for i, one in enumerate(self.columns))
        return Schema(tuple(columns), self.nulls)


def parse_types(text: str, flag: str = "--types") -> dict[str, str]:
    """The types that a flag names, by column.

    Example:
        >>> parse_types("age:int, height:double")
        {'age': 'int', 'height': 'double'}

    Raises:
        UserError: it is no list of names and types.
    """
    found = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, colon, kind = part.rpartition(":")
        if not colon or kind not in types.TYPES:
            raise UserError(f"{flag} is name:type,name:type with types {', '.join(types.TYPES)}. Received: {part!r}")
        found[name] = kind
    return found


def read(place: str) -> Schema:
    """The schema in a JSON file, or in the manifest of an output.

    Raises:
        UserError: there is none.
    """
    if place.startswith("{"):  # a driver has settled it
        return Schema.from_json(json.loads(place), "--schema")
    if os.path.isdir(place):
        found = manifests.read(place)
        if FIELD not in found:
            raise UserError(f"{place}: its manifest has no schema; give the output of jobs/schema.py")
        return Schema.from_json(found[FIELD], place)
    try:
        with open(place, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise UserError(f"{place}: no schema can be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"{place}: no schema, as it is no JSON: {error}") from None
    return Schema.from_json(data.get(FIELD, data) if isinstance(data, dict) else data, place)


def of_outputs(paths: Iterable[str]) -> Schema | None:
    """The schema that manifests have, where paths are outputs of table jobs; None where none is.

    Raises:
        UserError: one holds no rows, or other columns than the first.
    """
    found: dict[str, Schema] = {}
    for path in paths:
        if os.path.isfile(os.path.join(path, manifests.NAME)):
            manifest = manifests.read(path)
            if FIELD not in manifest or manifest["kind"] == "schema":
                raise UserError(f"{path}: the output of {manifest['kind']}, which holds no rows of a table")
            found[path] = Schema.from_json(manifest[FIELD], path)
    if not found:
        return None
    (first, schema), *others = found.items()
    for path, theirs in others:
        if theirs != schema:
            raise UserError(f"{path}: its columns are not those of {first}")
    return schema


def of_names(names: Sequence[str], nulls: Iterable[str] = ()) -> Schema:
    """A schema of columns whose types are not known: `null`."""
    return Schema(tuple(Column(name, types.NULL) for name in names), tuple(nulls))
