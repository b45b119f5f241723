"""Spearman's ρ under weights, so that it can be resampled: an item drawn twice is two items that tie."""

import numpy as np
from numpy.typing import ArrayLike

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, WeightsStatistic, bootstrap_weights
from assay.statistics.estimates import Estimate


def spearman(scores: ArrayLike, truth: ArrayLike, resampling: Resampling) -> Estimate:
    """Spearman's ρ of scores with true values [n]; items are resampled. Raises AssayError when a side is constant."""
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise AssayError(f"expected one score for each true value, found shapes {x.shape} and {y.shape}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise AssayError("scores or true values are all equal: they agree with nothing")
    return bootstrap_weights(len(x), weighted_spearman(x, y), resampling=resampling)


def weighted_spearman(x: Floats, y: Floats) -> WeightsStatistic:
    """Spearman's ρ of x and y [n] under integer weights [b, n]: Pearson's r of mid-ranks among the repeated items.

    NaN where either is constant among the items that weigh anything.
    """
    ranks = [_weighted_ranks(x), _weighted_ranks(y)]

    def statistic(weights: Floats) -> Floats:
        a, b = (rank(weights) for rank in ranks)
        total = weights.sum(axis=1, keepdims=True)
        a -= (weights * a).sum(axis=1, keepdims=True) / total
        b -= (weights * b).sum(axis=1, keepdims=True) / total
        rho: Floats = (weights * a * b).sum(axis=1) / np.sqrt(
            (weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1)
        )
        return rho

    return statistic


def _weighted_ranks(values: Floats) -> WeightsStatistic:
    """weights [b, n] → mid-ranks [b, n] of items that occur as often as they weigh."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(place.max() + 1))

    def ranks(weights: Floats) -> Floats:
        tied = np.add.reduceat(weights[:, order], starts, axis=1)
        middle: Floats = (np.cumsum(tied, axis=1) - tied / 2 + 0.5)[:, place]
        return middle

    return ranks
