"""Rows of a table to shard lines: a recipe, which is data, says what numbers become of each column.

A recipe is made of the figures of the training rows (jobs/schema.py) and stands in the manifest of what it has encoded.
All is computed in double and rounded once, to float32; `models.layers.table_encoder` is the same in a graph. Nothing
here knows a job or a model.
"""

from __future__ import annotations

import json
import math
import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from mapreduce.errors import UserError
from mapreduce.input.records import record_hash
from mapreduce.tables import types
from mapreduce.tables.misfits import Misfit, no_value
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import DATE, DOUBLE, INT, LONG, NUMBERS, TEXT, TIMESTAMP
from mapreduce.tokens.hashing import bucket
from mapreduce.tokens.specification import preset
from mapreduce.tokens.tokenizer import Tokenizer

FIELD = "recipe"
"""Where a manifest has it."""
NUMBER, CATEGORY, HASHED, TIME, WORDS = "number", "category", "hashed", "time", "words"
CLASSES = "classes"
TASKS = (CLASSES, NUMBER)
STANDARD, RANGE = "standard", "range"
NUMBERS_AS = (STANDARD, RANGE)
"""What becomes of a number: so many deviations from the mean, or where it is between the least and the largest."""
LIMIT = 10.0
"""Numbers are cut to so much, on both sides of 0: what is far outside of the training rows says no more than that."""
WORD = preset("words")
"""What a word of a text is."""
CATEGORIES, BUCKETS = 100, 256
"""Values of a category that have places of their own, at most; and places of one that has more values, or of words."""
LISTED = 1000
"""Values that the figures have to name, so that all are known of a category."""
FEW, MOST_CLASSES = 20, 1000
"""A whole number of more values is a number and no class, and a text of more may be an id; classes are no more."""
KEPT = 1 << 21
"""Numbers of values of a category that are kept, so that they need not be made again."""
_NORMAL, _UNIFORM = 3.2897, math.sqrt(12)  # deviations from the quantile 0.05 to 0.95; in the range of a flat one
_EPOCH = datetime(1970, 1, 1)
DAYS, MONTH, DAY, WEEKDAY, SECONDS = "days", "month", "day", "weekday", "seconds"
_CALENDAR = {
    MONTH: (6.5, _UNIFORM / 12),
    DAY: (16.0, _UNIFORM / 31),
    WEEKDAY: (4.0, _UNIFORM / 7),
    SECONDS: (43200.0, _UNIFORM / 86400),
}
"""Parts of a time, whose mean and deviation are those of a calendar: month and day from 1, Monday is 1, and the seconds
of the day."""
_IDS = ("id", "index", "row", "key", "no", "nr", "number", "unnamed: 0", "c1")


@dataclass(frozen=True)
class Target:
    """The column that is to be learnt: one of `TASKS`; of a number what the model multiplies and adds to get it."""

    name: str
    type: str
    task: str
    mean: float = 0.0
    deviation: float = 1.0


@dataclass(frozen=True)
class Input:
    """A column that a model reads, and what becomes of it.

    Attributes:
        kind: NUMBER: (x - center) * factor, cut to LIMIT; a missing one is 0. CATEGORY: a place for each of `values`,
            and one for any other. HASHED: a place for each of `buckets`. WORDS: the
            same, 1 for each word that there is. TIME: each of `parts`, (name, center,
            factor), as a number.
        missing: whether a further place, the last, is 1 where there is no value; else such a row has zeros.
    """

    name: str
    type: str
    kind: str
    center: float = 0.0
    factor: float = 1.0
    values: tuple[str, ...] = ()
    buckets: int = 0
    parts: tuple[tuple[str, float, float], ...] = ()
    missing: bool = False

    @property
    def dtype(self) -> str:
        """What a model takes it as: numbers as float64, NaN being a missing one, all else as strings, "" being one."""
        return "float64" if self.kind == NUMBER else "string"

    @property
    def places(self) -> list[str]:
        """What each of its numbers is, for people."""
        own = {
            NUMBER: [self.name],
            CATEGORY: [*(f"{self.name} = {value}" for value in self.values), f"{self.name}: another"],
            HASHED: [f"{self.name}: bucket {number}" for number in range(self.buckets)],
            WORDS: [f"{self.name}: words {number}" for number in range(self.buckets)],
            TIME: [f"{self.name}: {part}" for part, _, _ in self.parts],
        }[self.kind]
        return own + [f"{self.name}: missing"] * self.missing


@dataclass(frozen=True)
class Recipe:
    """What becomes of the columns of a table.

    Attributes:
        target: what is to be learnt.
        inputs: what it is learnt from, in the order of the numbers.
        nulls: what is a missing value beside an empty field.
        left_out: why other columns are not read, by name.
    """

    target: Target
    inputs: tuple[Input, ...]
    nulls: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def places(self) -> list[str]:
        """What each number of a row is, for people."""
        return [place for one in self.inputs for place in one.places]

    def to_json(self) -> dict[str, Any]:
        """As a manifest has it: what is as usual is left out."""
        inputs = [
            {name: value for name, value in asdict(one).items() if value != getattr(_USUAL, name)}
            for one in self.inputs
        ]
        found = {"target": asdict(self.target), "inputs": inputs, "nulls": list(self.nulls)}
        made: dict[str, Any] = json.loads(json.dumps({**found, "left_out": dict(self.left_out)}))
        return made

    @classmethod
    def from_json(cls, data: Any, where: str) -> Recipe:
        """Reads what `to_json` gives.

        Raises:
            UserError: it is none.
        """
        try:
            inputs = [_input(one) for one in data["inputs"]]
            left_out = tuple(data["left_out"].items())
            return cls(Target(**data["target"]), tuple(inputs), tuple(data["nulls"]), left_out)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(f"{where}: no recipe of a table; encode the table again") from None


_USUAL = Input("", "", "")


def _input(data: Mapping[str, Any]) -> Input:
    parts = tuple((str(name), float(center), float(factor)) for name, center, factor in data.get("parts", ()))
    found = Input(**{**data, "values": tuple(data.get("values", ())), "parts": parts})
    if found.kind not in (NUMBER, CATEGORY, HASHED, TIME, WORDS) or found.type not in types.TYPES:
        raise ValueError
    return found


def make(
    figures: Mapping[str, Mapping[str, Any]],
    schema: Schema,
    target: str,
    *,
    task: str | None = None,
    numbers: str = STANDARD,
    categories: int = CATEGORIES,
    buckets: int = BUCKETS,
    words: Iterable[str] = (),
) -> Recipe:
    """The recipe for the columns of a table.

    Args:
        figures: of the training rows, by column, with the `top` `LISTED` values.
        target: name of the column that is to be learnt.
        task: one of `TASKS`; None is by the column: whole numbers of more than FEW values and all others are numbers.
        numbers: one of `NUMBERS_AS`.
        categories: values of a category that have a place, at most; a column of more is hashed to `buckets`.
        words: columns of texts whose words are read, hashed to `buckets`.

    Raises:
        UserError: there is no such column, it cannot be learnt, or nothing is left to learn it from.
    """
    name = schema.of(target, "--target").name
    made = _target(name, figures[name], task)
    texts = {schema.of(column, "--words").name for column in words}
    inputs: list[Input] = []
    left_out: list[tuple[str, str]] = []
    for column in schema.names:
        if column in texts and column != name:
            found = figures[column]
            inputs.append(Input(column, TEXT, WORDS, buckets=buckets, missing=found["missing"] > 0))
        elif column != name:
            made_of = _made(column, figures[column], numbers, categories, buckets)
            if isinstance(made_of, Input):
                inputs.append(made_of)
            else:
                left_out.append((column, made_of))
    if not inputs:
        why = "; ".join(f"{column}: {said}" for column, said in left_out) or "there is no other"
        raise UserError(f"--target {name}: no column to learn it from ({why})")
    return Recipe(made, tuple(inputs), schema.nulls, tuple(left_out))


def _target(name: str, found: Mapping[str, Any], task: str | None) -> Target:
    kind, distinct, count = found["type"], found["distinct"], found["count"]
    if task is None:
        task = NUMBER if kind in NUMBERS and (distinct > FEW or kind not in (INT, LONG)) else CLASSES
    if distinct < 2:
        raise UserError(f"--target {name}: {distinct} value in {count} training rows; two or more can be told apart")
    if task == CLASSES:
        if distinct > MOST_CLASSES or (distinct > FEW and distinct > count / 2):
            hint = "give --task number" if kind in NUMBERS else "give another column"
            raise UserError(f"--target {name}: {distinct} values in {count} rows are no classes; {hint}")
        return Target(name, kind, task)
    if kind not in NUMBERS:
        raise UserError(f"--target {name}: --task number, and it is {kind}, such as {found['min']!s:.40}")
    mean, deviation = found["mean"], found["deviation"]
    if not _is_finite(mean) or not _is_finite(deviation):
        raise UserError(f"--target {name}: some of its values are no finite numbers; clean the table first")
    return Target(name, kind, task, float(mean), float(deviation))


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _made(name: str, found: Mapping[str, Any], numbers: str, categories: int, buckets: int) -> Input | str:
    """What becomes of a column; or why it is left out."""
    kind, distinct, count, missing = found["type"], found["distinct"], found["count"], found["missing"] > 0
    if not count:
        return "no value"
    if distinct == 1 and not missing:
        return "one value only"
    if kind in NUMBERS:
        return _number(name, found, numbers)
    if kind in (DATE, TIMESTAMP):
        return _time(name, found)
    if distinct > FEW and distinct > count / 2:
        return f"an id, or free text, which --words reads: {distinct} values in {count} rows"
    if distinct <= categories and found["top"] is not None and len(found["top"]) == distinct:
        values = tuple(value for value, times in found["top"] if times > 1 and "\ufffd" not in value)
        return Input(name, kind, CATEGORY, values=values, missing=missing)
    return Input(name, kind, HASHED, buckets=buckets, missing=missing)


def _number(name: str, found: Mapping[str, Any], numbers: str) -> Input | str:
    kind, count, low, high, missing = found["type"], found["count"], found["min"], found["max"], found["missing"] > 0
    is_id = name.casefold() in _IDS or name.casefold().endswith(("_id", " id"))
    if is_id and kind in (INT, LONG) and found["distinct"] > 0.95 * count:
        return f"an id: {found['distinct']} values in {count} rows"
    center, width = found["mean"], found["deviation"]
    if numbers == RANGE:
        center, width = low, float(high) - float(low) if _is_finite(low) and _is_finite(high) else None
    if not _is_finite(center) or not _is_finite(width):
        quantiles = found["quantiles"]
        if not quantiles:
            return "no finite number"
        center, width = quantiles["0.5"], (quantiles["0.95"] - quantiles["0.05"]) / _NORMAL
    factor = 1 / width if width else 1.0
    return Input(name, kind, NUMBER, float(center), factor if math.isfinite(factor) else 1.0, missing=missing)


def _time(name: str, found: Mapping[str, Any]) -> Input:
    read = types.reader(TIMESTAMP)
    low, high = ((read(str(found[end]).encode()) - _EPOCH).days for end in ("min", "max"))
    parts = [(DAYS, (low + high) / 2, _UNIFORM / (high - low) if high > low else 1.0)]
    wanted = [MONTH, DAY, WEEKDAY] + [SECONDS] * (found["type"] == TIMESTAMP)
    parts += [(part, *_CALENDAR[part]) for part in wanted]
    return Input(name, found["type"], TIME, parts=tuple(parts), missing=found["missing"] > 0)


def time_parts(value: datetime) -> dict[str, float]:
    """The parts of a time, whole numbers all of them."""
    return {
        DAYS: float((value - _EPOCH).days),
        MONTH: float(value.month),
        DAY: float(value.day),
        WEEKDAY: float(value.isoweekday()),
        SECONDS: float(value.hour * 3600 + value.minute * 60 + value.second),
    }


def scaled(value: float, center: float, factor: float) -> float:
    """A number as models read it, still a double."""
    return min(max((value - center) * factor, -LIMIT), LIMIT)


def column_encoder(column: Input) -> Callable[[bytes | None], list[float]]:
    """What makes the numbers of a value, None where it is missing; it raises ValueError for one of another type."""
    width, missing = len(column.places) - column.missing, column.missing
    nothing = [0.0] * width + [1.0] * missing
    there = [0.0] * missing

    def numbers(value: bytes | None) -> list[float]:
        found: float = math.nan if value is None else types.reader(DOUBLE)(value)
        return nothing if found != found else [scaled(found, column.center, column.factor), *there]

    read = types.reader(TIMESTAMP if column.type == TIMESTAMP else DATE)

    def times(value: bytes | None) -> list[float]:
        if value is None:
            return nothing
        when = read(value)
        parts = time_parts(when if isinstance(when, datetime) else datetime(when.year, when.month, when.day))
        return [*(scaled(parts[part], center, factor) for part, center, factor in column.parts), *there]

    canonical = types.canonical(column.type)
    index = {value.encode(): place for place, value in enumerate(column.values)}
    known: dict[bytes, list[float]] = {}

    def categories(value: bytes | None) -> list[float]:
        if value is None:
            return nothing
        if value not in known:
            form = canonical(value)
            place = bucket(form, width) if column.kind == HASHED else index.get(form, width - 1)
            if len(known) * width > KEPT:
                known.clear()
            known[value] = [0.0] * place + [1.0] + [0.0] * (width - 1 - place) + there
        return known[value]

    tokenizer, bucket_of = Tokenizer(WORD), lru_cache(1 << 16)(lambda word: bucket(word, column.buckets))

    def words(value: bytes | None) -> list[float]:
        found = [0.0] * width
        for word in tokenizer.features(value or b""):
            found[bucket_of(word)] = 1.0
        return nothing if value is None else found + there

    made = {NUMBER: numbers, TIME: times, CATEGORY: categories, HASHED: categories, WORDS: words}
    return made[column.kind]


class TableEncoder:
    """Makes the numbers of rows.

    Args:
        places: where the columns of the recipe's inputs stand in a row, and last the target, where rows have it.
    """

    def __init__(self, recipe: Recipe, places: Sequence[int]) -> None:
        self._recipe = recipe
        self._nulls = frozenset(null.encode() for null in recipe.nulls)
        self._target = places[len(recipe.inputs)] if len(places) > len(recipe.inputs) else -1
        self._columns = [(place, column, column_encoder(column)) for place, column in zip(places, recipe.inputs)]
        self._form = struct.Struct(f"<{len(recipe.places)}f")
        self._canonical = types.canonical(recipe.target.type)

    def numbers(self, fields: Sequence[bytes]) -> list[float]:
        """The numbers of a row's fields, as doubles.

        Raises:
            Misfit: a value is none of its column's type.
        """
        found: list[float] = []
        for place, column, encode in self._columns:
            value = fields[place]
            try:
                found += encode(None if not value or value in self._nulls else value)
            except ValueError:
                raise no_value(column.type, place) from None
        return found

    def label(self, fields: Sequence[bytes]) -> bytes:
        """The target of a row: a class in its one form, or a number.

        Raises:
            Misfit: there is none that can be learnt.
        """
        value = fields[self._target]
        if not value or value in self._nulls:
            raise Misfit("no target")
        if self._recipe.target.task == CLASSES:
            return self._class(value)
        try:
            found: float = types.reader(DOUBLE)(value)
        except ValueError:
            raise Misfit("the target is no number") from None
        if not math.isfinite(found):
            raise Misfit("the target is no finite number")
        return types.write(found)

    def _class(self, value: bytes) -> bytes:
        try:
            found = self._canonical(value).strip()
        except ValueError:
            raise Misfit(f"the target is no {self._recipe.target.type}") from None
        if not found:
            raise Misfit("no target")
        if b"\t" in found or b"\n" in found or b"\r" in found:
            raise Misfit("tab or line end in the target")
        try:
            found.decode()
        except UnicodeDecodeError:
            raise Misfit("the target is not UTF-8") from None
        return found

    def line(self, row: bytes, fields: Sequence[bytes], salt: bytes = b"") -> bytes:
        """The shard line of a row.

        Args:
            row: the line of the row, as `mapreduce.input.rows` has it, of which the hash is.

        Raises:
            Misfit: it cannot be used.
        """
        data = urlsafe_b64encode(self._form.pack(*self.numbers(fields)))
        return b"%s\t%s\t%s\n" % (record_hash(row, salt).encode(), self.label(fields), data)


def described(recipe: Recipe) -> Iterator[str]:
    """What there is to say of a recipe, a line each."""
    target = recipe.target
    kinds = [one.kind for one in recipe.inputs]
    several = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    what = "a number" if target.task == NUMBER else "classes"
    yield f"{target.name}: {what}, from {several}: {len(recipe.places)} places"
    for name, why in recipe.left_out:
        yield f"left out: {name} ({why})"
