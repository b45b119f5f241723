"""How reliable utilities are: would other pairs, or another wording, have given the same?

The pairs that were asked are split at random into halves, a pair's both orders together, and each half is fitted by itself. The mean
correlation r of the two over many splits is that of utilities from half the pairs; from all of them it is r_SB = 2 r / (1 + r)
(Spearman 1910, Brown 1910), the reliability. No predictor, however good, correlates with measured utilities by more than √r_SB on
average (Spearman 1904): the ceiling of every r in the study.

Pairs alone say nothing of what all of them share. A lean towards one order, a wording's words or a label's sound is as reliable as a
preference; so `order_r` compares utilities of one order of every pair with those of the other, and `parallel` two wordings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, bootstrap_weights
from assay.statistics.choices import Refusals
from assay.statistics.correlations import agreement_columns, pearson_of_totals
from assay.statistics.estimates import Estimate
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.thurstone import fit_thurstone

MINIMUM_TASKS = 10


@dataclass(frozen=True)
class Fitting:
    """How every half is fitted: as the utilities themselves are."""

    refusals: Refusals = "drop"
    smoothing: float = 0.0


@dataclass(frozen=True, eq=False)
class Halves:
    """Utilities of two halves of the choices, for each of several splits: mu [splits, 2, tasks], NaN where a half has no choice."""

    ids: tuple[str, ...]
    mu: Floats

    def within(self, topics: Mapping[str, str]) -> "Halves":
        """The same less the mean of a task's topic in its half; tasks without a topic are left out."""
        kept = np.array([task in topics for task in self.ids])
        ids = tuple(task for task in self.ids if task in topics)
        mu = self.mu[..., kept].copy()
        names = np.array([topics[task] for task in ids])
        for topic in np.unique(names):
            own = names == topic
            known = np.isfinite(mu[..., own])
            total = np.where(known, mu[..., own], 0.0).sum(axis=-1, keepdims=True)
            mu[..., own] -= total / np.maximum(known.sum(axis=-1, keepdims=True), 1)
        return Halves(ids, mu)

    def correlation(self, weights: Floats) -> Floats:
        """Mean Pearson r of the halves over splits, under weights of the tasks [b, n] → [b]."""
        return np.asarray(
            np.mean([_pearson(half[0], half[1], weights) for half in self.mu], axis=0), np.float64
        )


def split_pairs(comparisons: Comparisons, fitting: Fitting, *, splits: int, seed: int) -> Halves:
    """Halves of the unordered pairs, `splits` times at random. Raises AssayError for fewer than MINIMUM_TASKS tasks."""
    _, pair = np.unique(_pair_numbers(comparisons), return_inverse=True)
    rng = np.random.default_rng(seed)
    sides = [rng.permutation(pair.max() + 1)[pair] % 2 == 0 for _ in range(splits)]
    return _halves(comparisons, sides, fitting)


def split_orders(comparisons: Comparisons, fitting: Fitting, *, splits: int, seed: int) -> Halves | None:
    """One order of every pair against the other, at random which; None where not every pair was asked in both."""
    keys = _pair_numbers(comparisons)
    numbers, pair, count = np.unique(keys, return_inverse=True, return_counts=True)
    if (count != 2).any():
        return None
    upright = comparisons.first < comparisons.second
    rng = np.random.default_rng(seed)
    sides = [upright == (rng.random(len(numbers)) < 0.5)[pair] for _ in range(splits)]
    return _halves(comparisons, sides, fitting)


def split_half(halves: Halves, resampling: Resampling) -> dict[str, Estimate]:
    """r of halves, the reliability of the whole and the ceiling that it sets; intervals over tasks."""
    statistics: dict[str, Callable[[Floats], Floats]] = {
        "split_half_r": halves.correlation,
        "reliability": lambda weights: spearman_brown(halves.correlation(weights)),
        "ceiling": lambda weights: np.sqrt(np.maximum(spearman_brown(halves.correlation(weights)), 0.0)),
    }
    return {name: over_tasks(halves.ids, statistic, resampling) for name, statistic in statistics.items()}


def parallel(
    one: Comparisons,
    other: Comparisons,
    halves: tuple[Halves, Halves],
    fitting: Fitting,
    resampling: Resampling,
) -> dict[str, Estimate]:
    """Two measurements of the same tasks: r of their utilities, and what it would be without the noise of either.

    `corrected` is r / √(r_SB r_SB'), which sampling can carry beyond 1. `halves` are those of both.
    """
    ids = [task for task in one.ids if task in set(other.ids)]
    first, second = (_utilities(comparisons, fitting) for comparisons in (one, other))
    places = [np.array([comparisons.ids.index(task) for task in ids]) for comparisons in (one, other)]
    mu = first[places[0]], second[places[1]]
    common = [Halves(tuple(ids), half.mu[..., place]) for half, place in zip(halves, places, strict=True)]

    def corrected(weights: Floats) -> Floats:
        reliable = [spearman_brown(half.correlation(weights)) for half in common]
        return _pearson(*mu, weights) / np.sqrt(np.maximum(reliable[0] * reliable[1], 1e-3))

    statistics: dict[str, Callable[[Floats], Floats]] = {
        "r": lambda weights: _pearson(*mu, weights),
        "corrected_r": corrected,
    }
    return {name: over_tasks(ids, statistic, resampling) for name, statistic in statistics.items()}


def spearman_brown(r: Floats) -> Floats:
    """Reliability of a whole from the correlation r of its halves: 2 r / (1 + r)."""
    return np.asarray(2 * r / (1 + r), np.float64)


def over_tasks(
    ids: "tuple[str, ...] | list[str]", statistic: Callable[[Floats], Floats], resampling: Resampling
) -> Estimate:
    """A statistic of weighted tasks with a bootstrap interval over tasks."""
    if len(ids) < MINIMUM_TASKS:
        raise AssayError(f"{len(ids)} tasks were measured; reliability needs {MINIMUM_TASKS}")
    return bootstrap_weights(len(ids), statistic, resampling=resampling)


def _pair_numbers(comparisons: Comparisons) -> Ints:
    low = np.minimum(comparisons.first, comparisons.second)
    return np.asarray(low * len(comparisons.ids) + np.maximum(comparisons.first, comparisons.second))


def _halves(comparisons: Comparisons, sides: "list[np.ndarray]", fitting: Fitting) -> Halves:
    if len(comparisons.ids) < MINIMUM_TASKS:
        raise AssayError(f"{len(comparisons.ids)} tasks were measured; reliability needs {MINIMUM_TASKS}")
    mu = [[_utilities(_rows(comparisons, rows), fitting) for rows in (side, ~side)] for side in sides]
    return Halves(comparisons.ids, np.array(mu))


def _rows(comparisons: Comparisons, rows: np.ndarray) -> Comparisons:
    part = comparisons.take(rows)
    return Comparisons(*part.columns, ids=comparisons.ids)


def _utilities(comparisons: Comparisons, fitting: Fitting) -> Floats:
    """[tasks] μ, NaN for a task without a choice."""
    compared = comparisons.compared(fitting.refusals)
    fitted = fit_thurstone(compared, refusals=fitting.refusals, smoothing=fitting.smoothing, errors=False)
    found = dict(zip(fitted.ids, fitted.mu.tolist(), strict=True))
    return np.array([found.get(task, np.nan) for task in comparisons.ids])


def _pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson r of x and y [n], where both are known, under weights [b, n] → [b]."""
    known = np.isfinite(x) & np.isfinite(y)
    return pearson_of_totals(weights[:, known] @ agreement_columns(x[known], y[known]))
