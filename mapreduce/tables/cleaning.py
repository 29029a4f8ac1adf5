"""What cleaning a table is: from flags to a plan of what is done to its rows, in one order whatever that of the flags.

    trim, cast, where, clip, fill, compute, dropna, select or drop, rename

The figures over all rows that clip and fill need are those of the rows behind `where`, before anything is clipped or
filled. `mapreduce.tables.cleaner` does what is planned, `mapreduce.tables.spreads` finds the figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from mapreduce.errors import UserError
from mapreduce.tables import types
from mapreduce.tables.expressions import Expression, a, split
from mapreduce.tables.schema import Column, Schema, parse_types
from mapreduce.tables.spreads import FIGURES, MEAN, Figures, Spread
from mapreduce.tables.types import DOUBLE, NUMBERS, TEXT, WHOLE


@dataclass(frozen=True)
class Fill:
    """What stands for the missing values of a column: a value as it is written, or a figure, of a group or of all."""

    place: int
    value: bytes | None = None
    figure: str = ""
    by: tuple[int, ...] = ()


@dataclass(frozen=True)
class Clip:
    """The least and the largest value of a column, as they are written; `1%` is a quantile, "" is none."""

    place: int
    low: str
    high: str


@dataclass(frozen=True)
class Cleaning:
    """What is done to the rows of a table.

    Attributes:
        schema: of what is read.
        trimmed: the places of columns whose texts are trimmed.
        cast: the types that columns are brought to.
        fitting: the schema behind the casts.
        where: the condition that rows are taken under, or None.
        clips, fills: of columns of `fitting`.
        computed: places and expressions, each with the schema that it is over; a column behind those of it is new.
        last: the schema behind what is computed.
        required: the places of the columns that have to have a value; a NaN is none.
        needs_all: whether a row is left out only where all of them are missing.
        written: the places of the columns that are written.
        output: the schema of what is written.
    """

    schema: Schema
    trimmed: tuple[int, ...]
    cast: dict[int, str]
    fitting: Schema
    where: Expression | None
    clips: tuple[Clip, ...]
    fills: tuple[Fill, ...]
    computed: tuple[tuple[int, Expression, Schema], ...]
    last: Schema
    required: tuple[int, ...]
    needs_all: bool
    written: tuple[int, ...]
    output: Schema

    @property
    def used(self) -> set[int]:
        """The places of the columns read whose values matter."""
        found = {*self.written, *self.required, *(self.where.columns if self.where else ())}
        found.update(clip.place for clip in self.clips)
        found.update(fill.place for fill in self.fills)
        found.update(place for fill in self.fills for place in fill.by)
        found.update(place for _, expression, _ in self.computed for place in expression.columns)
        return {place for place in found if place < len(self.schema.columns)}

    def spread(self, place: int, by: tuple[int, ...] = ()) -> Spread:
        """What is known of a column over all rows, or by group."""
        columns = self.fitting.columns
        return Spread(place, columns[place], tuple((one, columns[one]) for one in by))

    @property
    def spreads(self) -> tuple[Spread, ...]:
        """The figures over all rows that are needed."""
        wanted: dict[tuple[int, tuple[int, ...]], list[str]] = {}
        for clip in self.clips:
            wanted.setdefault((clip.place, ()), []).extend(one for one in (clip.low, clip.high) if one.endswith("%"))
        for fill in self.fills:
            if fill.figure:
                wanted.setdefault((fill.place, fill.by), []).append(fill.figure)
        return tuple(
            replace(self.spread(place, by), figures=tuple(dict.fromkeys(figures)))
            for (place, by), figures in wanted.items()
            if figures
        )

    def bounds(self, clip: Clip, figures: Figures) -> tuple[bytes, bytes]:
        """The bounds of a column, as they are written; b"" is none.

        Raises:
            UserError: a quantile was not found, or the least is larger than the largest.
        """
        spread, found = self.spread(clip.place), []
        for bound in (clip.low, clip.high):
            found.append(_figure(spread, bound, figures, "--clip")[b""] if bound.endswith("%") else bound.encode())
        low, high = (fitting(bound, spread.column, "--clip") if bound else b"" for bound in found)
        read = types.reader(spread.column.type)
        if low and high and read(low) > read(high):
            raise UserError(f"--clip {spread.column.name}: {low.decode()} is larger than {high.decode()}")
        return low, high

    def values(self, fill: Fill, figures: Figures) -> dict[bytes, bytes]:
        """What a column is filled with, as it is written, by group; b"" is that of all.

        Raises:
            UserError: no figure was found, or it is none of the column's type.
        """
        if fill.value is not None:
            return {b"": fill.value}
        spread = self.spread(fill.place, fill.by)
        column = replace(spread.column, type=DOUBLE) if fill.figure == MEAN else spread.column
        found = _figure(spread, fill.figure, figures, "--fill")
        return {group: fitting(value, column, "--fill") for group, value in found.items()}


def _figure(spread: Spread, figure: str, figures: Figures, flag: str) -> dict[bytes, bytes]:
    if found := figures.of(spread, figure):
        return found
    name, by = spread.about
    whose = f" by {' and '.join(by)}" if by else ""
    raise UserError(f"{flag} {name}: there is no {figure}{whose}, as no row that is taken has a value of it")


def planned(flags: Any, schema: Schema) -> Cleaning:
    """What flags ask for, of a table.

    Raises:
        UserError: they name no column, an expression does not parse, or a value does not fit its column.
    """
    columns = list(schema.columns)
    trimmed = range(len(columns)) if flags.trim == "all" else schema.places(flags.trim or "", "--trim")
    casts = {schema.place(name, "--cast"): kind for name, kind in parse_types(flags.cast, "--cast").items()}
    for place, kind in casts.items():
        columns[place] = Column(columns[place].name, kind)
    fitting = Schema(tuple(columns))
    where = Expression(flags.where, fitting).condition() if flags.where else None
    clips, fills = tuple(_clips(flags.clip, fitting)), tuple(_fills(flags.fill, fitting))
    for fill in fills:
        if fill.figure == MEAN and columns[fill.place].type in WHOLE:
            columns[fill.place] = Column(columns[fill.place].name, DOUBLE)
    computed = []
    for text in flags.compute:
        before = Schema(tuple(columns))
        name, expression = _computed(text, before)
        column = Column(name, TEXT if expression.type == types.NULL else expression.type)
        place = before.names.index(name) if name in before.names else len(columns)
        columns[place : place + 1] = [column]
        computed.append((place, expression, before))
    last = Schema(tuple(columns))
    written = _written(flags, last)
    if flags.dropna in ("any", "all"):
        required = written
    else:
        required = last.places(flags.dropna or "", "--dropna")
    return Cleaning(
        schema,
        tuple(trimmed),
        casts,
        fitting,
        where,
        clips,
        fills,
        tuple(computed),
        last,
        required,
        flags.dropna == "all",
        written,
        _renamed(flags.rename, Schema(tuple(columns[place] for place in written))),
    )


_QUOTED = r"`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'"


def _name(text: str) -> str:
    return text[1:-1].replace("``", "`") if len(text) > 1 and text[0] == text[-1] == "`" else text


def _clips(text: str, schema: Schema) -> Iterator[Clip]:
    for piece in filter(None, split(text, ",")):
        name, *bounds = split(piece, ":")
        if len(bounds) != 2 or not any(bounds):
            raise UserError(f"--clip is column:least:largest, as price:0:100 or price:1%:99%. Received: {piece!r}")
        place = schema.place(_name(name), "--clip")
        kind = schema.columns[place].type
        if kind not in NUMBERS:
            raise UserError(f"--clip {name}: it is {a(kind)}, and numbers are clipped; see --cast")
        for bound in filter(None, bounds):
            if not re.fullmatch(r"\d+(\.\d+)?%", bound):
                fitting(bound.encode("utf-8", "surrogateescape"), schema.columns[place], "--clip")
            elif Fraction(bound[:-1]) > 100:
                raise UserError(f"--clip {name}: {bound} is no quantile; they are from 0% to 100%")
        yield Clip(place, *bounds)


def _fills(text: str, schema: Schema) -> Iterator[Fill]:
    filled = set()
    for piece in filter(None, split(text, ",")):
        name, *rest = split(piece, "=")
        words = re.fullmatch(rf"({'|'.join(FIGURES)})(?:\s+by\s+(.+))?", rest[0] if len(rest) == 1 else "", re.DOTALL)
        if len(rest) != 1 or not rest[0]:
            raise UserError(f"--fill is column=value,column=mean by column. Received: {piece!r}")
        place = schema.place(_name(name), "--fill")
        column = schema.columns[place]
        if place in filled:
            raise UserError(f"--fill names {column.name} twice")
        filled.add(place)
        if words is None:
            yield Fill(place, _constant(rest[0], column))
            continue
        by = tuple(schema.place(_name(one), f"--fill {column.name}") for one in split(words[2] or "", " and ") if one)
        if words[1] == MEAN and column.type not in NUMBERS:
            raise UserError(f"--fill {column.name}: it is {a(column.type)}, and numbers have a mean")
        yield Fill(place, None, words[1], by)


def _constant(text: str, column: Column) -> bytes:
    """A value as it is written, from what --fill has: a number, true, false, or a text in quotes."""
    if re.fullmatch(_QUOTED, text, re.DOTALL) and text[0] != "`":
        value = text[1:-1].replace(text[0] * 2, text[0]).encode("utf-8", "surrogateescape")
        if not value:
            raise UserError(f"--fill {column.name}: an empty text is a missing value")
    elif types.of(text.encode("utf-8", "surrogateescape")) == TEXT:
        raise UserError(
            f"--fill {column.name}: {text!r} is none of {', '.join(FIGURES)} (with by, if wanted) and no number; "
            "write a text in quotes"
        )
    else:
        value = text.encode()
    return fitting(value, column, "--fill")


def fitting(value: bytes, column: Column, flag: str) -> bytes:
    """A value in the one form that its column's type has.

    Raises:
        UserError: it is none of that type.
    """
    try:
        return types.canonical(column.type)(value)
    except ValueError:
        what = f"{flag} {column.name}: {value.decode('utf-8', 'replace')!r} is none of its type, {column.type}"
        raise UserError(f"{what}; --cast {column.name}:TYPE makes it another") from None


def _computed(text: str, schema: Schema) -> tuple[str, Expression]:
    name, *rest = split(text, "=")
    if not name or not rest:
        raise UserError(f"--compute is 'name = expression', as 'total = price * n'. Received: {text!r}")
    begins = text.index("=", text.index(name) + len(name)) + 1
    return _name(name), Expression(text[begins:].strip(), schema, f"--compute {_name(name)}")


def _written(flags: Any, schema: Schema) -> tuple[int, ...]:
    if flags.select and flags.drop:
        raise UserError("give --select or --drop, not both")
    if flags.select:
        return schema.places(flags.select, "--select")
    dropped = schema.places(flags.drop, "--drop")
    kept = tuple(place for place in range(len(schema.columns)) if place not in dropped)
    if not kept:
        raise UserError("--drop leaves no column")
    return kept


def _renamed(text: str, schema: Schema) -> Schema:
    columns = list(schema.columns)
    for piece in filter(None, split(text, ",")):
        old, *new = split(piece, ":")
        if len(new) != 1 or not new[0]:
            raise UserError(f"--rename is old:new,old:new; `a:b` in backquotes is one name. Received: {piece!r}")
        place = schema.place(_name(old), "--rename")
        columns[place] = replace(columns[place], name=_name(new[0]))
    names = [column.name for column in columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two columns of the output are called {twice[0]!r}; see --rename and --select")
    return Schema(tuple(columns))
