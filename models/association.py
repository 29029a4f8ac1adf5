"""How much a feature says about the label: chi-squared and mutual information, from featurecount's output alone.

For choosing features with the labels in view, as scikit-learn's SelectKBest does from a matrix of documents; here
from the counts, so the documents are not read again. What is kept is `models.selection`'s affair.
"""

from __future__ import annotations

import numpy as np

from models.weights import Array, FeatureCounts


def chi_squared(counts: FeatureCounts) -> Array:
    """Pearson's statistic of term frequencies against the labels, float64 [features].

    Observed are a feature's term frequencies in the labels, expected its total shared out as the documents are. The
    values are those of sklearn.feature_selection.chi2 on a matrix of counts. Yang and Pedersen (1997), "A Comparative
    Study on Feature Selection in Text Categorization".
    """
    share = counts.documents / counts.documents.sum()
    total = counts.term_frequency.astype(np.float64)
    expected = total[counts.feature] * share[counts.label]
    # A label in which the feature does not occur adds its expected value; all expected values add up to the total.
    seen = np.bincount(counts.feature, (counts.tf - expected) ** 2 / expected - expected, len(total))
    found: Array = seen + total
    return found


def mutual_information(counts: FeatureCounts) -> Array:
    """Mutual information of "the feature occurs" and the label, in nats, float64 [features].

    The values are those of sklearn.feature_selection.mutual_info_classif(discrete_features=True) on a matrix of 0
    and 1.
    """
    documents = counts.documents.sum()
    df = counts.dense(counts.df)
    found = np.zeros(len(counts.features))
    for joint, margin in (
        (df, counts.document_frequency),
        (counts.documents - df, documents - counts.document_frequency),
    ):
        independent = margin[:, None] * counts.documents / documents
        ratio = np.divide(joint, independent, out=np.ones(joint.shape), where=joint > 0)
        found += (joint / documents * np.log(ratio)).sum(axis=1)
    return np.maximum(found, 0.0)
