"""Numbers with their uncertainty: every value that Assay reports is an `Estimate`.

How an interval is made depends on what the number is. All are simulated: each covers the truth in 93 to 97 of 100 cases, for
5 clusters or 200 (`tests/assay/statistics/test_coverage.py`); near 0 and 1, where counts are few, in up to 100.

* `wilson` for a plain rate of independent items; `jackknife.rate` for rates and probabilities of items in clusters.
* `jackknife.mean` for means and their differences: Student's t over clusters.
* `jackknife.jackknife_totals` and `jackknife_weights` for a smooth statistic with a scale of its own: AUROC (logit), correlation
  (Fisher's z).
* `bootstrap` for what is left: differences of the above, rank correlations, means over folds, crossed designs.
* `mean_of_replicates` over draws of a control, or over trainings of a model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from assay.errors import AssayError


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
