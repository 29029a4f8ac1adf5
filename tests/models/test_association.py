"""Chi-squared and mutual information from counts equal scikit-learn's from a matrix of documents."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import chi2, mutual_info_classif

from models import association, weights
from tests.conftest import Run


@pytest.fixture(scope="module")
def documents() -> list[tuple[str, str]]:
    random = np.random.default_rng(3)
    words = [f"w{i}" for i in range(60)]
    made = []
    for label, shift in (("a", 0), ("b", 10), ("c", 25)):
        for _ in range(30 + shift):
            drawn = (random.zipf(1.4, size=random.integers(3, 30)) + shift) % len(words)
            made.append((label, " ".join(words[i] for i in drawn)))
    return made


def test_equal_to_scikit_learn(documents: list[tuple[str, str]], tmp_path: Path, run_job: Run) -> None:
    records = tmp_path / "records.tsv"
    records.write_text("".join(f"{label}\t{text}\n" for label, text in documents))
    for job in ("featurecount", "labelcount"):
        run_job(job, "--output-dir", tmp_path / job, records)
    counts = weights.load(tmp_path / "featurecount", tmp_path / "labelcount")

    vectorizer = CountVectorizer(token_pattern=r"\S+")
    matrix = vectorizer.fit_transform([text for _, text in documents])
    labels = [label for label, _ in documents]
    names = [feature.decode() for feature in counts.features]
    assert names == list(vectorizer.get_feature_names_out())

    np.testing.assert_allclose(association.chi_squared(counts), chi2(matrix, labels)[0], rtol=1e-9)
    expected = mutual_info_classif(matrix > 0, labels, discrete_features=True)
    np.testing.assert_allclose(association.mutual_information(counts), expected, rtol=1e-9, atol=1e-12)
