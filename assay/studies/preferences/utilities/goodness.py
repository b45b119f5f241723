"""How well fitted utilities describe the choices they were fitted to."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, xlogy
from scipy.stats import chi2

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, bootstrap_totals
from assay.statistics.choices import Refusals
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import rate
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.thurstone import Utilities


@dataclass(frozen=True, eq=False)
class Calibration:
    """Expected against observed choices of the task shown first, in bins of the expected probability.

    Attributes:
        edges: [bins + 1] of equal width from 0 to 1.
        choices: [bins] choices whose expected probability falls into the bin; a bin may be empty.
        expected: [bins] sum of expected probabilities.
        observed: [bins] how often the first task was chosen.
        chi_square: Σ (observed − expected)² / Σ p(1 − p) over bins that hold a choice (Hosmer and Lemeshow 1980).
        p_value: of chi_square with as many degrees of freedom as bins: choices of one pair are dependent beyond the model and the
            data were used to fit, so it orders fits rather than tests one.
        error: mean |observed − expected| per choice, over bins weighted by choices.
    """

    edges: Floats
    choices: Ints
    expected: Floats
    observed: Ints
    chi_square: float
    p_value: float
    error: float


@dataclass(frozen=True)
class Goodness:
    """In-sample goodness of fit.

    Attributes:
        agreement: mean share of the majority choice over pairs with at least two choices: the consistency of the chooser. None
            where fewer than two pairs were answered twice.
        accuracy: share of choices that fell on the task with the larger μ; a tie counts half.
        likelihood_gain: mean log-likelihood per choice above that of a coin, nats.
        deviance: 2 · (log-likelihood of one free probability per pair − that of the model).
        first_share: share of choices that fell on the task shown first; 0.5 without position bias.
        calibration: see there.
    """

    agreement: Estimate | None
    accuracy: Estimate
    likelihood_gain: Estimate
    deviance: float
    first_share: Estimate
    calibration: Calibration


def goodness_of_fit(
    comparisons: Comparisons,
    utilities: Utilities,
    *,
    refusals: Refusals,
    resampling: Resampling,
    bins: int = 10,
) -> Goodness:
    """Judge a fit by its own data; intervals resample unordered pairs, whose choices depend on each other.

    Raises AssayError when the tasks of both differ or no choice is left.
    """
    if comparisons.ids != utilities.ids:
        raise AssayError("the comparisons and the utilities name different tasks, or in another order")
    first_wins, second_wins = comparisons.wins(refusals)
    kept = first_wins + second_wins > 0
    if kept.sum() < 2:
        raise AssayError("fewer than two presented pairs were ever answered by a choice; measure more")
    first, second = comparisons.first[kept], comparisons.second[kept]
    wins = np.stack([first_wins, second_wins], axis=1)[kept]
    total = wins.sum(axis=1)
    variance = utilities.sigma**2
    difference = utilities.mu[first] - utilities.mu[second]
    z = difference / np.sqrt(variance[first] + variance[second])
    probability = ndtr(np.stack([z, -z], axis=1))
    pair = np.minimum(first, second) * len(comparisons.ids) + np.maximum(first, second)
    log_likelihood = xlogy(wins, np.maximum(probability, np.finfo(np.float64).tiny)).sum(axis=1)
    right = np.where(difference == 0, total / 2, np.where(difference > 0, wins[:, 0], wins[:, 1]))

    def per_choice(values: Floats) -> Estimate:
        estimate = bootstrap_totals(
            np.stack([values, total], axis=1),
            lambda t: t[..., 0] / t[..., 1],
            resampling=resampling,
            clusters=pair,
        )
        return Estimate(estimate.value, estimate.lower, estimate.upper, int(total.sum()))

    return Goodness(
        agreement=_agreement(first, second, wins, pair),
        accuracy=per_choice(right),
        likelihood_gain=per_choice(log_likelihood + total * np.log(2)),
        deviance=_deviance(first, second, wins, pair, log_likelihood),
        first_share=per_choice(wins[:, 0].astype(np.float64)),
        calibration=_calibration(probability[:, 0], wins, bins),
    )


def _by_pair(first: Ints, second: Ints, wins: Ints, pair: Ints) -> Ints:
    """[pairs, 2] choices of the smaller and of the larger task number over both presentations."""
    _, row = np.unique(pair, return_inverse=True)
    merged = np.zeros((row.max() + 1, 2), np.int64)
    np.add.at(merged, row, np.where((first < second)[:, None], wins, wins[:, ::-1]))
    return merged


def _agreement(first: Ints, second: Ints, wins: Ints, pair: Ints) -> Estimate | None:
    merged = _by_pair(first, second, wins, pair)
    total = merged.sum(axis=1)
    repeated = total >= 2
    if repeated.sum() < 2:
        return None
    return rate(merged.max(axis=1)[repeated] / total[repeated], n_dropped=int((~repeated).sum()))


def _deviance(first: Ints, second: Ints, wins: Ints, pair: Ints, log_likelihood: Floats) -> float:
    merged = _by_pair(first, second, wins, pair)
    saturated = xlogy(merged, merged / merged.sum(axis=1, keepdims=True)).sum()
    return float(2 * (saturated - log_likelihood.sum()))


def _calibration(probability: Floats, wins: Ints, bins: int) -> Calibration:
    total = wins.sum(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, bins - 1)
    choices: Ints = np.bincount(place, total, bins).astype(np.int64)
    expected = np.asarray(np.bincount(place, total * probability, bins), np.float64)
    observed = np.bincount(place, wins[:, 0], bins).astype(np.int64)
    spread = np.bincount(place, total * probability * (1 - probability), bins)
    used = spread > 0
    statistic = float(((observed - expected)[used] ** 2 / spread[used]).sum())
    return Calibration(
        edges,
        choices,
        expected,
        observed,
        statistic,
        float(chi2.sf(statistic, int(used.sum()))),
        float(np.abs(observed - expected).sum() / choices.sum()),
    )
