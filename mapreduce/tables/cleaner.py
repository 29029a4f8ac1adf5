"""Cleans rows as `mapreduce.tables.cleaning` has planned it, and counts what it changes by cause.

A row is a list of fields that one step after the other changes; a value that no step is asked to change stays as it is
written. Nothing here knows a job.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mapreduce.input import rows
from mapreduce.tables import types
from mapreduce.tables.cleaning import Cleaning
from mapreduce.tables.expressions import Expression, a
from mapreduce.tables.misfits import no_value
from mapreduce.tables.schema import Schema
from mapreduce.tables.spreads import MEAN, Figures, missing
from mapreduce.tables.types import BOOLEAN, DATE, DECIMAL, DOUBLE, INT, LONG, NULL, TEXT, TIMESTAMP, WHOLE

Fields = list[bytes]
Step = Callable[[Fields], bool]
"""Changes the fields of a row; False where the row is left out."""
TRIMMED, MISFIT, CLIPPED, FILLED, UNFILLED = "trimmed", "misfit", "clipped", "filled", "not filled"
WHERE, MISSING, EQUAL = "left out: where", "left out: missing value", "left out: equal row"
MOST_COUNTED = 20
"""Columns that changes of a kind are counted for one by one; of more together, as Hadoop has few counters for a job."""


class Cleaner:
    """Cleans rows, one by one.

    Args:
        cleaning: what is done.
        figures: those over all rows that it needs; without any (None) rows can be `chosen` alone.

    Attributes:
        changes: how much was changed, by cause and place of the column; `explained` reads it.

    Raises:
        UserError: a figure that it needs is not there, or is none of its column's type.
    """

    def __init__(self, cleaning: Cleaning, figures: Figures | None) -> None:
        self.changes: Counter[str] = Counter()
        self._cleaning = cleaning
        schema, nulls = cleaning.schema, frozenset(null.encode() for null in cleaning.schema.nulls)
        checked = {place for place in cleaning.used if place not in cleaning.cast}
        kinds = [column.type if place in checked else TEXT for place, column in enumerate(schema.columns)]
        self._fits = _surely(kinds, nulls).fullmatch
        self._readers = [(p, kind, types.reader(kind)) for p, kind in enumerate(kinds) if kind not in (TEXT, NULL)]
        self._first = [*self._trim(), *_blank(nulls)]
        self._second = [*self._cast(), *self._choose()]
        self._third = [*self._clip_and_fill(figures), *self._compute(), *self._require()] if figures is not None else []
        written = cleaning.written
        self._places = None if written == tuple(range(len(cleaning.last.columns))) else written
        changed = self._first or cleaning.cast or cleaning.clips or cleaning.fills or cleaning.computed
        self._keeps = not changed and self._places is None

    def chosen(self, record: bytes) -> Fields | None:
        """The fields of a row behind `where`; None where it is left out.

        Raises:
            Misfit: a value is none of its column's type.
        """
        fields = rows.split(record)
        for step in self._first:
            step(fields)
        if not self._fits(record):
            self._check(fields)
        for step in self._second:
            if not step(fields):
                return None
        return fields

    def line(self, record: bytes) -> bytes | None:
        """A row as it is written; None where it is left out. Raises as `chosen` does."""
        fields = self.chosen(record)
        if fields is None:
            return None
        for step in self._third:
            if not step(fields):
                return None
        if self._keeps:
            return record
        return rows.join(fields if self._places is None else [fields[place] for place in self._places])

    def _check(self, fields: Fields) -> None:
        for place, kind, read in self._readers:
            if field := fields[place]:
                try:
                    read(field)
                except ValueError:
                    raise no_value(kind, place) from None

    def _trim(self) -> Iterator[Step]:
        places, changes = self._cleaning.trimmed, self.changes

        def trim(fields: Fields) -> bool:
            for place in places:
                field = fields[place]
                if len(bare := field.strip()) < len(field):
                    fields[place] = bare
                    changes[TRIMMED] += 1
            return True

        if places:
            yield trim

    def _cast(self) -> Iterator[Step]:
        casts = {place: kind for place, kind in self._cleaning.cast.items() if kind != TEXT}
        for place, kind in casts.items():
            yield _casting(place, converter(kind), self.changes, _label(MISFIT, place, casts))

    def _choose(self) -> Iterator[Step]:
        if self._cleaning.where is None:
            return
        holds, changes = _over(self._cleaning.where, self._cleaning.fitting), self.changes

        def choose(fields: Fields) -> bool:
            if holds(fields) is True:
                return True
            changes[WHERE] += 1
            return False

        yield choose

    def _clip_and_fill(self, figures: Figures) -> Iterator[Step]:
        cleaning, changes = self._cleaning, self.changes
        grouped = [fill for fill in cleaning.fills if fill.by]
        groups: dict[int, bytes] = {}  # a row's, by place of what is filled: as they are before anything is changed
        if grouped:
            yield _grouping([(fill.place, cleaning.spread(fill.place, fill.by).group()) for fill in grouped], groups)
        for clip in cleaning.clips:
            kind = cleaning.fitting.columns[clip.place].type
            label = _label(CLIPPED, clip.place, cleaning.clips)
            yield _clipping(clip.place, types.reader(kind), cleaning.bounds(clip, figures), changes, label)
        for fill in cleaning.fills:
            kind, place = cleaning.fitting.columns[fill.place].type, fill.place
            values = cleaning.values(fill, figures)
            labels = _label(FILLED, place, cleaning.fills), _label(UNFILLED, place, cleaning.fills)
            yield _filling(place, missing(kind), values, groups if fill.by else {place: b""}, changes, labels)
            if fill.figure == MEAN and kind in WHOLE:  # it is a column of doubles now
                yield _casting(place, types.canonical(DOUBLE), changes, "")

    def _compute(self) -> Iterator[Step]:
        for place, expression, schema in self._cleaning.computed:
            yield _computing(place, _over(expression, schema), place == len(schema.columns))

    def _require(self) -> Iterator[Step]:
        cleaning, changes = self._cleaning, self.changes
        tests = [(place, missing(cleaning.last.columns[place].type)) for place in cleaning.required]
        doubles = [(place, test) for place, test in tests if cleaning.last.columns[place].type == DOUBLE]
        together = all if cleaning.needs_all else any

        def require(fields: Fields) -> bool:
            if together([test(fields[place]) for place, test in tests]):
                changes[MISSING] += 1
                return False
            return True

        def require_every(fields: Fields) -> bool:
            if b"" in fields or True in [test(fields[place]) for place, test in doubles]:
                changes[MISSING] += 1
                return False
            return True

        if tests:
            every = len(tests) == len(cleaning.last.columns) and not cleaning.needs_all
            yield require_every if every else require


def _blank(nulls: Collection[bytes]) -> Iterator[Step]:
    """What stands for a missing value becomes empty."""

    def blank(fields: Fields) -> bool:
        if not known.isdisjoint(fields):
            fields[:] = [b"" if field in known else field for field in fields]
        return True

    if known := frozenset(nulls):
        yield blank


def _casting(place: int, convert: Callable[[bytes], bytes], changes: Counter[str], label: str) -> Step:
    def cast(fields: Fields) -> bool:
        if field := fields[place]:
            try:
                fields[place] = convert(field)
            except ValueError:
                fields[place] = b""
                changes[label] += 1
        return True

    return cast


def _grouping(found: Sequence[tuple[int, Callable[[Fields], bytes]]], groups: dict[int, bytes]) -> Step:
    def group(fields: Fields) -> bool:
        for place, of in found:
            groups[place] = of(fields)
        return True

    return group


def _clipping(
    place: int, read: Callable[[bytes], Any], bounds: Sequence[bytes], changes: Counter[str], label: str
) -> Step:
    least, largest = bounds
    low, high = (read(bound) if bound else None for bound in bounds)

    def clip(fields: Fields) -> bool:
        if field := fields[place]:
            value = read(field)
            if low is not None and value < low:  # a NaN is neither
                fields[place] = least
                changes[label] += 1
            elif high is not None and value > high:
                fields[place] = largest
                changes[label] += 1
        return True

    return clip


def _filling(
    place: int,
    is_missing: Callable[[bytes], bool],
    values: dict[bytes, bytes],
    groups: dict[int, bytes],
    changes: Counter[str],
    labels: tuple[str, str],
) -> Step:
    filled, unfilled = labels

    def fill(fields: Fields) -> bool:
        if is_missing(fields[place]):
            value = values.get(groups[place])
            if value is None:
                changes[unfilled] += 1
            else:
                fields[place] = value
                changes[filled] += 1
        return True

    return fill


def _computing(place: int, compute: Callable[[Fields], Any], is_new: bool) -> Step:
    def add(fields: Fields) -> bool:
        fields.append(types.write(compute(fields)))
        return True

    def change(fields: Fields) -> bool:
        fields[place] = types.write(compute(fields))
        return True

    return add if is_new else change


def _over(expression: Expression, schema: Schema) -> Callable[[Fields], Any]:
    """What computes an expression from the fields of a row."""
    readers = [(place, types.reader(schema.columns[place].type)) for place in expression.columns]
    compute, width = expression.function(), len(schema.columns)

    def computed(fields: Fields) -> Any:
        values: list[Any] = [None] * width
        for place, read in readers:
            if field := fields[place]:
                values[place] = read(field)
        return compute(values)

    return computed


def converter(kind: str) -> Callable[[bytes], bytes]:
    """What brings values of any type to one, in its one form, without a loss: 12.0 is the int 12, and 12.5 is none; 1
    and 0 are booleans, and true and false numbers. Of a time stamp a date is its day.

    The converter raises ValueError where a value does not fit.

    Example:
        >>> [converter(kind)(value) for kind, value in (("int", b"1e3"), ("boolean", b"1"), ("double", b"true"))]
        [b'1000', b'true', b'1.0']
    """
    read, booleans, numbers = types.reader(kind), types.reader(BOOLEAN), types.reader(DOUBLE)

    def other(value: bytes) -> Any:
        if kind == BOOLEAN and value in (b"0", b"1"):
            return value == b"1"
        if kind == DATE:
            return types.reader(TIMESTAMP)(value).date()
        if value.lower() in (b"true", b"false"):
            return read(b"%d" % booleans(value))
        if kind in WHOLE and (number := numbers(value)).is_integer() and abs(number) < 1e39:
            exact = Fraction(Decimal(value.strip(b" \t").decode())) if number else Fraction(0)
            if exact.denominator == 1:
                return read(b"%d" % exact.numerator)
        raise types.Unfit

    def convert(value: bytes) -> bytes:
        try:
            return types.write(read(value))
        except ValueError:
            return types.write(other(value))

    return convert


_DAY = rb"(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30))"
_SURE = {
    BOOLEAN: rb"true|false",
    INT: rb"-?[0-9]{1,9}",
    LONG: rb"-?[0-9]{1,18}",
    DECIMAL: rb"-?[0-9]{1,37}",
    DOUBLE: rb"-?[0-9]{1,100}(?:\.[0-9]{0,100})?(?:[eE][+-]?[0-9]{1,2})?",
    DATE: _DAY,
    TIMESTAMP: _DAY + rb"(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?)?",
}


def _surely(kinds: Sequence[str], nulls: Collection[bytes]) -> re.Pattern[bytes]:
    """A pattern of rows whose values surely fit their types, the most common ones: to look at each would take longer
    than all the rest."""
    gone = b"".join(b"|" + re.escape(rows.escape(null)) for null in sorted(nulls))
    fields = (b"(?:%s|%s)" % (_SURE[kind], gone) if kind in _SURE else rb"[^\t]*" for kind in kinds)
    return re.compile(rb"\t".join(fields))


def _label(cause: str, place: int, columns: Collection[Any]) -> str:
    return f"{cause} {place}" if len(columns) <= MOST_COUNTED else cause


def explained(label: str, number: int, cleaning: Cleaning) -> tuple[str, str]:
    """What a label of `Cleaner.changes` is called in a manifest, and a line that says how often that was."""
    if label in _ROWS:
        return label, f"{_many(number, 'row')} left out: {_ROWS[label]}"
    cause, _, place = label.rpartition(" ")
    column = cleaning.fitting.columns[int(place)] if place.isdigit() else None
    cause = cause if column else label
    whose = f" of {column.name}" if column else ""
    said = _VALUES[cause].format(type=f"{a(column.type)}" if column else "of their type")
    return f"{cause}: {column.name}" if column else cause, f"{_many(number, 'value')}{whose} {said}"


_ROWS = {WHERE: "--where is not true", MISSING: "a missing value (--dropna)", EQUAL: "equal to another row"}
_VALUES = {
    TRIMMED: "trimmed",
    MISFIT: "not {type}, and missing now",
    CLIPPED: "clipped",
    FILLED: "filled",
    UNFILLED: "still missing: their group has no value",
}


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
