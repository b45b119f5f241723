"""Natural vectors against scikit-learn and against vectors that were planted."""

import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD

from assay.directions.mean_difference import VARIANTS, explained_variance, natural_vector, token_norms
from assay.errors import AssayError

RNG = np.random.default_rng(0)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def planted(n: int, d: int, noise: float, sign: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """One vector at every token, with noise of a few directions."""
    vector = RNG.normal(size=d)
    return sign * vector + noise * RNG.normal(size=(n, 3)) @ RNG.normal(size=(3, d)), sign * vector


def test_the_mean_is_the_mean() -> None:
    rows = RNG.normal(size=(40, 6))
    np.testing.assert_allclose(natural_vector(rows, "mean"), np.mean(rows, axis=0))
    np.testing.assert_allclose(token_norms(rows), [np.sqrt((row**2).sum()) for row in rows])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_components_are_scikit_learns(sign: float) -> None:
    rows, _ = planted(60, 8, 0.3, sign)
    plain = TruncatedSVD(n_components=1, algorithm="arpack", random_state=0).fit(rows).components_[0]
    centred = PCA(n_components=1, svd_solver="full").fit(rows)
    for variant, component in (("pca", plain), ("pca_centred", centred.components_[0])):
        found = natural_vector(rows, variant)
        assert abs(cosine(found, component)) == pytest.approx(1, abs=1e-9)
        assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(rows, axis=1).mean())
        assert found @ rows.mean(axis=0) > 0
    assert explained_variance(rows, centred=True) == pytest.approx(centred.explained_variance_ratio_[0])
    squares = np.linalg.eigvalsh(rows.T @ rows)
    assert explained_variance(rows, centred=False) == pytest.approx(squares[-1] / squares.sum())


def test_centring_takes_a_constant_vector_out() -> None:
    """The reference's trap: the variant finds what was added at every token, its centred version the noise."""
    rows, vector = planted(200, 32, 0.1)
    assert cosine(natural_vector(rows, "mean"), vector) > 0.99
    assert cosine(natural_vector(rows, "pca"), vector) > 0.99
    assert abs(cosine(natural_vector(rows, "pca_centred"), vector)) < 0.5
    assert explained_variance(rows, centred=False) > 0.9
    assert explained_variance(rows, centred=True) < 0.9


@pytest.mark.parametrize(
    ("rows", "variant", "message"),
    [
        (np.ones((1, 4)), "mean", "two or more tokens"),
        (np.zeros((5, 4)), "mean", "changes nothing"),
        (np.full((5, 4), 0.1), "pca_centred", "centring leaves nothing"),
    ],
)
def test_where_there_is_nothing_to_estimate(rows: np.ndarray, variant: str, message: str) -> None:
    assert variant in VARIANTS
    with pytest.raises(AssayError, match=message):
        natural_vector(rows, variant)
