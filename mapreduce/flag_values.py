"""Values of command-line flags that are neither words nor plain numbers."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)

LARGEST = 10**18
"""Counts that are given or summed up lie below, so that they fit 64 bits."""
WIDEST = 100
"""The largest width of n-grams: features, and what they take, grow with it."""


def whole(least: int, most: int = LARGEST) -> Callable[[str], int]:
    """A parser of whole numbers.

    Example:
        >>> whole(1)("20")
        20

    Raises:
        ArgumentTypeError, as the parser: it is none, or outside the bounds.
    """

    return parser(int, lambda value: least <= value <= most, f"a whole number from {least} to {most}")


def number(above: float, below: float) -> Callable[[str], float]:
    """A parser of numbers between two others, neither of which is taken.

    Example:
        >>> number(0, 1)("0.5")
        0.5

    Raises:
        ArgumentTypeError, as the parser: it is none, or not between them.
    """

    return parser(float, lambda value: above < value < below, f"a number above {above:g} and below {below:g}")


def parser(kind: Callable[[str], Number], fits: Callable[[Number], bool], what: str) -> Callable[[str], Number]:
    """A parser of numbers that fit.

    Args:
        kind: int or float.
        what: they have to be, for the error.

    Raises:
        ArgumentTypeError, as the parser: it is none, or does not fit.
    """

    def parse(text: str) -> Number:
        try:
            if fits(value := kind(text)):
                return value
        except ValueError:
            pass
        raise ArgumentTypeError(f"{what}. Received: {text:.60}")

    return parse


def count_or_share(text: str) -> float | int:
    """Parses "2" as a count and "0.01" as a share.

    Example:
        >>> count_or_share("2"), count_or_share("0.01")
        (2, 0.01)

    Raises:
        ArgumentTypeError: it is neither, below 0, or a share above 1.
    """
    try:
        value = float(text) if "." in text else int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= (1 if isinstance(value, float) else LARGEST):
        raise ArgumentTypeError(f"a count, or a share from 0.0 to 1.0. Received: {text:.60}")
    return value


def exceeds(number: int, total: int, most: float | int) -> bool:
    """Whether a number is more than what `count_or_share` has parsed allows, of so many in all.

    Example:
        >>> exceeds(3, 100, 2), exceeds(3, 100, 0.03)
        (True, False)
    """
    return number > (most * total if isinstance(most, float) else most)


def widths(text: str) -> tuple[int, ...]:
    """Parses ranges and lists of numbers from 1 to `WIDEST`.

    Example:
        >>> widths("3-5"), widths("1,3"), widths("2")
        ((3, 4, 5), (1, 3), (2,))

    Raises:
        ArgumentTypeError: it is none of these.
    """
    first, dash, last = text.partition("-")
    try:
        bounds = [int(first), int(last)] if dash else list(map(int, text.split(",")))
    except ValueError:
        bounds = []
    if not bounds or bounds != sorted({*bounds} if not dash else bounds) or bounds[0] < 1 or bounds[-1] > WIDEST:
        raise ArgumentTypeError(
            f"a number, a range as 3-5, or a list as 1,3, of widths from 1 to {WIDEST}. Received: {text:.60}"
        )
    return tuple(range(bounds[0], bounds[1] + 1)) if dash else tuple(bounds)


def up_to_or_widths(text: str) -> int | tuple[int, ...]:
    """Parses "3" as 3, which means widths 1 to 3, and "3-3" or "1,3" as `widths` does."""
    found = widths(text)
    return found[0] if text.isdigit() else found


def memory_size(text: str) -> int:
    """Parses a number of bytes, with K, M or G behind it or none.

    Example:
        >>> memory_size("512M") == 512 * 1024 * 1024
        True

    Raises:
        ArgumentTypeError: it is neither, below 1 or beyond what any machine has.
    """
    units = {"K": 10, "M": 20, "G": 30}
    unit = units.get(text[-1:].upper())
    try:
        size = int(text[:-1]) << unit if unit else int(text)
    except ValueError:
        size = 0
    if not 0 < size <= 1 << 50:
        raise ArgumentTypeError(f"a number of bytes, as 512M or 4G, up to 1048576G. Received: {text:.60}")
    return size


def duration(text: str) -> float:
    """Parses a time in seconds, with s, m or h behind it or none.

    Example:
        >>> duration("10m")
        600.0

    Raises:
        ArgumentTypeError: it is neither, or not above 0.
    """
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise ArgumentTypeError(f"a time, as 90s, 10m or 2h. Received: {text:.60}")
    return seconds
