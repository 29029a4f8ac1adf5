"""Draws the validation split again where it lacks a label: a salt under which every label is in both splits.

Which records a split has is `mapreduce.input.records`' rule; this module looks at every record once, and hashes those
of a label only until the label has been seen on both sides.
"""

from __future__ import annotations

from mapreduce.input.records import SplitRule

SALTS = ("", *map(str, range(1, 21)))
SHOWN = 5


class Sides:
    """On which sides of the split the labels' records are, under each salt.

    Args:
        validation: share of the validation split.
    """

    def __init__(self, validation: float) -> None:
        self._rules = [SplitRule("validation", validation, salt.encode()) for salt in SALTS]
        # By label, for each salt that has not put it on both sides: on which side all of it is.
        self._open: dict[str, dict[int, bool]] = {}
        self._several: set[str] = set()

    def add(self, label: str, key: bytes) -> None:
        """Adds a record, by what its split depends on: its text, or its group."""
        if label not in self._open:
            self._open[label] = {place: key in rule for place, rule in enumerate(self._rules)}
            return
        self._several.add(label)
        left = self._open[label]
        for place in [place for place, side in left.items() if (key in self._rules[place]) != side]:
            del left[place]

    def salt(self) -> tuple[str, str]:
        """The first salt that leaves no label of several records on one side alone, and what is to be said of it.

        Where every salt leaves one, it is the first of all.
        """
        missing = [
            sorted(label for label in self._several if place in self._open[label]) for place in range(len(SALTS))
        ]
        if not missing[0]:
            return "", ""
        names = ", ".join(map(repr, missing[0][:SHOWN])) + (", ..." if len(missing[0]) > SHOWN else "")
        lacks = f"labels that are not in both splits: {names}"
        for salt, found in zip(SALTS, missing):
            if not found:
                return salt, f"{lacks}; with --salt {salt} all of two or more records are, so it is taken"
        return "", f"warning: {lacks}; so it is with every salt up to {SALTS[-1]}"
