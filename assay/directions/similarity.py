"""How alike vectors are, and how alike random ones would be."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from assay.arrays import Floats
from assay.errors import AssayError


def cosine_matrix(vectors: ArrayLike, others: ArrayLike | None = None) -> Floats:
    """Cosines [n, m] of vectors [n, d] with `others` [m, d] (or with themselves). Raises AssayError for a zero vector."""
    first = _units(vectors)
    second = first if others is None else _units(others)
    cosines: Floats = np.clip(first @ second.T, -1.0, 1.0)
    return cosines


def random_band(d: int, confidence: float = 0.95) -> float:
    """The |cosine| that two independent, isotropic random vectors of `d` dimensions stay below with this probability.

    The squared cosine is Beta(1/2, (d − 1)/2) distributed. Activations are not isotropic, so this is a band of chance
    alone, not of two unrelated vectors of one model.
    """
    if d < 2 or not 0 < confidence < 1:
        raise AssayError(
            f"a band of random cosines needs d ≥ 2 and a confidence in (0, 1), found {d}, {confidence}"
        )
    return float(np.sqrt(stats.beta.ppf(confidence, 0.5, (d - 1) / 2)))


def off_diagonal(matrix: Floats) -> Floats:
    """The entries [n·(n−1)/2] above the diagonal of a symmetric matrix: each pair once."""
    upper: Floats = matrix[np.triu_indices(len(matrix), k=1)]
    return upper


def _units(vectors: ArrayLike) -> Floats:
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2:
        raise AssayError(f"cosines are of vectors [n, d], found shape {rows.shape}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise AssayError(f"vector {int(np.flatnonzero(norms[:, 0] == 0)[0])} is zero: it has no cosine")
    units: Floats = rows / norms
    return units
