"""Bootstrap intervals of any statistic of items or clusters, all through scipy.

* `bootstrap_totals` for statistics of sums (rates, balanced accuracy, ratios): one matrix product per batch of resamples, so
  hundreds of series are cheap;
* `bootstrap_weights` for anything that can be computed with item weights (rank correlation), and `bootstrap_crossed` for the
  same where items are crossed: each shares one thing with some and another with others.

Both resample *clusters* (documents, prompts, topics) when items share one, else items. A resample of clusters is a vector of counts,
and a statistic sees it as weights. Two statistics of the same items are compared by giving one statistic both sets of columns
(`paired_difference`): the difference is then taken inside each resample. With *strata* (topics, conditions) every resample
keeps as many clusters of each stratum as there are.

Percentile intervals are too narrow by a known factor: a resample of K clusters varies by (K − 1) / K of the variance, and its
quantiles are those of a normal distribution where Student's would be right. So the percentiles are moved outwards until they would be exact
for a mean of normal values (Hesterberg 2015, doi:10.1080/00031305.2015.1089789, "expanded percentile"). With fewer than about
ten clusters that does not suffice, nor near the end of a scale: see `jackknife`. BCa (Efron 1987, doi:10.1080/01621459.1987.10478410) is an option.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.statistics.clusters import cluster_codes, stratified_codes
from assay.statistics.estimates import Estimate
from assay.statistics.resamples import count_draws, resampled_counts

TotalsStatistic = Callable[[Floats], Floats]
"""totals [..., k] → value [...]: a statistic of the k column sums."""
WeightsStatistic = Callable[[Floats], Floats]
"""weights [b, n] → value [b]: a statistic of n items under non-negative weights."""

_BATCH_CELLS = 200_000  # resample × cluster cells held at once: 1.6 MB, which stays in cache


@dataclass(frozen=True)
class Resampling:
    """How a bootstrap resamples. The same seed and clusters give the same resamples, so equal calls give equal bytes."""

    seed: int
    resamples: int = 2000
    confidence: float = 0.95
    method: Literal["percentile", "BCa"] = "percentile"


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
    codes, sizes = stratified_codes(clusters, strata, len(table))
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
    codes, sizes = stratified_codes(clusters, strata, n)
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
    row, n_rows = cluster_codes(rows, np.size(rows))
    column, n_columns = cluster_codes(columns, np.size(rows))
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
    tail = (1 - _expanded(resampling.confidence, [min(n_rows, n_columns)])) / 2
    lower, upper = sorted(np.quantile(np.concatenate(drawn), [tail, 1 - tail]))
    if not np.isfinite([value, lower, upper]).all():
        raise AssayError(
            f"the interval over {n_rows} rows and {n_columns} columns is undefined: some resamples hold no variation; give more"
        )
    return Estimate(value, float(lower), float(upper), len(row), n_dropped)


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

    def of_indices(*drawn: Ints, axis: int = -1) -> Floats:
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
            confidence_level=(
                resampling.confidence
                if resampling.method == "BCa"
                else _expanded(resampling.confidence, sizes)
            ),
            method=resampling.method,
        )
    lower, upper = sorted(map(float, result.confidence_interval))  # where all agree, rounding may swap them
    if not np.isfinite([value, lower, upper]).all():
        raise AssayError(
            f"the interval over {n_clusters} clusters is undefined ({resampling.method}): some resamples hold no item of a "
            "class, or all agree under BCa; give more documents, or use the percentile method"
        )
    return value, lower, upper


def _expanded(confidence: float, sizes: list[int]) -> float:
    """The level whose percentiles are right for a mean: see the module. `sizes` are clusters in each stratum."""
    n, freedom = sum(sizes), sum(sizes) - len(sizes)
    half = stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(n / freedom)
    return float(1 - 2 * stats.norm.cdf(-half))
