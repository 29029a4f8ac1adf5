"""Values of command-line flags that are neither words nor plain numbers."""

from __future__ import annotations

from argparse import ArgumentTypeError


def count_or_share(text: str) -> float | int:
    """Parses "2" as a count and "0.01" as a share.

    Raises:
        ArgumentTypeError: it is below 0, or a share above 1.
        ValueError: it is no number.
    """
    value = float(text) if "." in text else int(text)
    if value < 0 or (isinstance(value, float) and value > 1):
        raise ArgumentTypeError(f"a count, or a share from 0.0 to 1.0. Received: {text}")
    return value


def widths(text: str) -> tuple[int, ...]:
    """Parses "3-5" as (3, 4, 5), "1,3" as (1, 3) and "2" as (2,).

    Raises:
        ValueError: it is none of these.
    """
    first, dash, last = text.partition("-")
    return tuple(range(int(first), int(last) + 1)) if dash else tuple(map(int, text.split(",")))


def up_to_or_widths(text: str) -> int | tuple[int, ...]:
    """Parses "3" as 3, which means widths 1 to 3, and "3-3" or "1,3" as `widths` does."""
    return int(text) if text.isdigit() else widths(text)


def memory_size(text: str) -> int:
    """Parses "512M" or "4G" (K, M, G or bytes).

    Raises:
        ValueError: it is neither.
    """
    units = {"K": 10, "M": 20, "G": 30}
    unit = units.get(text[-1:].upper())
    return int(text[:-1]) << unit if unit else int(text)
