"""A probe fitted to choices directly: P(i over j) = 1 / (1 + exp(−(sᵢ − sⱼ))) with sᵢ = w·xᵢ (Bradley & Terry 1952).

Minimises over w, on standardised features of the items,

    Σ [wins_i log(1 + e^(−Δ)) + wins_j log(1 + e^Δ)] / Σ wins  +  (penalty / 2) ‖w‖²,      Δ = sᵢ − sⱼ

which is scikit-learn's `LogisticRegression(fit_intercept=False)` on feature differences. Differences are never formed:
the gradient is accumulated per item, so an iteration costs n · d however many pairs there are. L-BFGS runs in the metric
of the curvature bound ¼ Xᵀ L X / Σ wins + penalty (L the Laplacian of the graph of choices), where the problem is well
conditioned.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize, sparse
from scipy.special import expit

from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.linear import UtilityProbe, standardisation
from assay.statistics.choices import Choices


def fit_bradley_terry(
    X: ArrayLike, choices: Choices, *, penalty: float, tolerance: float = 1e-9, max_iterations: int = 2000
) -> UtilityProbe:
    """The probe for raw features [items, d] of the items that `choices` number; its scores have mean 0 over the items.

    `tolerance` bounds each entry of the gradient in the whitened metric. Raises AssayError without choices or for a
    penalty that is not positive.
    """
    if penalty <= 0 or not choices.n_choices:
        raise AssayError(
            f"a Bradley–Terry probe needs a positive penalty and at least one choice, found {penalty} and "
            f"{choices.n_choices}"
        )
    features = np.asarray(X, dtype=np.float64)
    mean, deviation = standardisation(features)
    Z = (features - mean) / deviation
    made = choices.made
    total = made.sum()
    factor = linalg.cholesky(_curvature(Z, choices, made / total) + penalty * np.eye(Z.shape[1]), lower=True)

    def loss_and_gradient(v: Floats) -> tuple[float, Floats]:
        w = linalg.solve_triangular(factor, v, lower=True, trans="T", check_finite=False)
        scores = Z @ w
        margin = scores[choices.first] - scores[choices.second]
        loss = _summed_loss(margin, choices)
        slope = (made * expit(margin) - choices.first_wins) / total
        by_item = np.bincount(choices.first, slope, len(Z)) - np.bincount(choices.second, slope, len(Z))
        gradient = Z.T @ by_item + penalty * w
        whitened = linalg.solve_triangular(factor, gradient, lower=True, check_finite=False)
        return float(loss / total + 0.5 * penalty * w @ w), whitened

    best, _, report = optimize.fmin_l_bfgs_b(
        loss_and_gradient, np.zeros(Z.shape[1]), pgtol=tolerance, factr=1.0, maxiter=max_iterations
    )
    w = linalg.solve_triangular(factor, best, lower=True, trans="T")
    raw = w / deviation
    return UtilityProbe(
        raw,
        float(-mean @ raw),
        float((Z @ w).std()),
        converged=report["warnflag"] == 0,
        penalty=float(penalty),
    )


def choose_penalty(
    X: ArrayLike, choices: Choices, penalties: Sequence[float], *, folds: int = 5, seed: int = 0
) -> float:
    """The penalty with the lowest mean log loss on held-out items, the largest among equals.

    Folds are of items: a fold is fitted to choices between training items and judged on choices between held-out items.
    Choices that cross are used by neither: a split of pairs would show every item to both sides.
    """
    features = np.asarray(X, dtype=np.float64)
    parts = np.array_split(np.random.default_rng(seed).permutation(len(features)), folds)
    losses, judged = np.zeros(len(penalties)), 0
    for held_out in parts:
        kept = np.setdiff1d(np.arange(len(features)), held_out)
        train, test = choices.within(kept, len(features)), choices.within(held_out, len(features))
        if not train.n_choices or not test.n_choices:
            continue
        judged += 1
        for index, penalty in enumerate(penalties):
            probe = fit_bradley_terry(features[kept], train, penalty=penalty, tolerance=1e-6)
            losses[index] += log_loss(probe.predict(features[held_out]), test)
    if not judged:
        raise AssayError(
            f"no choice lies within one of {folds} folds of {len(features)} items; give more choices or a penalty"
        )
    return min(zip(losses.tolist(), penalties, strict=True), key=lambda found: (found[0], -found[1]))[1]


def log_loss(scores: Floats, choices: Choices) -> float:
    """Mean negative log probability of the choices under scores [items]."""
    margin = scores[choices.first] - scores[choices.second]
    return _summed_loss(margin, choices) / choices.n_choices


def _summed_loss(margin: Floats, choices: Choices) -> float:
    """Negative log probability of all choices, where the first item's score is `margin` [p] above the second's."""
    return float(
        choices.first_wins @ np.logaddexp(0, -margin) + choices.second_wins @ np.logaddexp(0, margin)
    )


def _curvature(Z: Floats, choices: Choices, share: Floats) -> Floats:
    """¼ Zᵀ L Z for the Laplacian L of the graph whose edges weigh `share` [p]."""
    n = len(Z)
    links = sparse.coo_array((share, (choices.first, choices.second)), shape=(n, n)).tocsr()
    links = links + links.T
    degrees = np.bincount(choices.first, share, n) + np.bincount(choices.second, share, n)
    curvature: Floats = 0.25 * (Z.T @ (degrees[:, None] * Z - links @ Z))
    return curvature
