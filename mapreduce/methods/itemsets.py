"""Frequent item sets and the rules among them: what is found in baskets, and what the counts come to.

Each frequent item gets the baskets that hold it, and of these the items that are more frequent than itself; the sets
that end with it are found among these alone (PFP: Li, Wang, Zhang, Zhang and Chang, 2008). There a set's baskets are
the bits of one number, and a larger set's are those that its parts share (Eclat: Zaki, 2000). It knows no job.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations

from mapreduce.errors import UserError
from mapreduce.tables.figures import rounded

ItemSet = tuple[bytes, ...]
"""Items in the order of their bytes, each once."""


def _count(number: int) -> int:
    return number.bit_count()


if not hasattr(int, "bit_count"):  # before Python 3.10

    def _count(number: int) -> int:
        return bin(number).count("1")


def key_of(items: ItemSet) -> bytes:
    """An item set as a JSON list, on one line.

    Example:
        >>> key_of((b"bread", b"milk"))
        b'["bread", "milk"]'
    """
    return json.dumps([item.decode("utf-8", "surrogateescape") for item in items], ensure_ascii=False).encode(
        "utf-8", "surrogateescape"
    )


def items_of(key: bytes) -> ItemSet:
    """The item set that `key_of` has written."""
    return tuple(item.encode("utf-8", "surrogateescape") for item in json.loads(key.decode("utf-8", "surrogateescape")))


def frequent(baskets: Sequence[Sequence[bytes]], least: int, longest: int, most: int) -> Iterator[tuple[ItemSet, int]]:
    """The sets of items that so many of the baskets hold, and how many do.

    Args:
        baskets: items of each, no one twice.
        least: baskets, at least 1.
        longest: items of a set, at most.
        most: sets, at most.

    Raises:
        UserError: there are more.
    """
    counts = Counter(chain.from_iterable(baskets))
    size = len(baskets) // 8 + 1
    held = {item: bytearray(size) for item, n in counts.items() if n >= least}
    for number, basket in enumerate(baskets) if held and longest else ():
        byte, bit = number >> 3, 1 << (number & 7)
        for item in basket:
            if item in held:
                held[item][byte] |= bit
    found = 0
    singles = [(item, int.from_bytes(bits, "little"), counts[item]) for item, bits in sorted(held.items())]
    stack: list[tuple[ItemSet, list[tuple[bytes, int, int]]]] = [((), singles)] if longest else []
    while stack:
        prefix, extensions = stack.pop()
        for place, (item, bits, n) in enumerate(extensions):
            items = (*prefix, item)
            found += 1
            if found > most:
                raise UserError(
                    f"more than {most} item sets are frequent; give a higher --support, a lower --longest, or a higher "
                    "--max-sets"
                )
            yield items, n
            if len(items) < longest:
                shared = ((other, bits & more) for other, more, _ in extensions[place + 1 :])
                longer = [(other, both, m) for other, both in shared if (m := _count(both)) >= least]
                if longer:
                    stack.append((items, longer))


@dataclass(frozen=True)
class Rule:
    """Baskets that hold one set hold another: how often (Agrawal 1993; Brin 1997 for lift and conviction).

    Attributes:
        antecedent, consequent: the sets.
        support: the share of the baskets that hold both.
        confidence: of those that hold the antecedent, the share that hold the consequent.
        lift: the confidence by the share of all that hold the consequent.
        leverage: the support, less what it would be if the two were independent.
        conviction: (1 - share of the consequent) / (1 - confidence); infinite where the confidence is 1.
    """

    antecedent: ItemSet
    consequent: ItemSet
    support: float
    confidence: float
    lift: float
    leverage: float
    conviction: float


def rules(counts: dict[ItemSet, int], baskets: int, confidence: Fraction) -> Iterator[Rule]:
    """The rules of a confidence among frequent item sets, whose subsets are all there; in the order of the sets."""
    for items in sorted(counts):
        both = counts[items]
        for size in range(1, len(items)):
            for antecedent in combinations(items, size):
                sure = Fraction(both, counts[antecedent])
                if sure < confidence:
                    continue
                consequent = tuple(item for item in items if item not in antecedent)
                support, share = Fraction(both, baskets), Fraction(counts[consequent], baskets)
                yield Rule(
                    antecedent,
                    consequent,
                    rounded(support),
                    rounded(sure),
                    rounded(sure / share),
                    rounded(support - Fraction(counts[antecedent], baskets) * share),
                    math.inf if sure == 1 else rounded((1 - share) / (1 - sure)),
                )


def least_of(support: float, baskets: int) -> int:
    """The baskets that a share of them is: the least number that is no less."""
    return max(1, math.ceil(Fraction(str(support)) * baskets))
