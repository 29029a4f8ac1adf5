"""What is known of a column: a state that can be merged in any order, and the figures that it comes to.

While a column has few distinct values (`MOST`, and `MOST_BYTES` of them), its state is a count for each of them, and
every figure is exact. Beyond that it is a sketch: sums, least and largest values stay exact; distinct values are
estimated (HyperLogLog, Flajolet 2007, 2**14 registers: a standard error of 0.8 %); quantiles come from buckets of
doubles that share sign, exponent and 7 bits of their mantissa (at most 0.4 % off; time stamps to the day). Whether it
is a sketch depends on the values alone, and the sketch on no order, so any splits of the rows give the same figures.

The native library counts values and fills sketches faster, where it can; this is the rule. It knows no job.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from mapreduce.tables import types
from mapreduce.tables.expressions import order
from mapreduce.tables.figures import ExactSum, deviation, number_of, number_state, rounded
from mapreduce.tables.types import DATE, DOUBLE, NULL, NUMBERS, TEXT, TIMESTAMP

MOST, MOST_BYTES = 16_384, 1 << 20
"""Distinct values of a column, and bytes of these together, up to which all figures are exact."""
REGISTERS_BITS = 14
DISTINCT_ERROR = 1.04 / math.sqrt(1 << REGISTERS_BITS)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BUCKET_SHIFT = 45  # of the 52 bits of a mantissa 7 stay
QUANTILE_ERROR = 2.0**-8
TOP, BINS = 10, 20
_MASK = (1 << 64) - 1
_TIMES = (DATE, TIMESTAMP)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)


def mix(data: bytes) -> int:
    """64 well-mixed bits of bytes, the same everywhere (the rounds of splitmix64, Steele 2014); unkeyed."""
    h = len(data) * 0x9E3779B97F4A7C15 & _MASK
    for at in range(0, len(data), 8):
        h = (h ^ int.from_bytes(data[at : at + 8], "little")) * 0xBF58476D1CE4E5B9 & _MASK
        h ^= h >> 32
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    h = (h ^ h >> 27) * 0x94D049BB133111EB & _MASK
    return h ^ h >> 31


def bucket(value: float) -> int:
    """The bucket of a double that is a number.

    Example:
        >>> bucket(1.0) == bucket(1.003), bucket(1.0) == bucket(1.01)
        (True, False)
    """
    bits: int = struct.unpack("<q", struct.pack("<d", value + 0.0))[0]
    return bits >> _BUCKET_SHIFT


def middle(number: int) -> float:
    """The middle of a bucket."""
    if number == 0:
        return 0.0  # that of zero and of what is next to it
    bits = number << _BUCKET_SHIFT | 1 << (_BUCKET_SHIFT - 1)
    found: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return found


class Column:
    """The state of a column.

    Args:
        forced: its type, where that is given; values that are none of it are counted as misfits.
        nulls: what is a missing value beside b"".
    """

    def __init__(self, forced: str | None = None, nulls: Iterable[bytes] = ()) -> None:
        self._forced, self._nulls = forced, frozenset(nulls)
        self.missing = self.misfits = 0
        self._values: dict[bytes, int] | None = {}
        self._bytes = 0
        self._sketch: _Sketch | None = None

    def add(self, value: bytes, times: int = 1) -> None:
        """Adds a value, so many times."""
        if not value or value in self._nulls:
            self.missing += times
        elif self._values is None:
            self._into_sketch(value, times)
        elif value in self._values:
            self._values[value] += times
        else:
            self._values[value] = times
            self._bytes += len(value)
            if len(self._values) > MOST or self._bytes > MOST_BYTES:
                self._begin_sketch()

    def _begin_sketch(self) -> None:
        values, self._values = self._values or {}, None
        self._sketch = _Sketch()
        for value, times in values.items():
            self._into_sketch(value, times)

    def _into_sketch(self, value: bytes, times: int) -> None:
        assert self._sketch is not None
        kind = types.of(value)
        if self._forced is not None and not _fits(value, kind, self._forced):
            self.misfits += times
        else:
            self._sketch.add(value, kind if self._forced is None else self._forced, times)

    def written(self) -> bytes:
        """The state as JSON in ASCII, on one line."""
        state: dict[str, Any] = {"missing": self.missing, "misfits": self.misfits}
        if self._sketch is not None:
            state["sketch"] = self._sketch.to_json()
        else:
            values = self._values or {}
            state["values"] = {value.decode("utf-8", "surrogateescape"): n for value, n in values.items()}
        return json.dumps(state, separators=(",", ":")).encode("ascii")

    def merge(self, written: bytes) -> None:
        """Adds what another one has `written`."""
        self.add_state(json.loads(written))

    def add_state(self, state: dict[str, Any]) -> None:
        """The same before it is written."""
        self.missing += state["missing"]
        self.misfits += state["misfits"]
        for value, times in state.get("values", {}).items():
            self.add(value.encode("utf-8", "surrogateescape"), times)
        if "sketch" in state and state["sketch"]["count"]:
            if self._sketch is None:
                self._begin_sketch()
            assert self._sketch is not None
            self._sketch.merge(state["sketch"])

    @property
    def type(self) -> str:
        """The narrowest type that holds all its values; `null` where there is none."""
        return self._sketch.type if self._sketch else types.join_all(map(types.of, self._values or ()))

    def figures(self, top: int = TOP) -> dict[str, Any]:
        """What is known of the column, for JSON: `type`, `count`, `missing`, `misfits`, `distinct`, `distinct_error`,
        `min`, `max`; of numbers `sum`, `mean`, `deviation`; of numbers and times `quantiles`, `quantile_error`,
        `histogram`; of text `min_length`, `mean_length`, `max_length` in characters; `top`, the most frequent values
        with their counts, at most so many, where all are known, else None."""
        sketch, misfits, counts = self._sketch, self.misfits, None
        if sketch is None:
            sketch, fitting = _Sketch(), Counter[bytes]()
            for value, times in (self._values or {}).items():
                kind = types.of(value)
                if self._forced is not None and not _fits(value, kind, self._forced):
                    misfits += times
                else:
                    sketch.add(value, kind if self._forced is None else self._forced, times)
                    fitting[value] += times
            counts, canonical = Counter[bytes](), types.canonical(self._forced or sketch.type)
            for value, times in fitting.items():
                counts[canonical(value)] += times
        kind = self._forced or (TEXT if sketch.type == NULL else sketch.type)
        found = {"type": kind, "count": sketch.count, "missing": self.missing, "misfits": misfits}
        return {**found, **sketch.figures(kind, counts, top)}


def _fits(value: bytes, kind: str, forced: str) -> bool:
    if forced == TEXT:
        return True
    try:
        types.reader(forced)(value)
    except ValueError:
        return False
    return True


class _Sketch:
    """What is kept of a column's values: for all of them as texts, and for those of its type as numbers or times."""

    def __init__(self) -> None:
        self.type, self.count = NULL, 0
        self._registers = [bytearray(1 << REGISTERS_BITS), bytearray(1 << REGISTERS_BITS)]  # as texts, as values
        self._texts: list[bytes] = []  # the least and the largest
        self._lengths = [0, 0, 0]  # the least, their sum, the largest
        self._forget()

    def _forget(self) -> None:
        """Begins with numbers or times, or gives them up, as the column holds something else, too."""
        self._sum, self._squares = ExactSum(), ExactSum()
        self._buckets: Counter[int] = Counter()  # of numbers; of times by day
        self._extremes: list[Any] = []
        self._registers[1] = bytearray(1 << REGISTERS_BITS)

    def add(self, value: bytes, kind: str, times: int) -> None:
        """Adds a value of a type."""
        self._join(kind)
        length = characters(value)
        _register(self._registers[0], mix(value))
        self._add_texts([value, value], [length, length * times, length])
        self.count += times
        view = _view(self.type)
        if view == "number":
            self._add_value(types.reader(kind)(value), times)
        elif view == "time":
            self._add_value(types.reader(TIMESTAMP)(value), times)

    def _join(self, kind: str) -> None:
        joined = types.join(self.type, kind)
        if _view(joined) != _view(self.type):
            self._forget()
        self.type = joined

    def _add_texts(self, texts: list[bytes], lengths: list[int]) -> None:
        if not self._texts:
            self._texts, self._lengths = texts, lengths
        else:
            self._texts = [min(self._texts[0], texts[0]), max(self._texts[1], texts[1])]
            least, total, largest = self._lengths
            self._lengths = [min(least, lengths[0]), total + lengths[1], max(largest, lengths[2])]

    def _add_value(self, value: Any, times: int) -> None:
        _register(self._registers[1], mix(_canonical(value)))
        self._add_extremes([value, value])
        if isinstance(value, datetime):
            self._buckets[(value - _EPOCH) // _DAY] += times
            return
        self._sum.add(value, times)
        self._squares.add_square(value, times)
        if value - value == 0:
            self._buckets[bucket(_float(value))] += times

    def _add_extremes(self, extremes: list[Any]) -> None:
        if self._extremes:
            least, largest = self._extremes
            extremes = [min(least, extremes[0], key=order), max(largest, extremes[1], key=order)]
        self._extremes = extremes

    def to_json(self) -> dict[str, Any]:
        """The sketch, for `merge`."""
        state: dict[str, Any] = {
            "type": self.type,
            "count": self.count,
            "text registers": _packed(self._registers[0]),
            "texts": [text.decode("utf-8", "surrogateescape") for text in self._texts],
            "lengths": self._lengths,
        }
        if self._extremes:
            is_time = _view(self.type) == "time"
            state["registers"] = _packed(self._registers[1])
            state["buckets"] = {str(number): n for number, n in sorted(self._buckets.items())}
            state["extremes"] = [(types.write if is_time else number_state)(one).decode() for one in self._extremes]
            state["sums"] = [self._sum.written().decode(), self._squares.written().decode()]
        return state

    def merge(self, state: dict[str, Any]) -> None:
        """Adds what `to_json` has given."""
        self._join(state["type"])
        self.count += state["count"]
        _larger(self._registers[0], state["text registers"])
        self._add_texts([text.encode("utf-8", "surrogateescape") for text in state["texts"]], state["lengths"])
        if "extremes" not in state or _view(self.type) != _view(state["type"]):
            return
        _larger(self._registers[1], state["registers"])
        for number, n in state["buckets"].items():
            self._buckets[int(number)] += int(n)
        self._sum.merge(state["sums"][0].encode())
        self._squares.merge(state["sums"][1].encode())
        read = types.reader(TIMESTAMP) if _view(self.type) == "time" else lambda text: number_of(text, False)
        self._add_extremes([read(text.encode()) for text in state["extremes"]])

    def figures(self, kind: str, counts: Counter[bytes] | None, most: int) -> dict[str, Any]:
        """The figures of values of a type, as `Column.figures` names them, beside those that count.

        Args:
            counts: of the values in their one form, where all are known.
            most: how many of these are given, at most.
        """
        view = _view(kind)
        found: dict[str, Any] = {
            "distinct": round(_estimate(self._registers[view != "text"])) if counts is None else len(counts),
            "distinct_error": round(DISTINCT_ERROR, 4) if counts is None else 0.0,
            "min": None,
            "max": None,
        }
        if self.count and view in ("number", "time"):
            found.update(zip(("min", "max"), (_shown(one, kind) for one in self._extremes)))
        elif self.count:
            texts = self._texts if counts is None else [min(counts), max(counts)]
            found.update(zip(("min", "max"), (_plain(text) for text in texts)))
        if self.count and view == "number":
            total, squares = self._sum.exact(), self._squares.exact()
            found["sum"] = _shown(self._sum.value(), kind)
            found["mean"] = _shown(float(self._sum.value(self.count)), DOUBLE)
            finite = total is not None and squares is not None and self.count > 1
            found["deviation"] = deviation(self.count, total, squares) if finite else None  # type: ignore[arg-type]
        if self.count and view in ("number", "time"):
            found["quantiles"] = self._quantiles(kind, counts)
            error = "a day" if view == "time" else QUANTILE_ERROR
            found["quantile_error"] = error if counts is None else 0.0
            found["histogram"] = self._histogram(kind, counts)
        if self.count and view == "text":
            least, total_length, largest = self._lengths
            found.update(min_length=least, mean_length=round(total_length / self.count, 3), max_length=largest)
        top = None if counts is None else sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
        found["top"] = None if top is None else [[_plain(value), n] for value, n in top]
        return found

    def _ordered(self, kind: str, counts: Counter[bytes] | None) -> list[tuple[Any, int]]:
        """The values in order and how often each is there; NaN and infinities aside."""
        if counts is not None:
            read = types.reader(kind)
            pairs = ((read(text), n) for text, n in counts.items())
            return sorted((value, n) for value, n in pairs if not isinstance(value, float) or value - value == 0)
        if kind in _TIMES:
            return [(_EPOCH + day * _DAY, n) for day, n in sorted(self._buckets.items())]
        return sorted((self._within(middle(number)), n) for number, n in self._buckets.items())

    def _quantiles(self, kind: str, counts: Counter[bytes] | None) -> dict[str, Any]:
        """By share: the least value that so many of the values are not above."""
        ordered = self._ordered(kind, counts)
        total, found = sum(n for _, n in ordered), {}
        for share in QUANTILES if total else ():
            left = math.ceil(Fraction(str(share)) * total)
            found[f"{share:g}"] = _shown(next(value for value, n in ordered if (left := left - n) <= 0), kind)
        return found

    def _histogram(self, kind: str, counts: Counter[bytes] | None) -> dict[str, Any] | None:
        """`from`, `to` and the counts of `BINS` ranges of one width between them."""
        ordered = self._ordered(kind, counts)
        if not ordered:
            return None
        (low, _), (high, _), bins = ordered[0], ordered[-1], [0] * BINS
        first = Fraction(types.number(low))
        width = Fraction(types.number(high)) - first  # which may be larger than any double
        for value, n in ordered:
            share = Fraction(types.number(value)) - first
            bins[min(BINS - 1, int(share * BINS / width)) if width else 0] += n
        return {"from": _shown(low, kind), "to": _shown(high, kind), "counts": bins}

    def _within(self, value: float) -> Any:
        """The value, or the least or the largest one where it lies outside."""
        least, largest = (one for one in self._extremes)
        if least - least == 0 and value < least:
            return least
        return largest if largest - largest == 0 and value > largest else value


def _plain(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _shown(value: Any, kind: str) -> Any:
    """A number or time as JSON has it."""
    if isinstance(value, date):
        return types.write(value).decode()[: 10 if kind == DATE else None]
    if kind == DOUBLE:
        value = _float(value)
    elif isinstance(value, float) and value - value == 0:
        value = round(value)  # the middle of a bucket of whole numbers
    return value if value - value == 0 else _plain(types.write(value))


def characters(value: bytes) -> int:
    """How many characters a text has: bytes that continue none."""
    return len(value) if value.isascii() else sum(byte & 0xC0 != 0x80 for byte in value)


def _view(kind: str) -> str:
    if kind in NUMBERS:
        return "number"
    return "time" if kind in _TIMES else "text"


def _float(value: int | float) -> float:
    return rounded(Fraction(value)) if isinstance(value, int) else value


def _canonical(value: Any) -> bytes:
    """The bytes of a number or time that are hashed: a whole number is one whatever its type."""
    if isinstance(value, datetime):
        return struct.pack("<qc", (value - _EPOCH) // timedelta(microseconds=1), b"i")
    if isinstance(value, float) and -(2.0**63) <= value < 2.0**63 and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        return struct.pack("<dc", value, b"d")
    return struct.pack("<qc", value, b"i") if -(2**63) <= value < 2**63 else b"%d" % value


def _register(registers: bytearray, hashed: int) -> None:
    place = hashed >> (64 - REGISTERS_BITS)
    rank = 64 - REGISTERS_BITS - (hashed & ((1 << (64 - REGISTERS_BITS)) - 1)).bit_length() + 1
    if rank > registers[place]:
        registers[place] = rank


def _packed(registers: bytearray) -> str:
    return base64.b64encode(registers).decode()


def _larger(registers: bytearray, encoded: str) -> None:
    registers[:] = bytes(map(max, registers, base64.b64decode(encoded)))


def _estimate(registers: bytearray) -> float:
    """How many distinct values have filled the registers, without a bias at any number (Ertl 2017)."""
    size, most = len(registers), 64 - REGISTERS_BITS
    counts = Counter(registers)
    found = size * _tau(1 - counts[most + 1] / size)
    for rank in range(most, 0, -1):
        found = (found + counts[rank]) / 2
    found += size * _sigma(counts[0] / size)
    return size * size / (2 * math.log(2) * found) if found < math.inf else 0.0


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    power, total, before = 1.0, x, -1.0
    while total != before:
        x, before = x * x, total
        total, power = total + x * power, 2 * power
    return total


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    power, total, before = 1.0, 1 - x, -1.0
    while total != before:
        x, before, power = math.sqrt(x), total, power / 2
        total -= (1 - x) ** 2 * power
    return total / 3
