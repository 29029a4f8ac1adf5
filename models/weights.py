"""What the counts say about features: the counts of jobs/featurecount.py in arrays, and the weights made from them.

Every weight is a function of the counts alone, so what the counts did not see (the validation split, the test split)
no weight has seen. Nothing is trained here and no document is read; which features are kept is `models.selection`'s
affair.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ne
from typing import Any

import numpy as np

from mapreduce import manifest
from mapreduce.errors import UserError

Array = np.ndarray[Any, Any]

WORD, NGRAM, CHARACTERS, HEAD = range(4)
"""Kinds of features, as `kinds` tells them."""


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
        place = np.full(len(self.features), -1, np.int64)
        place[order] = np.arange(len(order))
        moved = place[self.feature]
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


IDF_FORMULAS: dict[str, Callable[[Array, Array], Array]] = {
    "tensorflow_transform": lambda n, df: np.log((n + 1) / (df + 1)) + 1,
    "keras": lambda n, df: np.log(1 + n / (1 + df)),
    "spark": lambda n, df: np.log((n + 1) / (df + 1)),
}


def idf(counts: FeatureCounts, formula: str = "tensorflow_transform") -> Array:
    """Inverse document frequency, float64 [features]; n counts documents, df those that hold the feature.

    The idea is that of Sparck Jones (1972), "A statistical interpretation of term specificity and its application in
    retrieval"; the formulas in use differ:

    - "tensorflow_transform": ln((n + 1) / (df + 1)) + 1, of tft.tfidf, also of scikit-learn's TfidfTransformer;
    - "keras": ln(1 + n / (1 + df)), of TextVectorization(output_mode="tf_idf");
    - "spark": ln((n + 1) / (df + 1)), of pyspark.ml.feature.IDF.

    Raises:
        UserError: there is no such formula.
    """
    if formula not in IDF_FORMULAS:
        raise UserError(f"idf: formula is one of {', '.join(IDF_FORMULAS)}. Received: {formula!r}")
    found: Array = IDF_FORMULAS[formula](counts.documents.sum(), counts.document_frequency)
    return found


def igm(counts: FeatureCounts, factor: float = 7.0) -> Array:
    """Inverse gravity moment, 1 + factor * f1 / sum(r * fr), float64 [features].

    f1 >= f2 >= ... are the feature's document frequencies in the labels, in descending order, and r their ranks: a
    feature of one label has 1 + factor, one spread evenly over L labels 1 + factor * 2 / (L * (L + 1)). Chen, Zhang,
    Long and Zhang (2016), "Turning from TF-IDF to TF-IGM for term weighting in text classification", where factor is
    between 5 and 9.
    """
    order = np.lexsort((-counts.df, counts.feature))
    feature, df = counts.feature[order], counts.df[order]
    first = np.searchsorted(feature, np.arange(len(counts.features)))
    rank = np.arange(len(feature)) - first[feature] + 1
    moment = np.bincount(feature, rank * df, len(counts.features))
    found: Array = 1 + factor * df[first] / moment
    return found


def igm_idf(counts: FeatureCounts, factor: float = 3.0) -> Array:
    """`igm` times the square root of `idf`, float64 [features].

    IGM alone gives words that are everywhere, but in no label in particular, 1; the square root of IDF tells them from
    rare ones. Chosen by cross-validation within training splits (R8, R52, 20 Newsgroups).
    """
    return igm(counts, factor) * np.sqrt(idf(counts))


def naive_bayes_ratio(counts: FeatureCounts, smoothing: float = 1.0) -> Array:
    """The log-count ratio of two labels, ln((p / |p|) / (q / |q|)), float64 [features].

    p and q are `smoothing` plus the document frequencies in the second and in the first label, |.| their sums over all
    features. Wang and Manning (2012), "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification".

    Raises:
        UserError: there are not exactly two labels.
    """
    if len(counts.labels) != 2:
        raise UserError(f"naive_bayes_ratio: needs two labels. Received: {len(counts.labels)}")
    q, p = (counts.dense(counts.df) + smoothing).T
    ratio: Array = np.log(p / p.sum()) - np.log(q / q.sum())
    return ratio


WEIGHTS: dict[str, Callable[[FeatureCounts], Array]] = {
    "idf": idf,
    "igm": igm,
    "igm_idf": igm_idf,
    "naive_bayes": naive_bayes_ratio,
}


def kinds(features: Sequence[bytes]) -> Array:
    """What each feature is: WORD, NGRAM (words joined by a space), CHARACTERS or HEAD; int8 [features]."""
    found = np.fromiter(map(_kind, features), np.int8, len(features))
    return found


def _kind(feature: bytes) -> int:
    if feature.startswith(b" "):
        return HEAD if feature[1:2] == b"^" else CHARACTERS
    return NGRAM if b" " in feature else WORD
