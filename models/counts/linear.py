"""Linear models as arrays: a row for each feature, a bias, and what features weigh. They need no TensorFlow.

The twin of `models.layers.weighted_bag`; `models.training.fit_linear` fits it, `models.training.build` makes a
keras.Model of it. It reads bags, no texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapreduce.native import library as native
from mapreduce.output.vocabulary import FIRST
from models.counts.bags import Bags
from models.counts.feature_counts import Array
from models.layers.bags import BIAS


@dataclass
class Linear:
    """A linear model of bags.

    Attributes:
        rows: float32 [features + 2, labels], by id; those of padding and OOV are 0.
        bias: float32 [labels].
        scale: float32 [features + 2], what the weight of each feature is multiplied with; padding and OOV have 0.
        term_frequency, normalize: as in `models.architectures.linear`.
    """

    rows: Array
    bias: Array
    scale: Array
    term_frequency: str = "sublinear"
    normalize: bool = True

    def values(self, bags: Bags) -> Array:
        """What each feature weighs in its document, float32 [values]."""
        return bags.weigh(self.scale, self.term_frequency, self.normalize)

    def logits(self, bags: Bags) -> Array:
        """Logits, float32 [documents, labels]."""
        values, found = self.values(bags), np.empty((len(bags), len(self.bias)), np.float32)
        if (library := native.load()) is not None:
            native.linear_logits(library, bags.ends, bags.ids, values, self.rows, self.bias, BIAS, found)
            return found
        begin = 0
        for document, end in enumerate(bags.ends):
            found[document] = BIAS * self.bias + values[begin:end] @ self.rows[bags.ids[begin:end]]
            begin = end
        return found

    def moved(self, places: Array, features: int) -> Linear:
        """The same over other features.

        Args:
            places: int64 [features], where each one of this model's stands among those.
            features: how many there are.
        """
        made = empty(features, len(self.bias), term_frequency=self.term_frequency, normalize=self.normalize)
        made.scale[:] = 0
        made.scale[places + FIRST], made.rows[places + FIRST] = self.scale[FIRST:], self.rows[FIRST:]
        made.bias[:] = self.bias
        return made

    def count_params(self) -> int:
        """How many numbers it has, as keras.Model.count_params says it."""
        return self.rows.size + self.bias.size + self.scale.size


@dataclass
class Sum:
    """Linear models of the same bags and labels, whose logits are added up; as a rule there is one."""

    parts: list[Linear]

    def logits(self, bags: Bags) -> Array:
        """Logits, float32 [documents, labels]."""
        found = self.parts[0].logits(bags)
        for part in self.parts[1:]:
            found += part.logits(bags)
        return found

    def count_params(self) -> int:
        """How many numbers it has."""
        return sum(part.count_params() for part in self.parts)


def empty(
    features: int, labels: int, *, scale: Array | None = None, term_frequency: str = "sublinear", normalize: bool = True
) -> Linear:
    """A model before training, all 0; the arguments are those of `models.architectures.linear`."""
    weights = np.ones(features + FIRST, np.float32)
    if scale is not None:
        weights[FIRST:] = scale
    weights[:FIRST] = 0
    rows = np.zeros((features + FIRST, labels), np.float32)
    return Linear(rows, np.zeros(labels, np.float32), weights, term_frequency, normalize)
