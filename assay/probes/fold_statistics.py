"""Numbers over folds of held-out groups: mean Pearson r, mean Spearman ρ and pairwise accuracy, each fold by itself first.

A mean over folds is reported both ways: `weighted=False` counts every fold once, `weighted=True` by its items (or
choices). Intervals resample items within groups, so they speak of these groups; the spread between groups is the
standard deviation over folds, reported beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.held_out_groups import Fold
from assay.statistics.bootstrap import (
    Resampling,
    TotalsStatistic,
    bootstrap_totals,
    bootstrap_weights,
    paired_difference,
)
from assay.statistics.choices import Choices, correct_choices
from assay.statistics.correlations import N_COLUMNS, agreement_columns, pearson_of_totals
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import jackknife_totals
from assay.statistics.rank_correlation import weighted_spearman


@dataclass(frozen=True)
class FoldScores:
    """What was predicted for the held-out items of every fold.

    Attributes:
        rows: per fold the item numbers [m].
        scores: per fold the predictions [m].
        truth: [n] of all items.
        groups: [n] group numbers of all items.
    """

    rows: Sequence[NDArray[np.intp]]
    scores: Sequence[Floats]
    truth: Floats
    groups: NDArray[np.int64]

    @classmethod
    def of_target(
        cls, folds: Sequence[Fold], target: int, truth: ArrayLike, groups: NDArray[np.int64]
    ) -> "FoldScores":
        """The predictions of one target of `leave_groups_out`, to be compared with `truth` [n]."""
        scores = [fold.scores[:, target] for fold in folds]
        return cls([fold.rows for fold in folds], scores, np.asarray(truth, dtype=np.float64), groups)

    @property
    def items(self) -> NDArray[np.intp]:
        """Items that any fold holds out, ascending."""
        return np.unique(np.concatenate(self.rows))

    def columns(self) -> Floats:
        """[items, folds · 8] columns of every fold, zero for items that it does not hold out."""
        items = self.items
        table = np.zeros((len(items), len(self.rows), N_COLUMNS))
        for index, (rows, scores) in enumerate(zip(self.rows, self.scores, strict=True)):
            table[np.searchsorted(items, rows), index] = agreement_columns(scores, self.truth[rows])
        return table.reshape(len(items), -1)

    def correlations(self) -> Floats:
        """Pearson r of every fold. Raises AssayError for one whose scores or true values are all equal."""
        totals = self.columns().sum(axis=0).reshape(-1, N_COLUMNS)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = pearson_of_totals(totals)
        if not np.isfinite(r).all():
            raise AssayError("a fold's scores or true values are all equal; give larger groups")
        return r


def mean_correlation(folds: FoldScores, resampling: Resampling, *, weighted: bool) -> Estimate:
    """Mean over folds of Pearson r."""
    return bootstrap_totals(
        folds.columns(), _mean_pearson(weighted), resampling=resampling, strata=folds.groups[folds.items]
    )


def mean_rank_correlation(folds: FoldScores, resampling: Resampling) -> Estimate:
    """Unweighted mean over folds of Spearman's ρ."""
    items = folds.items
    places = [np.searchsorted(items, rows) for rows in folds.rows]
    statistics = [
        weighted_spearman(scores, folds.truth[rows])
        for rows, scores in zip(folds.rows, folds.scores, strict=True)
    ]

    def statistic(weights: Floats) -> Floats:
        found = [of_fold(weights[:, place]) for of_fold, place in zip(statistics, places, strict=True)]
        return np.asarray(np.mean(found, axis=0))

    return bootstrap_weights(len(items), statistic, resampling=resampling, strata=folds.groups[items])


def correlation_difference(
    first: FoldScores, second: FoldScores, resampling: Resampling, *, weighted: bool
) -> Estimate:
    """Mean r of `first` minus that of `second` over the same folds of the same items, paired."""
    return paired_difference(
        first.columns(),
        second.columns(),
        _mean_pearson(weighted),
        resampling=resampling,
        strata=first.groups[first.items],
    )


def fold_correlations(folds: FoldScores) -> list[Estimate]:
    """Pearson r of every fold by itself."""
    estimates = []
    for rows, scores in zip(folds.rows, folds.scores, strict=True):
        columns = agreement_columns(scores, folds.truth[rows])
        strata = folds.groups[rows]
        estimates.append(jackknife_totals(columns, pearson_of_totals, scale="fisher", strata=strata))
    return estimates


def mean_accuracy(folds: FoldScores, choices: Choices, resampling: Resampling, *, weighted: bool) -> Estimate:
    """Mean over folds of pairwise accuracy on choices between two items of the fold; `n` counts choices.

    A fold without a choice is left out; so is one in a resample that drew none of its pairs.
    """
    within = [choices.within(rows, len(folds.truth)) for rows in folds.rows]
    used = [
        (rows, scores, inside)
        for rows, scores, inside in zip(folds.rows, folds.scores, within, strict=True)
        if inside.n_choices
    ]
    if not used:
        raise AssayError("no choice lies within a held-out fold; give choices between items of one group")
    items = np.unique(np.concatenate([rows for rows, _, _ in used]))

    def statistic(weights: Floats) -> Floats:
        right, made = np.empty((2, len(weights), len(used)))
        for index, (rows, scores, inside) in enumerate(used):
            mine = weights[:, np.searchsorted(items, rows)]
            pair_weights = mine[:, inside.first] * mine[:, inside.second]
            right[:, index] = pair_weights @ correct_choices(scores, inside)
            made[:, index] = pair_weights @ inside.made
        if weighted:
            return np.asarray(right.sum(axis=1) / made.sum(axis=1))
        drawn = made > 0
        shares = np.where(drawn, right / np.where(drawn, made, 1), 0)
        return np.asarray(shares.sum(axis=1) / drawn.sum(axis=1))

    estimate = bootstrap_weights(len(items), statistic, resampling=resampling, strata=folds.groups[items])
    n_choices = sum(inside.n_choices for _, _, inside in used)
    return Estimate(estimate.value, estimate.lower, estimate.upper, n_choices)


def _mean_pearson(weighted: bool) -> TotalsStatistic:
    def statistic(totals: Floats) -> Floats:
        by_fold = totals.reshape(*totals.shape[:-1], -1, N_COLUMNS)
        r = pearson_of_totals(by_fold)
        if not weighted:
            return np.asarray(r.mean(axis=-1))
        sizes = by_fold[..., 0]
        mean: Floats = (r * sizes).sum(axis=-1) / sizes.sum(axis=-1)
        return mean

    return statistic
