"""Cosines against scikit-learn, the band of random ones against simulation."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from assay.directions.similarity import cosine_matrix, off_diagonal, random_band
from assay.errors import AssayError

RNG = np.random.default_rng(0)


def test_cosines_are_scikit_learns() -> None:
    a, b = RNG.normal(size=(5, 7)), RNG.normal(size=(3, 7))
    np.testing.assert_allclose(cosine_matrix(a), cosine_similarity(a), atol=1e-12)
    np.testing.assert_allclose(cosine_matrix(a, b), cosine_similarity(a, b), atol=1e-12)
    np.testing.assert_allclose(
        off_diagonal(cosine_matrix(a)),
        [cosine_similarity(a)[i, j] for i in range(5) for j in range(i + 1, 5)],
    )
    assert cosine_matrix(a * 1e-150).max() <= 1


@pytest.mark.parametrize("d", [2, 16, 300])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_the_band_holds_its_share_of_random_pairs(d: int, confidence: float) -> None:
    a, b = RNG.normal(size=(2, 20_000, d))
    found = np.abs((a * b).sum(axis=1)) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert (found < random_band(d, confidence)).mean() == pytest.approx(confidence, abs=0.015)


def test_what_has_no_cosine() -> None:
    with pytest.raises(AssayError, match="vector 1 is zero"):
        cosine_matrix([[1.0, 2.0], [0.0, 0.0]])
    with pytest.raises(AssayError, match="vectors \\[n, d\\]"):
        cosine_matrix([1.0, 2.0])
    with pytest.raises(AssayError, match="d ≥ 2"):
        random_band(1)
