"""Values of command-line flags that are neither words nor plain numbers."""

from __future__ import annotations

from argparse import ArgumentTypeError


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
    if value < 0 or (isinstance(value, float) and value > 1):
        raise ArgumentTypeError(f"a count, or a share from 0.0 to 1.0. Received: {text}")
    return value


def widths(text: str) -> tuple[int, ...]:
    """Parses ranges and lists of numbers.

    Example:
        >>> widths("3-5"), widths("1,3"), widths("2")
        ((3, 4, 5), (1, 3), (2,))

    Raises:
        ArgumentTypeError: it is none of these.
    """
    first, dash, last = text.partition("-")
    try:
        return tuple(range(int(first), int(last) + 1)) if dash else tuple(map(int, text.split(",")))
    except ValueError:
        raise ArgumentTypeError(f"a number, a range as 3-5, or a list as 1,3. Received: {text}") from None


def up_to_or_widths(text: str) -> int | tuple[int, ...]:
    """Parses "3" as 3, which means widths 1 to 3, and "3-3" or "1,3" as `widths` does."""
    return int(text) if text.isdigit() else widths(text)


def memory_size(text: str) -> int:
    """Parses a number of bytes, with K, M or G behind it or none.

    Example:
        >>> memory_size("512M") == 512 * 1024 * 1024
        True

    Raises:
        ArgumentTypeError: it is neither.
    """
    units = {"K": 10, "M": 20, "G": 30}
    unit = units.get(text[-1:].upper())
    try:
        return int(text[:-1]) << unit if unit else int(text)
    except ValueError:
        raise ArgumentTypeError(f"a number of bytes, as 512M or 4G. Received: {text}") from None
