"""All records in memory, with every feature that some candidates need: counted once, encoded once.

What one candidate sees of one split is a choice of documents and of features; both are made here, natively. Nothing is
fitted. Splits are those of `mapreduce.input.records`; further ones are drawn from the hashes that shard lines hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.native import library as native
from mapreduce.output import manifest, vocabulary
from mapreduce.output.vocabulary import FIRST
from mapreduce.tokens.specification import FEATURES, Specification
from models import dataset
from models.counts import bags, feature_weights
from models.counts.bags import Labelled
from models.counts.feature_counts import Array, FeatureCounts, places
from models.training import coverage
from models.training.candidates import TextCandidate
from models.training.stages import Stages

TIMES = 4
"""A pool holds so many times the features of a candidate at most; what is beyond is in very few documents."""
FOLDS = 5


def union(one: Specification, other: Specification) -> Specification | None:
    """What makes the features of both; None where there is none that tells them apart again.

    Widths of n-grams are joined. Of any other kind of features one of the two may have none.
    """
    changes: dict[str, Any] = {}
    for field in fields(Specification):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "ngrams" and one.split == "whitespace":
            changes["ngrams"] = tuple(sorted({*a, *b}))
        elif a != b:
            if field.name not in FEATURES or (a and b):
                return None
            changes[field.name] = a or b
    return replace(one, **changes)


def families(candidates: Sequence[TextCandidate]) -> list[tuple[Specification, list[TextCandidate]]]:
    """Candidates whose features one specification makes, with that specification, in their own order."""
    found: list[tuple[Specification, list[TextCandidate]]] = []
    for candidate in candidates:
        for place, (specification, members) in enumerate(found):
            if (both := union(specification, candidate.specification)) is not None:
                found[place] = both, [*members, candidate]
                break
        else:
            found.append((candidate.specification, [candidate]))
    return found


def summed(parts: Sequence[TextCandidate]) -> TextCandidate:
    """What candidates of one family are called that add up to one model, and what makes the features of all of them."""
    ((specification, _),) = families(parts)
    return replace(parts[0], name=" + ".join(one.name for one in parts), specification=specification)


class Pool:
    """The records of an input, encoded with all features of some candidates.

    Args:
        specification: what makes these features.
        labels: names of all labels, sorted.

    Attributes:
        every: the numbers of all documents.
        documents: bags, and the labels by their numbers.
        tokens: the features, in the order of their ids.
        outputs: of the jobs, for who has to know whether they are others.
    """

    def __init__(
        self, stages: Stages, specification: Specification, members: Sequence[TextCandidate], labels: Sequence[str]
    ) -> None:
        self.specification, self.labels, self._share = specification, list(labels), stages.validation
        fewest = min(one.minimum_df for one in members)
        most = TIMES * max(one.features for one in members)
        counted = stages.vocabulary(specification, fewest, most)
        described = manifest.read(counted, "vocabulary")
        splits = ("train", "validation") if stages.held_out else ("all",)
        name = described["vocabulary_fingerprint"]
        encoded = [stages.encode(specification, split, counted, name) for split in splits]
        self.outputs = [counted, *encoded]
        self.tokens = vocabulary.read_tokens(manifest.part_paths(counted, described)[0])
        lines = bags.read(encoded, features=len(self.tokens))
        self.documents = Labelled(lines.bags, bags.numbered(lines.labels, labels))
        self.every = np.arange(len(lines.labels))
        self._hashes, self._features = lines.hashes, lines.features
        self._held_out: Array | None = None
        if stages.held_out:
            self._held_out = self.every >= dataset.count(encoded[0])
        self._holds_all_words = fewest == 1 and 1 in specification.ngrams and len(self.tokens) < most

    def validation(self, draw: int = 0) -> Array:
        """Which documents are of the validation split, bool [documents].

        Args:
            draw: 0 is the split that the jobs make; any other number draws another one, by the same hashes.
        """
        if self._held_out is not None:
            return self._held_out
        bound = min(math.ceil(self._share * 2**64), 2**64 - 1)
        found: Array = _mixed(self._hashes, draw) < np.uint64(bound)
        return found

    def folds(self, draw: int) -> Array:
        """Which of FOLDS parts each document is in, int64 [documents], as a draw has it.

        Documents that are alike, or of one group, are in one part.
        """
        high = _mixed(self._hashes, draw) >> np.uint64(32)
        found: Array = (high * np.uint64(FOLDS) >> np.uint64(32)).astype(np.int64)
        return found

    @cached_property
    def evenest(self) -> int:
        """Of 20 draws of folds the one with the most even labels."""
        y = self.documents.y
        labels = int(y.max()) + 1
        expected = np.bincount(y, minlength=labels) / FOLDS

        def unevenness(draw: int) -> float:
            counts = np.bincount(self.folds(draw) * labels + y, minlength=FOLDS * labels).reshape(FOLDS, labels)
            return float((np.square(counts - expected) / np.maximum(expected, 1e-9)).sum())

        return min(range(1, 21), key=unevenness)

    def features(self, candidate: TextCandidate) -> Array:
        """The features of a candidate among all, int64, ascending."""
        has, wanted = self.specification, candidate.specification
        kept = np.ones(len(self.tokens), bool)
        for kind, field in enumerate(feature_weights.FIELDS):
            if field != "ngrams" and getattr(has, field) != getattr(wanted, field):
                kept &= self.kinds != kind
        if has.ngrams != wanted.ngrams:
            words = self.kinds <= feature_weights.NGRAM
            kept &= ~words | np.isin(self._widths, wanted.ngrams)
        return np.flatnonzero(kept)

    @cached_property
    def kinds(self) -> Array:
        """What each feature is, as `models.counts.feature_weights.kinds` has it."""
        return feature_weights.kinds(self.tokens)

    @cached_property
    def _widths(self) -> Array:
        return feature_weights.widths(self.tokens)

    def count(self, selected: Array) -> FeatureCounts:
        """The counts of all features by label in some documents, int64, by their numbers."""
        found, y = self.documents
        by_label = selected[np.argsort(y[selected], kind="stable")]
        size = len(self.tokens) + FIRST
        pairs = native.label_counts(native.load(), (found.ends, found.ids, found.counts), y, by_label, size)
        documents = np.bincount(y[selected], minlength=len(self.labels))
        return FeatureCounts(self.tokens, self.labels, pairs[0] - FIRST, *pairs[1:], documents)

    def select(self, selected: Array, kept: Array) -> Labelled:
        """Some documents with some features, which get ids in the order in which they are given."""
        to = places(kept + FIRST, len(self.tokens) + FIRST)
        to[to >= 0] += FIRST
        found, y = self.documents
        return Labelled(found.select(selected, to.astype(np.int32)), y[selected])

    def unknown(self, selected: Array, kept: Array) -> float | None:
        """The share of the words of some documents that are not among the features that are kept."""
        is_word = self.kinds == feature_weights.WORD
        if self._holds_all_words:
            words = self._sum(selected, np.flatnonzero(is_word))
        elif coverage.tells_words(self.specification):
            words = int(coverage.word_counts(self.specification, self._features[selected]).sum())
        else:
            return None
        return 1 - self._sum(selected, kept[is_word[kept]]) / words if words else None

    def _sum(self, selected: Array, kept: Array) -> int:
        return int(self.select(selected, kept).bags.counts.sum())


def _mixed(hashes: Array, draw: int) -> Array:
    """Hashes that another hash function might have given; the draws are those of SplitMix64."""
    if not draw:
        return hashes
    if draw < 0:
        raise UserError(f"draw: a number from 0. Received: {draw}")
    x = hashes + np.uint64(draw * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    found: Array = x ^ x >> np.uint64(31)
    return found
