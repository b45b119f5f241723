"""Expanded percentile intervals by hand, after Hesterberg 2015: what the bootstrap of the library is compared with."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def expanded_level(clusters: int, strata: int = 1) -> float:
    """The level whose percentiles are Student's 95 % interval of a mean of normal values."""
    half = stats.t.ppf(0.975, clusters - strata) * np.sqrt(clusters / (clusters - strata))
    return float(1 - 2 * stats.norm.cdf(-half))


def expanded_quantiles(drawn: ArrayLike, clusters: int, strata: int = 1) -> list[float]:
    """Both ends of the interval of what was drawn."""
    level = expanded_level(clusters, strata)
    return np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]).tolist()
