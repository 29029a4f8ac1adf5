"""How alike two items are, by the baskets that hold both: measures over counts. It knows no job."""

from __future__ import annotations

import math
from collections.abc import Callable

COUNT, COSINE, LLR = "count", "cosine", "llr"


def cosine(both: int, one: int, other: int, baskets: int) -> float:
    """The cosine of the items as vectors of baskets: both / sqrt(one other)."""
    return both / math.sqrt(one * other)


def llr(both: int, one: int, other: int, baskets: int) -> float:
    """The log-likelihood ratio of the two being independent (Dunning 1993): twice the sum, over the four cells of a
    table, of observed times log(observed / expected).

    Example:
        >>> round(llr(10, 100, 10, 100), 6)
        0.0
    """
    rows, columns = (one, baskets - one), (other, baskets - other)
    cells = ((both, one - both), (other - both, baskets - one - other + both))
    total = 0.0
    for row, observed in zip(rows, cells):
        for column, n in zip(columns, observed):
            if n:
                total += n * math.log(n * baskets / (row * column))
    return max(0.0, 2 * total)


MEASURES: dict[str, Callable[[int, int, int, int], float]] = {
    COUNT: lambda both, one, other, baskets: float(both),
    COSINE: cosine,
    LLR: llr,
}
"""By name: of the baskets that hold both items, one, the other, and of all baskets."""
