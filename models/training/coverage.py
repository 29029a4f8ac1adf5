"""How much of its texts a model can see: tokens a document, and how many tokens of the validation split are OOV.

Both come from outputs that training makes anyway. What is odd is told on stderr, a line each; nothing is mended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from mapreduce.output import manifest
from mapreduce.output.vocabulary import OOV
from mapreduce.tokens.specification import Specification
from models import dataset
from models.counts.feature_counts import Array, mean_length

FEWEST = 1.5
"""Warned of where documents have fewer words than that, in the mean."""
MOST_UNKNOWN = 0.5
"""Warned of where more of the validation split's words are OOV."""


def look(labelcount: str | os.PathLike[str], unknown: float | None) -> dict[str, float]:
    """What there is of words.

    Args:
        labelcount: of all records.
        unknown: the share of the validation split's words that are OOV; None where it is not known.

    Returns:
        For the manifest's results: {"words": mean number of words in a document, "unknown": the share}, without the
        latter where it is not known.

    Raises:
        UserError: an output is missing or not whole.
    """
    found = {"words": round(mean_length(labelcount), 4)}
    return found if unknown is None else {**found, "unknown": round(unknown, 4)}


def warnings(found: dict[str, float]) -> Iterator[str]:
    """What is odd about it, a line each."""
    if found["words"] < FEWEST:
        yield (
            f"documents have {found['words']:.1f} words in the mean; check that the text column is the right one, or "
            "give another --tokenizer"
        )
    if found.get("unknown", 0.0) > MOST_UNKNOWN:
        yield (
            f"{100 * found['unknown']:.0f} % of the words of the validation split are not in the vocabulary of the "
            "train split; give more text, or another --tokenizer"
        )


def unknown(validation: str | os.PathLike[str]) -> float | None:
    """The share of words that are OOV; None without words, or where a record does not tell how many it has.

    A record holds the ids of its words first, if there is no other width before them, then those of other features.

    Raises:
        UserError: the output is missing or not whole.
    """
    specification = manifest.specification(manifest.read(validation, "encode"))
    if not tells_words(specification):
        return None
    rows, _ = dataset.to_numpy(validation, labels=())  # whatever they are
    sizes = word_counts(specification, np.array([len(ids) for ids in rows], np.int64))
    oov = sum(int((ids[:size] == OOV).sum()) for ids, size in zip(rows, sizes))
    return oov / int(sizes.sum()) if sizes.any() else None


def tells_words(specification: Specification) -> bool:
    """Whether the number of a document's features tells how many words it has."""
    return 1 in specification.ngrams and not (specification.character_ngrams or specification.characters_across)


def word_counts(specification: Specification, features: Array) -> Array:
    """The number of words of documents that have so many features, int64 [documents]; the specification has words."""
    words = np.arange(int(features.max(initial=0)) + 1)
    sums = np.minimum(words, specification.head) + np.minimum(words, specification.prefixes)
    sums += np.clip(words - 1, 0, specification.head_pairs) + specification.skips * np.maximum(words - 2, 0)
    sums += sum(np.maximum(words - width + 1, 0) for width in specification.ngrams)
    found: Array = np.searchsorted(sums, features)
    return found
