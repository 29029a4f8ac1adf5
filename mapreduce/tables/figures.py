"""Figures that are exact and can be merged in any order: sums of integers and of doubles, and values that are compared.

A double is an integer times a power of two, and so is any sum of doubles: it is kept as such, and rounded once, at the
end. So a sum depends neither on the order of the rows nor on their splits.
"""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

_MANTISSA = 53


class ExactSum:
    """The sum of numbers without an error.

    Example:
        >>> total = ExactSum()
        >>> for value in (1e16, 1.0, -1e16):
        ...     total.add(value)
        >>> total.value()
        1.0
    """

    def __init__(self) -> None:
        self._units: dict[int, int] = defaultdict(int)  # by exponent: how many powers of two
        self._special = [0, 0, 0]  # NaN, infinity, -infinity

    def add(self, value: int | float, times: int = 1) -> None:
        """Adds a number, so many times."""
        if isinstance(value, int):
            self._units[0] += value * times
        elif value - value == 0:
            fraction, exponent = math.frexp(value)
            self._units[exponent - _MANTISSA] += int(math.ldexp(fraction, _MANTISSA)) * times
        else:
            self._special[0 if value != value else 1 if value > 0 else 2] += times

    def add_product(self, one: float, other: float) -> None:
        """Adds the product of two doubles, both finite."""
        if one and other:
            (a, p), (b, q) = math.frexp(one), math.frexp(other)
            product = int(math.ldexp(a, _MANTISSA)) * int(math.ldexp(b, _MANTISSA))
            self._units[p + q - 2 * _MANTISSA] += product

    def add_square(self, value: int | float, times: int = 1) -> None:
        """Adds the square of a number, so many times."""
        if isinstance(value, int):
            self._units[0] += value * value * times
        elif value - value == 0:
            fraction, exponent = math.frexp(value)
            self._units[2 * (exponent - _MANTISSA)] += int(math.ldexp(fraction, _MANTISSA)) ** 2 * times
        else:
            self._special[0 if value != value else 1] += times

    def merge(self, state: bytes) -> None:
        """Adds what another one has `written`."""
        terms, _, special = state.partition(b";")
        for term in terms.split(b"+"):
            number, colon, exponent = term.partition(b":")
            self._units[int(exponent) if colon else 0] += int(number)
        if special:
            self._special = [a + b for a, b in zip(self._special, map(int, special.split(b",")))]

    def written(self) -> bytes:
        """The sum as bytes: `n`, or `n:e` for n * 2**e, n odd; behind a `;` how many were NaN, infinity, -infinity."""
        total, exponent = self._total()
        if total and exponent < 0:
            zeros = min((total & -total).bit_length() - 1, -exponent)
            total, exponent = total >> zeros, exponent + zeros
        text = b"%d:%d" % (total, exponent) if total and exponent else b"%d" % total
        return text + (b";%d,%d,%d" % tuple(self._special) if any(self._special) else b"")

    def _total(self) -> tuple[int, int]:
        lowest = min((0, *(exponent for exponent, number in self._units.items() if number)))
        return sum(number << (exponent - lowest) for exponent, number in self._units.items() if number), lowest

    def exact(self) -> Fraction | None:
        """The sum; None where it is none, as of infinities."""
        if any(self._special):
            return None
        total, exponent = self._total()
        return Fraction(total, 1 << -exponent)

    def value(self, parts: int = 1) -> int | float:
        """The sum divided by `parts`, rounded once: an integer where all were and nothing is divided."""
        nan, infinity, minus = self._special
        if nan or (infinity and minus):
            return float("nan")
        if infinity or minus:
            return float("inf") if infinity else float("-inf")
        total, exponent = self._total()
        if parts == 1 and not exponent and all(one == 0 for one, number in self._units.items() if number):
            return total
        return rounded(Fraction(total, parts << -exponent))


def rounded(value: Fraction) -> float:
    """The double that is nearest; infinite beyond the largest."""
    try:
        return value.numerator / value.denominator  # correctly rounded, as integers are divided
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def deviation(count: int, total: Fraction, squares: Fraction) -> float:
    """The standard deviation of a sample, with count - 1 below it, from exact sums; NaN of fewer than two."""
    if count < 2:
        return math.nan
    return root((squares - total * total / count) / (count - 1))


def root(value: Fraction) -> float:
    """The square root, rounded to about the nearest double whatever the size of the value."""
    if value <= 0:
        return 0.0
    shift = 2 * (120 - (value.numerator.bit_length() - value.denominator.bit_length()) // 2)
    scaled = (
        (value.numerator << shift) // value.denominator
        if shift >= 0
        else value.numerator // (value.denominator << -shift)
    )
    return rounded(Fraction(math.isqrt(scaled)) * Fraction(2) ** (-shift // 2))


def number_state(value: int | float) -> bytes:
    """A number without an error, as `ExactSum.written` has it."""
    total = ExactSum()
    total.add(value)
    return total.written()


def number_of(state: bytes, is_double: bool) -> Any:
    """What `number_state` has written, or the native library in any of its forms."""
    total = ExactSum()
    total.merge(state)
    return float(total.value()) if is_double else total.value()
