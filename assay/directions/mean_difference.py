"""Natural vectors: the one vector that best stands for what an adapter adds to many tokens.

The mean difference is the estimator. The first principal component, scaled to the mean norm, is a variant: taken without
centring it points along the mean where one vector dominates. Centred, it is a trap: centring takes out exactly the part
that all tokens share, so of a constant vector only noise is left.
"""

from typing import Literal, get_args

import numpy as np

from assay.arrays import Floats
from assay.errors import AssayError

Variant = Literal["mean", "pca", "pca_centred"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def natural_vector(differences: Floats, variant: Variant) -> Floats:
    """Differences [tokens, d] → [d]. The sign of a component is that of its product with the mean.

    Raises AssayError where there is nothing to estimate: fewer than two tokens, or differences that are all zero
    (centred: all equal).
    """
    _check(differences)
    if variant == "mean":
        mean: Floats = differences.mean(axis=0)
        return mean
    component = _first_component(differences, centred=variant == "pca_centred")[0]
    sign = -1.0 if component @ differences.mean(axis=0) < 0 else 1.0
    scaled: Floats = sign * token_norms(differences).mean() * component
    return scaled


def explained_variance(differences: Floats, *, centred: bool) -> float:
    """Share of the squared length (centred: of the variance) of differences [tokens, d] along their first component."""
    _check(differences)
    return _first_component(differences, centred=centred)[1]


def token_norms(differences: Floats) -> Floats:
    """Length of each difference: [tokens, d] → [tokens]."""
    norms: Floats = np.linalg.norm(differences, axis=1)
    return norms


def _first_component(differences: Floats, *, centred: bool) -> tuple[Floats, float]:
    """(unit vector [d], share)."""
    rows = differences - differences.mean(axis=0) if centred else differences
    triangle = np.linalg.qr(rows, mode="r")  # [≤ d, d]: the same lengths and components, however many tokens
    _, lengths, components = np.linalg.svd(triangle, full_matrices=False)
    total = float((lengths**2).sum())
    if total <= 1e-24 * float((differences**2).sum()):
        raise AssayError(
            "all differences are equal, so centring leaves nothing; take the mean or do not centre"
        )
    return components[0], float(lengths[0] ** 2) / total


def _check(differences: Floats) -> None:
    if differences.ndim != 2 or len(differences) < 2:
        raise AssayError(
            f"a natural vector needs differences [tokens, d] of two or more tokens, found {differences.shape}"
        )
    if not differences.any():
        raise AssayError("the adapter changes nothing at this layer, so it has no natural vector there")
