"""Encoded documents as bags in arrays: the distinct features of each document and how often each one is in it.

The twin of `models.layers.bags`, which makes the same of a batch in a graph. Shard lines are read natively where the
library is there. What a feature weighs is a function of arrays here too; nothing is trained.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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

    def select(self, documents: Array, to: Array) -> Bags:
        """Some documents, with some of their features; natively alone.

        Args:
            documents: int64 [selected], their numbers.
            to: int32 [features + 2], the new id of each one, -1 where it is left out.
        """
        return Bags(*native.select(native.load(), (self.ends, self.ids, self.counts), documents, to))

    def weigh(self, scale: Array, term_frequency: str, normalize: bool) -> Array:
        """What each feature weighs in its document, float32 [values].

        Args:
            scale: float32 [features + 2], by id.
            term_frequency, normalize: as in `models.architectures.linear`.
        """
        values: Array = TERM_FREQUENCIES[term_frequency](self.counts.astype(np.float32)) * scale[self.ids]
        if not normalize:
            return values
        if (library := native.load()) is not None:
            native.normalize(library, self.ends, values)
        else:
            sums = np.concatenate([[0.0], np.cumsum(values * values, dtype=np.float64)])
            squares = np.maximum(sums[self.ends] - sums[self.ends - self.sizes], 1e-12)
            values *= np.repeat((1 / np.sqrt(squares)).astype(np.float32), self.sizes)
        return values


class Labelled(NamedTuple):
    """Bags and their labels, int32 [documents], by number; -1 is a label that is not known."""

    bags: Bags
    y: Array


class Lines(NamedTuple):
    """What shard lines hold.

    Attributes:
        labels: of each line, as they stand there.
        hashes: uint64 [lines], of the text or, where lines hold it too, of the group.
        features: int64 [lines], how many features each document has, OOV among them.
    """

    bags: Bags
    labels: list[bytes]
    hashes: Array
    features: Array


def read(directories: Iterable[str | os.PathLike[str]], *, features: int) -> Lines:
    """All records of outputs of jobs/encode.py, in the order of the files.

    Args:
        features: size of the vocabulary.

    Raises:
        UserError: an output is missing, not whole, or not of texts and such a vocabulary.
    """
    place = np.zeros(features + FIRST, np.int64)
    pieces: list[Lines] = []
    values = 0
    for path in (path for directory in directories for path in _paths(directory)):
        with open(path, "rb") as file:
            for block in blocks(file, marked=False):
                try:
                    piece = of_lines(block, place)
                except ValueError:
                    raise UserError(
                        f"{path}: not `hash TAB label TAB base64` of {features} features; encode again"
                    ) from None
                pieces.append(piece._replace(bags=replace(piece.bags, ends=piece.bags.ends + values)))
                values += len(piece.bags.ids)
    return joined(pieces)


def _paths(directory: str | os.PathLike[str]) -> list[str]:
    found = manifest.read(directory, "encode")
    dataset.check(directory, found, "bag")
    return manifest.part_paths(directory, found)


def numbered(names: Sequence[bytes], labels: Sequence[str]) -> Array:
    """Labels as they stand in shard lines by their number, int32 [names], -1 for one that is not among `labels`."""
    index = {name.encode("utf-8", "surrogateescape"): number for number, name in enumerate(labels)}
    return np.array([index.get(name, -1) for name in names], np.int32)


def of_lines(lines: bytes, place: Array, first: int = FIRST) -> Lines:
    """What whole shard lines hold.

    Args:
        place: int64 [features + 2], room to write to.
        first: the least id that is kept; 1 keeps OOV.

    Raises:
        ValueError: a line is none, or has an id that is beyond the vocabulary.
    """
    if (library := native.load()) is not None:
        try:
            found, labels, hashes, sizes = native.bags(library, lines, first, place)
        except native.Unsupported:
            raise ValueError("no shard line") from None
        return Lines(Bags(*found), labels, hashes, sizes)
    pieces, values = [], 0
    for line in lines.split(b"\n")[: lines.count(b"\n")]:
        hashed, label, encoded = line.split(b"\t")
        row = np.frombuffer(base64.urlsafe_b64decode(encoded), "<i4")
        if len(row) and row.max() >= len(place):
            raise ValueError(f"id {row.max()}")
        unique, begins, often = np.unique(row[row >= first], return_index=True, return_counts=True)
        order = np.argsort(begins)
        values += len(unique)
        bags = Bags(np.array([values]), unique[order].astype(np.int32), often[order].astype(np.int32))
        hashes = np.array([int(hashed[-16:], 16)], np.uint64)
        pieces.append(Lines(bags, [label], hashes, np.array([len(row)], np.int64)))
    return joined(pieces)


def joined(pieces: Sequence[Lines]) -> Lines:
    """Pieces, whose values end where they do in the whole, one behind the other."""

    def together(arrays: Iterable[Array], dtype: type) -> Array:
        return np.concatenate([np.empty(0, dtype), *arrays])

    bags = Bags(
        together((one.bags.ends for one in pieces), np.int64),
        together((one.bags.ids for one in pieces), np.int32),
        together((one.bags.counts for one in pieces), np.int32),
    )
    labels = [label for one in pieces for label in one.labels]
    hashes, features = (one.hashes for one in pieces), (one.features for one in pieces)
    return Lines(bags, labels, together(hashes, np.uint64), together(features, np.int64))
