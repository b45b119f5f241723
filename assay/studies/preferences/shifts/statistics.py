"""Does a probe move as behaviour moves? Deltas of conditions against one baseline condition, and how they agree.

A point is a (condition, task). Its behavioural delta is the task's choice rate under the condition minus that under the
baseline; its probe delta the probe's score under the condition minus that under the *same* baseline. Points share tasks and
conditions, so intervals over points resample both (`bootstrap_crossed`); those within a condition resample tasks.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, WeightsStatistic, bootstrap_crossed, bootstrap_weights
from assay.statistics.correlations import pearson
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import mean
from assay.statistics.rank_correlation import weighted_spearman
from assay.studies.preferences.shifts.condition_counts import ConditionChoices, TaskRates

NEAR_ZERO = 0.02  # behavioural deltas below have no sign worth agreeing with
MIN_TASKS = 5  # for a correlation within a condition
MIN_RESAMPLED = 8  # tasks of a condition whose interval is bootstrapped
PERMUTATIONS = 1000


@dataclass(frozen=True, eq=False)
class Points:
    """Points (condition, task) with what is known about them, one entry each.

    Attributes:
        condition: [n] names.
        task: [n] ids.
        behaviour: [n] float64 behavioural deltas, in [−1, 1].
        probe: [n] float64 probe deltas; None before a probe is asked.
        truth: [n] float64, what the condition's prompt should do to the task: +1, −1, or 0 where it is not aimed at it; None where
            nobody said.
        n_dropped: points left out because nothing was answered there, under the condition or the baseline.
    """

    condition: NDArray[np.str_]
    task: NDArray[np.str_]
    behaviour: Floats
    probe: Floats | None = None
    truth: Floats | None = None
    n_dropped: int = 0

    def __len__(self) -> int:
        return len(self.behaviour)

    def subset(self, rows: NDArray[np.bool_]) -> "Points":
        """The points of a mask [n]; nothing counts as dropped."""
        return Points(
            self.condition[rows],
            self.task[rows],
            self.behaviour[rows],
            None if self.probe is None else self.probe[rows],
            None if self.truth is None else self.truth[rows],
        )


@dataclass(frozen=True)
class Agreement:
    """How probe deltas agree with behavioural deltas.

    Attributes:
        pearson: over points.
        spearman: over points.
        sign: share of equal signs over points with |behaviour| ≥ NEAR_ZERO; the others are counted as dropped.
        permutation_p: share of shuffles of the points, the observed order included, with a Pearson r at least as large.
    """

    pearson: Estimate
    spearman: Estimate
    sign: Estimate
    permutation_p: float


def behavioural_deltas(counts: ConditionChoices | TaskRates, baseline: str) -> Points:
    """All points of the other conditions, condition by condition in the order of the file, tasks in theirs."""
    rates = counts.rates()
    base = counts.index_of(baseline)
    asked = counts.asked()
    asked[base] = False
    deltas = rates - rates[base]
    if not asked.any():
        raise AssayError(f"there is no condition beside the baseline {baseline!r}")
    condition, task = np.nonzero(asked & np.isfinite(deltas))
    return Points(
        np.array(counts.conditions)[condition],
        np.array(counts.tasks)[task],
        deltas[condition, task],
        n_dropped=int((asked & ~np.isfinite(deltas)).sum()),
    )


def agreement(points: Points, *, resampling: Resampling) -> Agreement:
    """Correlations and sign agreement over all points, with crossed intervals."""
    probe, behaviour = _probe(points), points.behaviour
    clear = np.abs(behaviour) >= NEAR_ZERO
    if not clear.any():
        raise AssayError(f"no behavioural delta reaches {NEAR_ZERO}; there is no sign to agree with")
    same = (np.sign(behaviour) == np.sign(probe))[clear]
    sign = bootstrap_crossed(
        lambda w: (w @ same) / w.sum(axis=1),
        rows=points.task[clear],
        columns=points.condition[clear],
        resampling=resampling,
    )
    return Agreement(
        pearson=_crossed(points, _pearson(behaviour, probe), resampling),
        spearman=_crossed(points, weighted_spearman(behaviour, probe), resampling),
        sign=replace(sign, n_dropped=int((~clear).sum())),
        permutation_p=permutation_p(behaviour, probe, seed=resampling.seed),
    )


def truth_correlations(points: Points, *, resampling: Resampling) -> tuple[Estimate, Estimate]:
    """Pearson r of the truth with behavioural deltas, and with probe deltas, over all points."""
    if points.truth is None:
        raise AssayError("the points do not say what the conditions aim at")
    return (
        _crossed(points, _pearson(points.behaviour, points.truth), resampling),
        _crossed(points, _pearson(_probe(points), points.truth), resampling),
    )


def by_condition(points: Points, *, resampling: Resampling) -> dict[str, Estimate]:
    """Pearson r within each condition of at least MIN_TASKS points that vary; intervals resample tasks.

    Of fewer than MIN_RESAMPLED some resample is one task again and again, where r is undefined: theirs are the jackknife's.
    """
    probe = _probe(points)
    found: dict[str, Estimate] = {}
    for name in dict.fromkeys(points.condition.tolist()):
        rows = points.condition == name
        if rows.sum() < MIN_TASKS or np.ptp(points.behaviour[rows]) == 0 or np.ptp(probe[rows]) == 0:
            continue
        if rows.sum() < MIN_RESAMPLED:
            found[name] = pearson(probe[rows], points.behaviour[rows])
            continue
        statistic = _pearson(points.behaviour[rows], probe[rows])
        found[name] = bootstrap_weights(int(rows.sum()), statistic, resampling=resampling)
    return found


def permutation_p(behaviour: Floats, probe: Floats, *, seed: int, permutations: int = PERMUTATIONS) -> float:
    """One-sided p of Pearson's r by shuffling points; (1 + exceedances) / (1 + permutations), so never 0."""
    rng = np.random.default_rng(seed)
    shuffled = np.stack([rng.permutation(behaviour) for _ in range(permutations)])
    centred = probe - probe.mean()
    exceed = int((shuffled @ centred >= behaviour @ centred * (1 - 1e-12)).sum())
    return (1 + exceed) / (1 + permutations)


@dataclass(frozen=True)
class UtilityComparison:
    """How well a predictor and its rival foretell the utilities of conditions.

    Attributes:
        predictor: mean over conditions of the Pearson r between predictor and the condition's utilities.
        rival: the same for the rival (the utilities without any condition).
        difference: predictor − rival, paired by condition.
        n_skipped: conditions of fewer than MIN_TASKS tasks, or without variation.
    """

    predictor: Estimate
    rival: Estimate
    difference: Estimate
    n_skipped: int


def compare_predictors(
    condition: NDArray[np.str_],
    utilities: Floats,
    predictor: Floats,
    rival: Floats,
) -> UtilityComparison:
    """Compare two predictors of condition utilities, all [n] over (condition, task); intervals are over conditions."""
    correlations = []
    names = dict.fromkeys(condition.tolist())
    for name in names:
        rows = condition == name
        columns = [column[rows] for column in (utilities, predictor, rival)]
        if rows.sum() < MIN_TASKS or any(np.ptp(column) == 0 for column in columns):
            continue
        table = np.corrcoef(columns)
        correlations.append((table[0, 1], table[0, 2]))
    if len(correlations) < 2:
        raise AssayError(
            f"a comparison of predictors needs two conditions of at least {MIN_TASKS} tasks, found {len(correlations)}"
        )
    by_predictor, by_rival = np.array(correlations).T
    return UtilityComparison(
        mean(by_predictor),
        mean(by_rival),
        mean(by_predictor - by_rival),
        len(names) - len(correlations),
    )


def _probe(points: Points) -> Floats:
    if points.probe is None:
        raise AssayError("the points have no probe deltas yet")
    return points.probe


def _crossed(points: Points, statistic: WeightsStatistic, resampling: Resampling) -> Estimate:
    return bootstrap_crossed(
        statistic,
        rows=points.task,
        columns=points.condition,
        resampling=resampling,
        n_dropped=points.n_dropped,
    )


def _pearson(x: Floats, y: Floats) -> WeightsStatistic:
    """Pearson's r of x and y [n] under weights [b, n]."""
    powers = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)

    def statistic(weights: Floats) -> Floats:
        n, sx, sy, sxx, syy, sxy = (weights @ powers).T
        r: Floats = (n * sxy - sx * sy) / np.sqrt((n * sxx - sx**2) * (n * syy - sy**2))
        return r

    return statistic
