"""How well scores agree with true values: Pearson r and R², with bootstrap intervals over items.

All are functions of column sums, so hundreds of resamples are one matrix product (`assay.statistics.estimates`).
"""

import numpy as np
from numpy.typing import ArrayLike

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, TotalsStatistic, bootstrap_totals
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import jackknife_totals

N_COLUMNS = 8


def point_pearson(scores: ArrayLike, truth: ArrayLike) -> Floats:
    """Pearson r of scores [..., n] with truth [n] or [..., n] → [...]; NaN where either is constant."""
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Floats = (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return r


def point_r_squared(scores: ArrayLike, truth: ArrayLike) -> Floats:
    """R² of scores [..., n] for truth [n] or [..., n] → [...]; not finite where truth is constant."""
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        r2: Floats = 1 - ((x - y) ** 2).mean(axis=-1) / y.var(axis=-1)
    return r2


def agreement_columns(scores: ArrayLike, truth: ArrayLike) -> Floats:
    """Columns [n, 8] whose sums determine the statistics below: 1, x, y, x², y², xy, e, e² with e = score − truth."""
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise AssayError(f"expected one score for each true value, found shapes {x.shape} and {y.shape}")
    error = x - y
    x, y = x - x.mean(), y - y.mean()
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, error, error * error], axis=-1)


def pearson_of_totals(totals: Floats) -> Floats:
    """Pearson r from sums of `agreement_columns` [..., 8] → [...]."""
    n, x, y, xx, yy, xy = (totals[..., i] for i in range(6))
    r: Floats = (n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y))
    return r


def r_squared_of_totals(totals: Floats) -> Floats:
    """1 − Σe² / Σ(y − ȳ)² from sums of `agreement_columns` [..., 8] → [...]."""
    n, y, yy, squares = (totals[..., i] for i in (0, 2, 4, 7))
    return 1 - squares / (yy - y * y / n)


def shifted_r_squared_of_totals(totals: Floats) -> Floats:
    """R² after the scores are shifted to the mean of the true values, whose zero may be another → [...]."""
    n, y, yy, error, squares = (totals[..., i] for i in (0, 2, 4, 6, 7))
    return 1 - (squares - error * error / n) / (yy - y * y / n)


def pearson(scores: ArrayLike, truth: ArrayLike, *, strata: ArrayLike | None = None) -> Estimate:
    """Pearson r with an interval on Fisher's scale, within strata where given. Raises AssayError when a side is constant."""
    columns = _varying(scores, truth)
    return jackknife_totals(columns, pearson_of_totals, scale="fisher", strata=strata)


def r_squared(scores: ArrayLike, truth: ArrayLike, resampling: Resampling) -> Estimate:
    """Coefficient of determination, scikit-learn's `r2_score`."""
    return _estimate(scores, truth, r_squared_of_totals, resampling)


def shifted_r_squared(scores: ArrayLike, truth: ArrayLike, resampling: Resampling) -> Estimate:
    """R² after shifting the scores to the mean of the true values."""
    return _estimate(scores, truth, shifted_r_squared_of_totals, resampling)


def _estimate(
    scores: ArrayLike,
    truth: ArrayLike,
    statistic: TotalsStatistic,
    resampling: Resampling,
) -> Estimate:
    return bootstrap_totals(_varying(scores, truth), statistic, resampling=resampling)


def _varying(scores: ArrayLike, truth: ArrayLike) -> Floats:
    columns = agreement_columns(scores, truth)
    if (np.ptp(columns[:, 1:3], axis=0) == 0).any():
        raise AssayError("scores or true values are all equal: they agree with nothing")
    return columns
