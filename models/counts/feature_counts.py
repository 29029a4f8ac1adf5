"""The counts of features by label: the outputs of jobs/featurecount.py and jobs/labelcount.py in arrays.

What the counts did not see (the validation split, the test split) nothing here has seen. No document is read; what a
feature weighs is the business of `models.counts.feature_weights`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ne
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.output import manifest

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FeatureCounts:
    """How often features occur in documents of each label.

    Only the pairs of a feature and a label that occur are held, as four parallel arrays in the order of the features
    and, within a feature, of the labels.

    Attributes:
        features: bytes, each once.
        labels: names, sorted.
        feature: int64 [pairs], ascending, indexes `features`.
        label: int64 [pairs], indexes `labels`.
        tf, df: int64 [pairs], term and document frequencies.
        documents: int64 [labels], documents of each label.
    """

    features: list[bytes]
    labels: list[str]
    feature: Array
    label: Array
    tf: Array
    df: Array
    documents: Array

    @property
    def document_frequency(self) -> Array:
        """int64 [features], over all labels."""
        return self._sum(self.df)

    @property
    def term_frequency(self) -> Array:
        """int64 [features], over all labels."""
        return self._sum(self.tf)

    def dense(self, values: Array) -> Array:
        """`tf` or `df` as an int64 matrix [features, labels]."""
        found = np.zeros((len(self.features), len(self.labels)), np.int64)
        found[self.feature, self.label] = values
        return found

    def select(self, order: Array) -> FeatureCounts:
        """The features at these indices, in this order."""
        moved = places(order, len(self.features))[self.feature]
        pairs = np.flatnonzero(moved >= 0)
        pairs = pairs[np.argsort(moved[pairs], kind="stable")]
        return FeatureCounts(
            [self.features[i] for i in order],
            self.labels,
            moved[pairs],
            self.label[pairs],
            self.tf[pairs],
            self.df[pairs],
            self.documents,
        )

    def _sum(self, values: Array) -> Array:
        # float64 holds these sums exactly: they are far below 2**53.
        return np.bincount(self.feature, values, len(self.features)).astype(np.int64)


def places(order: Array, size: int) -> Array:
    """Where each number below `size` stands in an order, int64 [size], -1 where it does not."""
    found = np.full(size, -1, np.int64)
    found[order] = np.arange(len(order))
    return found


def load(features: str | os.PathLike[str], labels: str | os.PathLike[str]) -> FeatureCounts:
    """Reads the outputs of jobs/featurecount.py and jobs/labelcount.py over the same records.

    Raises:
        UserError: an output is missing or not whole, or a label of the features is not among the labels.
    """
    documents = label_documents(labels)
    names = list(documents)
    index = {name.encode("utf-8", "surrogateescape"): i for i, name in enumerate(names)}
    found = manifest.read(features, "featurecount")
    tokens: list[bytes] = []
    columns: list[tuple[Array, Array, Array, Array]] = []
    for path in manifest.part_paths(features, found):
        with open(path, "rb") as file:
            fields = file.read().replace(b"\n", b"\t").split(b"\t")[:-1]
        if not fields:
            continue
        keys = fields[::4]
        new = np.fromiter(map(ne, keys, [None, *keys[:-1]]), bool, len(keys))  # a part is in the order of its keys
        try:
            label = np.fromiter(map(index.__getitem__, fields[1::4]), np.int64, len(keys))
            tf, df = _integers(fields[2::4]), _integers(fields[3::4])
        except KeyError as error:
            raise UserError(
                f"{path}: label {error!s:.60} is not in {labels}; count both from the same records"
            ) from None
        except (ValueError, OverflowError, MemoryError):
            raise UserError(f"{path}: not lines of `feature TAB label TAB tf TAB df`; count again") from None
        if not len(keys) == len(label) == len(tf) == len(df):
            raise UserError(f"{path}: not lines of `feature TAB label TAB tf TAB df`; count again")
        columns.append((np.cumsum(new) - 1 + len(tokens), label, tf, df))
        tokens += compress(keys, new)
    columns = columns or [(np.zeros(0, np.int64),) * 4]
    feature, label, tf, df = (np.concatenate(column) for column in zip(*columns))
    return FeatureCounts(tokens, names, feature, label, tf, df, np.array(list(documents.values()), np.int64))


def label_documents(directory: str | os.PathLike[str]) -> dict[str, int]:
    """The documents of each label, by sorted name, from an output of jobs/labelcount.py.

    Raises:
        UserError: the output is missing or not whole.
    """
    return {name: documents for name, (documents, _) in _label_counts(directory).items()}


def mean_length(directory: str | os.PathLike[str]) -> float:
    """The mean number of words in a document, from an output of jobs/labelcount.py; 0.0 without documents.

    Raises:
        UserError: the output is missing or not whole.
    """
    counts = _label_counts(directory).values()
    return sum(words for _, words in counts) / max(sum(documents for documents, _ in counts), 1)


def _label_counts(directory: str | os.PathLike[str]) -> dict[str, tuple[int, int]]:
    found = manifest.read(directory, "labelcount")
    counts: dict[str, tuple[int, int]] = {}
    for path in manifest.part_paths(directory, found):
        with open(path, "rb") as file:
            for line in file:
                fields = line.split(b"\t", 3)
                if len(fields) != 4 or not all(field.isdigit() and len(field) < 19 for field in fields[1:3]):
                    raise UserError(f"{path}: not `label TAB documents TAB words TAB ...`: {line[:60]!r}; count again")
                counts[fields[0].decode("utf-8", "surrogateescape")] = int(fields[1]), int(fields[2])
    return dict(sorted(counts.items()))


def _integers(fields: Sequence[bytes]) -> Array:
    return np.array(fields, "S").astype(np.int64)


def keep(counts: FeatureCounts, minimum_df: int = 1, most: int | None = None) -> FeatureCounts:
    """The features of the most documents, in the order of their ids.

    Descending document frequency, then term frequency, then ascending bytes: the number of parts that the counts came
    in does not matter.

    Raises:
        UserError: no feature is left.
    """
    by_bytes = np.array(sorted(range(len(counts.features)), key=counts.features.__getitem__), np.int64)
    return counts.select(ranked(counts, by_bytes, minimum_df, most))


def ranked(counts: FeatureCounts, among: Array, minimum_df: int = 1, most: int | None = None) -> Array:
    """Which features are kept, int64, in the order of their ids: by document frequency, then term frequency.

    Args:
        among: int64, those that may be kept; of equal ones, the first of them comes first.

    Raises:
        UserError: no feature is left.
    """
    df, tf = counts.document_frequency[among], counts.term_frequency[among]
    order = np.lexsort((-tf, -df))
    order = order[: int(np.count_nonzero(df >= max(minimum_df, 1)))][:most]
    if not len(order):
        raise UserError(
            f"no token is left in the vocabulary (of {len(df)} features none is in {minimum_df} documents); "
            "give more text, or check that the text column is the right one"
        )
    found: Array = among[order]
    return found
