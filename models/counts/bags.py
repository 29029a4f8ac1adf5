"""Encoded documents as bags in arrays: the distinct features of each document and how often each one is in it.

The twin of `models.layers.bags`, which makes the same of a batch in a graph. Shard lines are read natively where the
library is there. What a feature weighs is a function of arrays here too; nothing is trained.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mapreduce.errors import UserError
from mapreduce.input.files import blocks
from mapreduce.native import library as native
from mapreduce.output import manifest
from mapreduce.output.vocabulary import FIRST
from models import dataset
from models.counts.feature_counts import Array

TERM_FREQUENCIES: dict[str, Callable[[Array], Array]] = {
    "binary": np.ones_like,
    "sublinear": lambda counts: 1 + np.log(counts),
    "sqrt": np.sqrt,
}
"""How the count of a feature in a document counts, by name, as in `models.layers.weighted_bag`."""


@dataclass(frozen=True)
class Bags:
    """Documents, one behind the other; OOV is no feature.

    Attributes:
        ends: int64 [documents], where the values of each one end.
        ids: int32 [values], of features, in the order of their first appearance in the document; 2 is the first one's.
        counts: int32 [values], how often each one is in the document.
    """

    ends: Array
    ids: Array
    counts: Array

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def sizes(self) -> Array:
        """int64 [documents], how many values each one has."""
        return np.diff(self.ends, prepend=0)

    def weigh(self, scale: Array, term_frequency: str, normalize: bool) -> Array:
        """What each feature weighs in its document, float32 [values].

        Args:
            scale: float32 [features + 2], by id.
            term_frequency, normalize: as in `models.architectures.linear`.
        """
        values: Array = TERM_FREQUENCIES[term_frequency](self.counts.astype(np.float32)) * scale[self.ids]
        if normalize:
            sums = np.concatenate([[0.0], np.cumsum(values * values, dtype=np.float64)])
            squares = np.maximum(sums[self.ends] - sums[self.ends - self.sizes], 1e-12)
            values *= np.repeat((1 / np.sqrt(squares)).astype(np.float32), self.sizes)
        return values


def read(directory: str | os.PathLike[str], *, labels: Sequence[str], features: int) -> tuple[Bags, Array]:
    """All records of an output of jobs/encode.py, in the order of the files.

    Args:
        labels: names in the order of the model's outputs.
        features: size of the vocabulary.

    Returns:
        The bags, and y, int32 [documents], which indexes `labels`, -1 for any other.

    Raises:
        UserError: the output is missing, not whole, or not of texts and such a vocabulary.
    """
    found = manifest.read(directory, "encode")
    dataset.check(directory, found, "bag")
    index = {name.encode("utf-8", "surrogateescape"): number for number, name in enumerate(labels)}
    place = np.zeros(features + FIRST, np.int64)
    pieces: list[Bags] = []
    y: list[int] = []
    values = 0
    for path in manifest.part_paths(directory, found):
        with open(path, "rb") as file:
            for block in blocks(file, marked=False):
                try:
                    bags, names = of_lines(block, place)
                except ValueError:
                    raise UserError(
                        f"{path}: not `hash TAB label TAB base64` of {features} features; encode again"
                    ) from None
                pieces.append(replace(bags, ends=bags.ends + values))
                values += len(bags.ids)
                y += [index.get(name, -1) for name in names]
    return _joined(pieces), np.array(y, np.int32)


def of_lines(lines: bytes, place: Array, first: int = FIRST) -> tuple[Bags, list[bytes]]:
    """The bags of whole shard lines, and their labels.

    Args:
        place: int64 [features + 2], room to write to.
        first: the least id that is kept; 1 keeps OOV.

    Raises:
        ValueError: a line is none, or has an id that is beyond the vocabulary.
    """
    if (library := native.load()) is not None:
        try:
            found, labels = native.bags(library, lines, first, place)
        except native.Unsupported:
            raise ValueError("no shard line") from None
        return Bags(*found), labels
    pieces, labels, values = [], [], 0
    for line in lines.split(b"\n")[: lines.count(b"\n")]:
        _, label, encoded = line.split(b"\t")
        labels.append(label)
        row = np.frombuffer(base64.urlsafe_b64decode(encoded), "<i4")
        if len(row) and row.max() >= len(place):
            raise ValueError(f"id {row.max()}")
        unique, begins, often = np.unique(row[row >= first], return_index=True, return_counts=True)
        order = np.argsort(begins)
        values += len(unique)
        pieces.append(Bags(np.array([values]), unique[order].astype(np.int32), often[order].astype(np.int32)))
    return _joined(pieces), labels


def _joined(pieces: Sequence[Bags]) -> Bags:
    def joined(name: str, dtype: type) -> Array:
        return np.concatenate([np.empty(0, dtype), *(getattr(piece, name) for piece in pieces)])

    return Bags(joined("ends", np.int64), joined("ids", np.int32), joined("counts", np.int32))
