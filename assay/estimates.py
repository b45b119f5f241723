"""Numbers with their uncertainty: every value that Assay reports is an `Estimate`.

Three kinds of interval, all through scipy:

* `wilson` for a plain rate of independent items;
* `bootstrap_totals` for statistics of sums (rates, balanced accuracy, means, ratios, correlations): one matrix product
  per batch of resamples, so hundreds of series are cheap;
* `bootstrap_weights` for anything that can be computed with item weights (AUROC, rank correlation), and
  `bootstrap_crossed` for the same where items are crossed: each shares one thing with some and another with others.

Both bootstraps resample *clusters* (documents, prompts, topics) when items share one, else items. A resample of clusters
is a vector of counts, and a statistic sees it as weights. Two statistics of the same items are compared by giving one
statistic both sets of columns (`paired_difference`): the difference is then taken inside each resample. With *strata*
(topics, conditions) every resample keeps as many clusters of each stratum as there are.

Intervals are percentile intervals by default: always defined where the statistic is, invariant under monotone maps, and
for the near-linear statistics used here within Monte Carlo error of BCa. BCa corrects bias and skewness to second order
(Efron 1987, doi:10.1080/01621459.1987.10478410) but is undefined when all resamples agree (an accuracy of 1.0), so it is
an option. With fewer than about 20 clusters both are too narrow; no bootstrap repairs that.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from assay.errors import AssayError
from assay.resamples import count_draws, resampled_counts

Floats = NDArray[np.float64]
TotalsStatistic = Callable[[Floats], Floats]
"""totals [..., k] → value [...]: a statistic of the k column sums."""
WeightsStatistic = Callable[[Floats], Floats]
"""weights [b, n] → value [b]: a statistic of n items under non-negative weights."""

_BATCH_CELLS = 200_000  # resample × cluster cells held at once: 1.6 MB, which stays in cache


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, the number of items behind it and the number that was left out.

    Raises AssayError when a number is not finite or the interval is reversed: a NaN never reaches a metrics file.
    """

    value: float
    lower: float
    upper: float
    n: int
    n_dropped: int = 0

    def __post_init__(self) -> None:
        if not np.isfinite([self.value, self.lower, self.upper]).all():
            raise AssayError(
                f"an estimate of {self.n} items is not finite: {self.value} [{self.lower}, {self.upper}]"
            )
        if self.lower > self.upper or self.n < 0 or self.n_dropped < 0:
            raise AssayError(f"not an estimate: {self.value} [{self.lower}, {self.upper}], n={self.n}")

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.lower:.3f}, {self.upper:.3f}]"

    def holds(self, value: float) -> bool:
        """Whether the interval holds `value`."""
        return self.lower <= value <= self.upper

    def metrics(self, name: str) -> dict[str, float | int]:
        """Flat metrics: `name`, `name_lo`, `name_hi`, `name_n`, and `name_dropped` when anything was."""
        flat: dict[str, float | int] = {
            name: float(self.value),
            f"{name}_lo": float(self.lower),
            f"{name}_hi": float(self.upper),
            f"{name}_n": int(self.n),
        }
        return {**flat, f"{name}_dropped": int(self.n_dropped)} if self.n_dropped else flat


@dataclass(frozen=True)
class Resampling:
    """How a bootstrap resamples. The same seed and clusters give the same resamples, so equal calls give equal bytes."""

    seed: int
    resamples: int = 2000
    confidence: float = 0.95
    method: Literal["percentile", "BCa"] = "percentile"


def wilson(successes: int, n: int, *, confidence: float = 0.95, n_dropped: int = 0) -> Estimate:
    """A rate of independent items with its Wilson score interval (no continuity correction)."""
    if n < 1 or not 0 <= successes <= n:
        raise AssayError(f"a rate needs 0 ≤ successes ≤ n and n ≥ 1, found {successes} of {n}")
    interval = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n, n_dropped)


def mean_of_replicates(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of independent replicates (seeds, shuffles) with Student's t interval; `n` counts replicates.

    For a control that is drawn at random: the spread between draws is what its interval must cover.
    """
    replicates = np.asarray(values, dtype=np.float64)
    if replicates.ndim != 1 or len(replicates) < 2:
        raise AssayError(f"a mean of replicates needs at least two of them, found shape {replicates.shape}")
    mean, error = float(replicates.mean()), float(stats.sem(replicates))
    half = float(stats.t.ppf((1 + confidence) / 2, len(replicates) - 1)) * error
    return Estimate(mean, mean - half, mean + half, len(replicates))


def range_of_replicates(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of independent replicates with the interval in which a further one falls (Student's prediction interval).

    For a null distribution: what was found without the shuffle is compared with one more shuffle, not with their mean.
    """
    mean = mean_of_replicates(values, confidence=confidence)
    half = (mean.upper - mean.value) * float(np.sqrt(mean.n + 1))
    return Estimate(mean.value, mean.value - half, mean.value + half, mean.n)


def bootstrap_totals(
    columns: ArrayLike,
    statistic: TotalsStatistic,
    *,
    resampling: Resampling,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    n_dropped: int = 0,
) -> Estimate:
    """Bootstrap a statistic of column sums.

    Args:
        columns: [n, k], one row per item.
        statistic: totals [..., k] → value [...]; called on many resamples at once.
        resampling: seed, number of resamples, confidence, method.
        clusters: [n] any labels; items that share one are resampled together. None: every item is its own cluster.
        strata: [n] any labels; clusters are resampled within theirs. None: all are one stratum.
        n_dropped: items that could not be used, carried into the estimate.
    """
    table = np.asarray(columns, dtype=np.float64)
    if table.ndim != 2:
        raise AssayError(f"columns must be [n, k], found shape {table.shape}")
    codes, sizes = _stratified_codes(clusters, strata, len(table))
    sums = np.zeros((sum(sizes), table.shape[1]))
    np.add.at(sums, codes, table)
    interval = _bootstrap_counts(lambda counts: statistic(counts @ sums), sizes, resampling)
    return Estimate(*interval, n=len(table), n_dropped=n_dropped)


def bootstrap_weights(
    n: int,
    statistic: WeightsStatistic,
    *,
    resampling: Resampling,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    n_dropped: int = 0,
) -> Estimate:
    """Bootstrap a statistic of `n` items that takes weights [b, n] and returns [b].

    A resample is how often each item was drawn; items that share a cluster are drawn together.
    """
    codes, sizes = _stratified_codes(clusters, strata, n)
    interval = _bootstrap_counts(lambda counts: statistic(counts[:, codes]), sizes, resampling, width=n)
    return Estimate(*interval, n=n, n_dropped=n_dropped)


def bootstrap_crossed(
    statistic: WeightsStatistic,
    *,
    rows: ArrayLike,
    columns: ArrayLike,
    resampling: Resampling,
    n_dropped: int = 0,
) -> Estimate:
    """Bootstrap a statistic of items that lie in a table of `rows` [n] × `columns` [n] labels (tasks × conditions).

    Rows and columns are drawn independently and an item weighs the product of both counts (Owen 2007,
    doi:10.1214/07-AOAS122): the interval covers new rows and new columns, and is rather too wide than too narrow. Percentile
    intervals only.
    """
    row, n_rows = _cluster_codes(rows, np.size(rows))
    column, n_columns = _cluster_codes(columns, np.size(rows))
    if min(n_rows, n_columns) < 2 or resampling.method != "percentile":
        raise AssayError(
            f"a crossed bootstrap needs two rows, two columns and percentiles; found {n_rows}, {n_columns}, {resampling.method}"
        )
    rng = np.random.default_rng(resampling.seed)
    batch = max(1, _BATCH_CELLS // len(row))
    drawn = []
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(np.ones((1, len(row))))[0])
        for done in range(0, resampling.resamples, batch):
            size = min(batch, resampling.resamples - done)
            counts = [
                rng.multinomial(k, np.full(k, 1 / k), size).astype(np.float64) for k in (n_rows, n_columns)
            ]
            drawn.append(statistic(counts[0][:, row] * counts[1][:, column]))
    tail = (1 - resampling.confidence) / 2
    lower, upper = sorted(np.quantile(np.concatenate(drawn), [tail, 1 - tail]))
    if not np.isfinite([value, lower, upper]).all():
        raise AssayError(
            f"the interval over {n_rows} rows and {n_columns} columns is undefined: some resamples hold no variation; give more"
        )
    return Estimate(value, float(lower), float(upper), len(row), n_dropped)


def bootstrap_mean(
    values: ArrayLike, *, resampling: Resampling, clusters: ArrayLike | None = None, n_dropped: int = 0
) -> Estimate:
    """Mean of `values` [n]; with clusters, the mean over items when clusters are resampled."""
    items = np.asarray(values, dtype=np.float64)
    columns = np.stack([items, np.ones_like(items)], axis=-1)
    return bootstrap_totals(
        columns,
        lambda t: t[..., 0] / t[..., 1],
        resampling=resampling,
        clusters=clusters,
        n_dropped=n_dropped,
    )


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: TotalsStatistic,
    *,
    resampling: Resampling,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    n_dropped: int = 0,
) -> Estimate:
    """statistic(first) − statistic(second) of the same items [n, k] each, both computed on every resample."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise AssayError(
            f"a paired difference needs the same items on both sides, found shapes {a.shape} and {b.shape}"
        )
    width = a.shape[1]
    return bootstrap_totals(
        np.concatenate([a, b], axis=1),
        lambda t: statistic(t[..., :width]) - statistic(t[..., width:]),
        resampling=resampling,
        clusters=clusters,
        strata=strata,
        n_dropped=n_dropped,
    )


def _cluster_codes(clusters: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], int]:
    if clusters is None:
        return np.arange(n), n
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise AssayError(f"expected one cluster label for each of {n} items, found shape {labels.shape}")
    names, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int64), len(names)


def _stratified_codes(
    clusters: ArrayLike | None, strata: ArrayLike | None, n: int
) -> tuple[NDArray[np.int64], list[int]]:
    """The cluster number of each item, numbered stratum by stratum, and how many clusters each stratum has."""
    codes, n_clusters = _cluster_codes(clusters, n)
    if strata is None:
        return codes, [n_clusters]
    stratum, _ = _cluster_codes(strata, n)
    first = np.unique(codes, return_index=True)[1]
    if (stratum != stratum[first][codes]).any():
        raise AssayError("items of one cluster lie in several strata; give every cluster one stratum")
    number = np.empty(n_clusters, np.int64)
    number[np.argsort(stratum[first], kind="stable")] = np.arange(n_clusters)
    return number[codes], np.bincount(stratum[first]).tolist()


def _bootstrap_counts(
    statistic: Callable[[Floats], Floats], sizes: list[int], resampling: Resampling, width: int = 0
) -> tuple[float, float, float]:
    """(value, lower, upper) of a statistic of cluster counts [b, clusters] → [b], by scipy.stats.bootstrap.

    `sizes` says how many clusters each stratum has; they are numbered stratum by stratum. What scipy would draw is drawn by
    `resampled_counts`, which keeps it for the next statistic of the same clusters.
    """
    n_clusters, starts = sum(sizes), np.cumsum([0, *sizes[:-1]])
    if min(sizes) < 2:
        raise AssayError(
            f"an interval needs at least two clusters, found {min(sizes)}; give more documents or items"
        )

    def of_indices(*drawn: NDArray[np.int64], axis: int = -1) -> Floats:
        assert axis in (-1, drawn[0].ndim - 1)
        indices = np.concatenate([part + start for part, start in zip(drawn, starts, strict=True)], axis=-1)
        counts = count_draws(indices.reshape(-1, indices.shape[-1]), n_clusters)
        return statistic(counts).reshape(indices.shape[:-1])

    batch = max(1, _BATCH_CELLS // max(n_clusters, width))
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # it becomes the error below
        value = float(statistic(np.ones((1, n_clusters)))[0])
        counts = resampled_counts(tuple(sizes), resampling.seed, resampling.resamples, batch)
        drawn: Any = SimpleNamespace(bootstrap_distribution=np.concatenate([*map(statistic, counts)]))
        result: Any = stats.bootstrap(
            tuple(np.arange(size) for size in sizes),
            of_indices,  # BCa leaves each cluster out in turn
            n_resamples=0,
            bootstrap_result=drawn,
            batch=batch,
            vectorized=True,
            axis=-1,
            confidence_level=resampling.confidence,
            method=resampling.method,
        )
    lower, upper = sorted(map(float, result.confidence_interval))  # where all agree, rounding may swap them
    if not np.isfinite([value, lower, upper]).all():
        raise AssayError(
            f"the interval over {n_clusters} clusters is undefined ({resampling.method}): some resamples hold no item of a "
            "class, or all agree under BCa; give more documents, or use the percentile method"
        )
    return value, lower, upper
