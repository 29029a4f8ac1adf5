"""Figures over all rows: means, the most frequent value and quantiles of a column, by group or not, all exact.

For quantiles and the most frequent value the distinct values of a column are counted through the shuffle, so that no
task holds more of them than it has room for; means are exact sums. A state is a line `key TAB state`; the states of
one key can be merged in any order. Nothing here knows a job.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from mapreduce.errors import UserError
from mapreduce.input.rows import escape, unescape
from mapreduce.shuffle.memory import OVERHEAD, sorted_lines, task_memory
from mapreduce.tables import types
from mapreduce.tables.expressions import order
from mapreduce.tables.figures import ExactSum
from mapreduce.tables.groups import DISTINCT, SEPARATOR, key_part, key_row
from mapreduce.tables.schema import Column

MEAN, MEDIAN, MOST_FREQUENT = "mean", "median", "most_frequent"
FIGURES = (MEAN, MEDIAN, MOST_FREQUENT)
MOST = 1_000_000
"""Figures, with those of groups: every task has them in its memory."""
_STATE = 400
"""Bytes that a state takes in Python beside its key, about."""


@dataclass(frozen=True)
class Spread:
    """The values of a column, over all rows or by group, and which figures of them are asked for.

    Attributes:
        place: of the column.
        column: its name and type.
        by: the places and the columns of the group.
        figures: `MEAN`, `MOST_FREQUENT`, `MEDIAN`, or quantiles as `1%`.
    """

    place: int
    column: Column
    by: tuple[tuple[int, Column], ...] = ()
    figures: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether its values are counted, and not only summed up."""
        return any(figure != MEAN for figure in self.figures)

    def group(self) -> Callable[[Sequence[bytes]], bytes]:
        """What finds the group of a row, by the one form of its values: what stands in a key."""
        parts = [(place, types.canonical(column.type)) for place, column in self.by]
        return lambda fields: SEPARATOR.join([key_part(form(fields[p]) if fields[p] else b"") for p, form in parts])

    @property
    def about(self) -> tuple[str, tuple[str, ...]]:
        """The names of the column and of those of the group."""
        return self.column.name, tuple(column.name for _, column in self.by)

    def found(self, states: Iterable[bytes]) -> list[bytes]:
        """The figures of the merged states of a group, each as its type writes it; b"" where there is none."""
        if self.counts:
            return self._of_counts(states)
        state = Mean()
        for one in states:
            state.merge(one)
        return [_written(state.value())] * len(self.figures)

    def _of_counts(self, states: Iterable[bytes]) -> list[bytes]:
        read = types.reader(self.column.type)
        total, mean, is_mean = 0, Mean(), MEAN in self.figures

        def counted() -> Iterator[bytes]:
            nonlocal total
            for state in states:
                total += int(state.rpartition(b"\t")[2])
                yield state

        ordered = sorted_lines(counted(), key=lambda line: order(read(unescape(line.partition(b"\t")[0]))))
        shares = {figure: share(figure) for figure in self.figures if figure not in (MEAN, MOST_FREQUENT)}
        ranks = {figure: max(1, math.ceil(part * total)) for figure, part in shares.items()}
        found: dict[str, bytes] = {}
        passed = most = 0
        for line in ordered:
            value, _, times = line.partition(b"\t")
            count = int(times)
            passed += count
            if is_mean:
                mean.add(read(unescape(value)), count)
            if count > most:  # of several that are as frequent the least one
                most, found[MOST_FREQUENT] = count, value
            for figure, rank in ranks.items():
                if figure not in found and passed >= rank:
                    found[figure] = value
        if is_mean:
            found[MEAN] = _written(mean.value())
        return [found[figure] for figure in self.figures]


def share(figure: str) -> Fraction:
    """The share that a quantile is of."""
    return Fraction(1, 2) if figure == MEDIAN else Fraction(figure[:-1]) / 100


_NANS = (b"NaN", b"+NaN", b"-NaN")


def missing(kind: str) -> Callable[[bytes], bool]:
    """Whether a field of a type has no value: it is empty, or a double that is no number."""
    if kind != types.DOUBLE:
        return operator.not_
    return lambda field: not field or (field[-1:] in (b"N", b" ", b"\t") and field.strip(b" \t") in _NANS)


def _written(mean: float | None) -> bytes:
    return b"" if mean is None else escape(types.write(mean))


class Mean:
    """How many numbers there are, and their exact sum."""

    def __init__(self) -> None:
        self._count, self._sum = 0, ExactSum()

    def add(self, value: int | float, times: int = 1) -> None:
        """Adds a number, so many times."""
        self._count += times
        self._sum.add(value, times)

    def merge(self, state: bytes) -> None:
        """Adds what another one has `written`."""
        count, _, total = state.partition(b"\t")
        self._count += int(count)
        self._sum.merge(total)

    def written(self) -> bytes:
        """The state as bytes."""
        return b"%d\t%s" % (self._count, self._sum.written())

    def value(self) -> float | None:
        """The mean, rounded once; None where there is none, as of both infinities."""
        if not self._count:
            return None
        found = float(self._sum.value(self._count))
        return None if found != found else found


class Spreads:
    """The states of spreads in a mapper, in memory until they are drained."""

    def __init__(self, spreads: Sequence[Spread]) -> None:
        self._size, self._most = 0, task_memory()
        self._means: list[dict[bytes, Mean]] = [{} for _ in spreads]
        self._counts: list[dict[bytes, int]] = [{} for _ in spreads]  # of fields as they are written
        self._forms = [types.canonical(spread.column.type) for spread in spreads]
        adders = (self._counting if spread.counts else self._adding for spread in spreads)
        self._adders = [adder(number, spread) for number, (adder, spread) in enumerate(zip(adders, spreads))]

    def _adding(self, number: int, spread: Spread) -> Callable[[Sequence[bytes]], None]:
        place, key_of, means = spread.place, _key_of(number, spread), self._means[number]
        is_missing, read = missing(spread.column.type), types.reader(spread.column.type)

        def add(fields: Sequence[bytes]) -> None:
            if not is_missing(field := fields[place]):
                key = key_of(fields)
                if (state := means.get(key)) is None:
                    state = means[key] = Mean()
                    self._size += len(key) + OVERHEAD + _STATE
                state.add(read(field))

        return add

    def _counting(self, number: int, spread: Spread) -> Callable[[Sequence[bytes]], None]:
        place, key_of, counts = spread.place, _key_of(number, spread), self._counts[number]
        is_missing = missing(spread.column.type)

        def count(fields: Sequence[bytes]) -> None:
            if not is_missing(field := fields[place]):
                key = key_of(fields) + DISTINCT + field
                if key in counts:
                    counts[key] += 1
                else:
                    counts[key] = 1
                    self._size += len(key) + OVERHEAD

        return count

    def add(self, fields: Sequence[bytes]) -> None:
        """Adds the values of a row, which fit their types."""
        for add in self._adders:
            add(fields)

    @property
    def is_full(self) -> bool:
        """Whether they are to be drained."""
        return self._size > self._most

    def drain(self) -> bytes:
        """The lines of all states, and forgets them."""
        lines = [b"%s\t%s\n" % (key, state.written()) for means in self._means for key, state in means.items()]
        for form, counts in zip(self._forms, self._counts):
            for key, count in counts.items():
                group, _, field = key.partition(DISTINCT)
                lines.append(b"%s%s%s\t%d\n" % (group, DISTINCT, key_part(form(field)), count))
        for means, counts in zip(self._means, self._counts):
            means.clear()
            counts.clear()
        self._size = 0
        return b"".join(lines)


def _key_of(number: int, spread: Spread) -> Callable[[Sequence[bytes]], bytes]:
    prefix, group = b"%d" % number + SEPARATOR, spread.group()
    return (lambda fields: prefix + group(fields)) if spread.by else (lambda fields: prefix)


def merged(key: bytes, states: Iterable[bytes]) -> bytes:
    """The state that several of one key come to."""
    if DISTINCT in key:
        return b"%d" % sum(map(int, states))
    mean = Mean()
    for state in states:
        mean.merge(state)
    return mean.written()


def by_spread(line: bytes) -> bytes:
    """A merged line `key TAB state` as one of its spread and group: a value that was counted goes from the key to the
    state."""
    key, mark, value = line.partition(DISTINCT)
    return key + b"\t" + key_row(value) if mark else line


def of_key(spreads: Sequence[Spread], key: bytes) -> Spread:
    """The spread that a key is of."""
    return spreads[int(key.partition(SEPARATOR)[0])]


def described(spreads: Sequence[Spread], lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file of figures: JSON objects of `column`, `figure`, `by`, the group's values by column, and
    `value`, all as texts.

    Args:
        lines: `number SEPARATOR group TAB figures`, in any order.

    Raises:
        UserError: there are more than `MOST`.
    """
    found = sorted(islice(lines, MOST + 1), key=lambda line: (int(line.partition(SEPARATOR)[0]), line))
    if len(found) > MOST:
        raise UserError(
            f"more than {MOST} groups are to be filled by; leave out --fill by the columns that make so many"
        )
    for line in found:
        key, *values = line.split(b"\t")
        number, _, group = key.partition(SEPARATOR)
        spread = spreads[int(number)]
        parts = [_text(unescape(part)) for part in key_row(group).split(b"\t")]
        for figure, value in zip(spread.figures, values):
            if value:
                name, by = spread.about
                one = {"column": name, "figure": figure, "by": dict(zip(by, parts)), "value": _text(unescape(value))}
                yield json.dumps(one).encode("ascii")


class Figures:
    """Figures that were found: by group the value, as it is written, of a column's figure.

    Args:
        path: a file of what `described` gives; None holds no figure.

    Raises:
        UserError: it is none.
    """

    def __init__(self, path: str | None) -> None:
        self._found: dict[tuple[str, tuple[str, ...], str], dict[bytes, bytes]] = {}
        if path is None:
            return
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    one = json.loads(line)
                    group = SEPARATOR.join(key_part(_bytes(part)) for part in one["by"].values())
                    about = (one["column"], tuple(one["by"]), one["figure"])
                    self._found.setdefault(about, {})[group] = _bytes(one["value"])
        except OSError as error:
            raise UserError(f"{path}: no figures can be read: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f"{path}: no figures; give the output of jobs/clean.py, or _figures in it") from None

    def of(self, spread: Spread, figure: str) -> dict[bytes, bytes]:
        """The values by group; empty where it was not found."""
        return self._found.get((*spread.about, figure), {})


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
