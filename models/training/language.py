"""Whether texts are written without spaces between words, as Chinese, Japanese, Thai, Lao, Khmer and Burmese are.

By the letters that jobs/labelcount.py has counted on the train split: they are if a tenth of them or more is of such a
script. What the candidates are then stands in `models.training.candidates`; nothing is counted here.
"""

from __future__ import annotations

import os

from mapreduce.features.letters import GROUP, SPACED
from mapreduce.output import manifest

SHARE = 0.1
"""Texts are taken for ones without spaces where so many of their letters are of scripts without. An ideograph says what
three or four letters do, so half of such texts may be in English."""


def shares(labelcount: str | os.PathLike[str]) -> dict[str, float]:
    """The share of each script without spaces in all letters, the largest first, by an output of jobs/labelcount.py.

    Earlier versions counted no letters; their outputs have no shares.

    Raises:
        UserError: the output is missing or not whole.
    """
    letters = manifest.read(labelcount, "labelcount")["counters"].get(GROUP, {})
    total = sum(letters.values())
    found = {name: n / total for name, n in letters.items() if name != SPACED}
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def is_unspaced(found: dict[str, float]) -> bool:
    """Whether these shares are those of texts without spaces between words."""
    return sum(found.values()) >= SHARE


def explain(found: dict[str, float]) -> str:
    """One line on what was noticed, and what follows."""
    named = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.items() if share >= 0.005)
    return f"texts without spaces between words ({named}): characters are the tokens"
