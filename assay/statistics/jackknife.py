"""Intervals by leaving one cluster out, for few clusters and near the ends of a scale, where a bootstrap is too narrow.

The delete-one-cluster jackknife (Quenouille, Tukey; for clusters it is the variance CR3 of Bell and McCaffrey 2002) gives a standard error
without a draw, and Student's t the interval, on a scale where the statistic is near normal:

* identity for means and differences of means (`mean`);
* logit for AUROC, Fisher's z for correlations (`jackknife_totals`, `jackknife_weights`); a standard error is carried to the scale by its
  slope, since without one cluster an AUROC may be 1;
* Wilson's score interval with an effective number of items for rates and probabilities (`rate`; as Korn and Graubard 1998 do with the exact
  interval; `balanced_rate` for two classes). It has a width where all items are right;
* the difference of two rates combines their intervals (`rate_difference`; "square and add", Newcombe 1998,
  doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).

Degrees of freedom are those of as many equal clusters as the actual ones are worth, (Σ n)² / Σ n² − 1, less one more for each stratum.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import atanh, exp, isfinite, log, sqrt, tanh
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.statistics.clusters import cluster_codes, stratified_codes
from assay.statistics.estimates import Estimate, wilson

CONFIDENCE = 0.95
Scale = Literal["identity", "logit", "fisher"]
_Function = Callable[[float], float]
_SCALES: dict[Scale, tuple[_Function, _Function, _Function]] = {  # there, its slope, back
    "identity": (lambda x: x, lambda _: 1.0, lambda x: x),
    "logit": (lambda x: log(x / (1 - x)), lambda x: 1 / (x * (1 - x)), lambda x: 1 / (1 + exp(-x))),
    "fisher": (atanh, lambda x: 1 / (1 - x * x), tanh),
}
_BATCH_CELLS = 2_000_000  # cluster × item cells held at once: 16 MB


def mean(values: ArrayLike, clusters: ArrayLike | None = None, *, n_dropped: int = 0) -> Estimate:
    """Mean of `values` [n] over items; with clusters, the interval covers other clusters."""
    items = np.asarray(values, dtype=np.float64)
    columns = np.stack([items, np.ones_like(items)], axis=-1)
    return jackknife_totals(
        columns, lambda t: t[..., 0] / t[..., 1], scale="identity", clusters=clusters, n_dropped=n_dropped
    )


def rate(values: ArrayLike, clusters: ArrayLike | None = None, *, n_dropped: int = 0) -> Estimate:
    """Mean of `values` [n] in [0, 1]: a rate of what is right or wrong, or a mean probability.

    Wilson's interval for as many independent items as would have the standard error found, but never more than there are: a sample of
    high probabilities seldom holds the low ones that matter. Where all items agree at 0 or 1, for as many as there are clusters.
    Items of one cluster say nothing of another: their interval is all that a rate can be, 0 to 1.
    """
    items = np.asarray(values, dtype=np.float64)
    if items.ndim != 1 or not len(items) or not ((items >= 0) & (items <= 1)).all():
        raise AssayError(f"a rate needs values between 0 and 1, found shape {items.shape}")
    codes, n_clusters = cluster_codes(clusters, len(items))
    if np.isin(items, (0.0, 1.0)).all() and n_clusters == len(items):
        return wilson(int(items.sum()), len(items), n_dropped=n_dropped)
    if n_clusters == 1:
        return Estimate(float(items.mean()), 0.0, 1.0, len(items), n_dropped)
    left = _left_out_rates(items, codes, n_clusters)
    bounds = _score_interval(
        float(items.mean()), _error([n_clusters], left), codes, most=len(items), clusters=n_clusters
    )
    return Estimate(float(items.mean()), *bounds, len(items), n_dropped)


@dataclass(frozen=True)
class Rates:
    """Values in [0, 1] of some items [n] and the clusters that these lie in [n] (codes below `n_clusters`)."""

    values: Floats
    codes: Ints
    n_clusters: int

    @property
    def n_present(self) -> int:
        """How many of the clusters hold items."""
        return len(np.unique(self.codes))

    @property
    def left_out(self) -> Floats:
        """The mean without each cluster [n_clusters]."""
        return _left_out_rates(self.values, self.codes, self.n_clusters)


def balanced_rate(first: Rates, second: Rates) -> Estimate:
    """The mean of two rates whose items lie in the same clusters, as balanced accuracy is, with Wilson's interval like `rate`.

    Where one of them has the items of one cluster alone, it may be anything from 0 to 1 elsewhere, and the mean half of that.

    Raises AssayError where they do not name the same clusters.
    """
    if first.n_clusters != second.n_clusters:
        raise AssayError("both rates need the same clusters")
    value = float(first.values.mean() + second.values.mean()) / 2
    if min(first.n_present, second.n_present) == 1:
        ends = [rate(one.values, one.codes) for one in (first, second)]
        lower, upper = (sum(getattr(one, end) for one in ends) / 2 for end in ("lower", "upper"))
        return Estimate(value, lower, upper, len(first.values) + len(second.values))
    error = _error([first.n_clusters], (first.left_out + second.left_out) / 2)
    sizes, clusters = (len(first.values), len(second.values)), (first.n_present, second.n_present)
    codes = np.concatenate([first.codes, second.codes])
    bounds = _score_interval(value, error, codes, most=_worth(*sizes), clusters=_worth(*clusters))
    return Estimate(value, *bounds, sum(sizes))


def rate_difference(first: Rates, second: Rates) -> Estimate:
    """first − second, of rates of the same items in the same clusters.

    The intervals of both are squared and added, with the correlation that leaving clusters out shows.
    """
    n = len(first.values)
    if n != len(second.values) or not np.array_equal(first.codes, second.codes):
        raise AssayError("a paired difference needs the same items in the same clusters on both sides")
    if np.array_equal(first.values, second.values):
        return Estimate(0.0, 0.0, 0.0, n)
    a, b = rate(first.values, first.codes), rate(second.values, second.codes)
    left = np.stack([first.left_out, second.left_out])
    both_vary = (left.std(axis=1) > 0).all()
    shared = float(stats.pearsonr(*left).statistic) if both_vary else 0.0
    down, up = (
        np.sqrt(max(0.0, x * x + y * y - 2 * shared * x * y))
        for x, y in ((a.value - a.lower, b.upper - b.value), (a.upper - a.value, b.value - b.lower))
    )
    value = a.value - b.value
    return Estimate(value, float(value - down), float(value + up), n)


def jackknife_totals(
    columns: ArrayLike,
    statistic: Callable[[Floats], Floats],
    *,
    scale: Scale,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    n_dropped: int = 0,
) -> Estimate:
    """A smooth statistic of column sums with Student's interval on a scale.

    Args:
        columns: [n, k], one row per item.
        statistic: totals [..., k] → value [...].
        scale: see the module.
        clusters: [n] any labels; items that share one are left out together. None: every item is its own cluster.
        strata: [n] any labels; the standard error is that of clusters drawn within theirs.
        n_dropped: items that could not be used, carried into the estimate.
    """
    table = np.asarray(columns, dtype=np.float64)
    if table.ndim != 2:
        raise AssayError(f"columns must be [n, k], found shape {table.shape}")
    codes, sizes = stratified_codes(clusters, strata, len(table))
    sums = np.zeros((sum(sizes), table.shape[1]))
    np.add.at(sums, codes, table)
    total = table.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value, left = float(statistic(total)), statistic(total - sums)
    return Estimate(value, *_student(value, left, codes, sizes, scale), n=len(table), n_dropped=n_dropped)


def jackknife_weights(
    n: int,
    statistic: Callable[[Floats], Floats],
    *,
    scale: Scale,
    clusters: ArrayLike | None = None,
    n_dropped: int = 0,
) -> Estimate:
    """The same for a statistic of `n` items that takes weights [b, n] and returns [b]: an item that is left out weighs 0."""
    codes, n_clusters = cluster_codes(clusters, n)
    batch = max(1, _BATCH_CELLS // n)
    left = []
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(np.ones((1, n)))[0])
        for start in range(0, n_clusters, batch):
            gone = np.arange(start, min(start + batch, n_clusters))
            left.append(statistic((codes[None, :] != gone[:, None]).astype(np.float64)))
    lower, upper = _student(value, np.concatenate(left), codes, [n_clusters], scale)
    return Estimate(value, lower, upper, n, n_dropped)


def _student(value: float, left: Floats, codes: Ints, sizes: list[int], scale: Scale) -> tuple[float, float]:
    if min(sizes) < 2:
        raise AssayError(
            f"an interval needs at least two clusters, found {min(sizes)}; give more documents or items"
        )
    if not isfinite(value) or not np.isfinite(left).all() or (scale != "identity" and not -1 < value < 1):
        raise AssayError(
            f"the interval over {sum(sizes)} clusters is undefined: without one of them, or with all, the statistic has no value "
            "on its scale; give more documents or items"
        )
    there, slope, back = _SCALES[scale]
    half = _quantile(codes, sizes) * _error(sizes, left) * slope(value)
    lower, upper = back(there(value) - half), back(there(value) + half)
    return min(lower, value), max(upper, value)  # there and back rounds


def _error(sizes: list[int], left: Floats) -> float:
    """Jackknife standard error from the statistic without each cluster, clusters numbered stratum by stratum."""
    parts = np.split(left, np.cumsum(sizes)[:-1])
    return float(np.sqrt(sum((len(p) - 1) / len(p) * ((p - p.mean()) ** 2).sum() for p in parts)))


def _quantile(codes: Ints, sizes: list[int]) -> float:
    """Student's quantile for clusters of unequal sizes."""
    counts = np.bincount(codes).astype(np.float64)
    worth = counts.sum() ** 2 / (counts**2).sum()
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1.0, worth - len(sizes))))


def _left_out_rates(values: Floats, codes: Ints, n_clusters: int) -> Floats:
    """The mean without each cluster; without the only one that holds items, the mean itself."""
    sums, counts = np.bincount(codes, values, n_clusters), np.bincount(codes, minlength=n_clusters)
    rest = counts.sum() - counts
    means: Floats = np.where(rest > 0, (values.sum() - sums) / np.maximum(rest, 1), values.mean())
    return means


def _score_interval(
    value: float, error: float, codes: Ints, *, most: float, clusters: float
) -> tuple[float, float]:
    """Wilson's score interval for as many items as have this standard error, at most `most`; for `clusters` where none varies."""
    spread = value * (1 - value)
    if spread == 0:
        n, quantile = clusters, float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    else:
        n = min(spread / max(error, 1e-12) ** 2, most)
        quantile = _quantile(codes, [len(np.unique(codes))])
    share = quantile**2 / n
    centre = (value + share / 2) / (1 + share)
    half = sqrt(share * (spread + share / 4)) / (1 + share)
    return max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value))


def _worth(first: int, second: int) -> float:
    """The mean of two rates of so many items each varies as a rate of this many."""
    return 4 * first * second / (first + second)
