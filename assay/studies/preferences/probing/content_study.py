"""How much of the utilities the words of a task explain, without any model that chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.probes.fold_statistics import FoldScores, mean_correlation
from assay.probes.held_out_groups import Groups, leave_groups_out
from assay.probes.ridge import GroupedRidge
from assay.statistics.bootstrap import Resampling, bootstrap_totals
from assay.statistics.correlations import N_COLUMNS, agreement_columns, point_r_squared, r_squared_of_totals
from assay.statistics.estimates import Estimate
from assay.studies.preferences.utilities.topics import demean, topic_r_squared


@dataclass(frozen=True)
class CrossValidated:
    """Cross-validated R² at the best penalty, and that penalty; it was chosen on the same folds."""

    r_squared: Estimate
    alpha: float


def consecutive_folds(n: int, folds: int) -> Ints:
    """[n] fold numbers of scikit-learn's un-shuffled `KFold`."""
    if not 2 <= folds <= n // 2:
        raise AssayError(f"{folds} folds of {n} tasks: give at least two tasks for each of two or more folds")
    return np.repeat(np.arange(folds), [len(part) for part in np.array_split(np.arange(n), folds)])


def cross_validated_r_squared(
    X: ArrayLike,
    y: ArrayLike,
    folds: Ints,
    *,
    alphas: Sequence[float],
    standardise: bool,
    resampling: Resampling,
) -> CrossValidated:
    """Mean over folds of R² on the left-out fold, at the penalty where it is highest.

    Without standardisation and with consecutive folds this is the published content baseline of ogilg/Preferences. Tasks are
    resampled within folds.
    """
    ridge = GroupedRidge(X, y, folds, standardise=standardise)
    truth = ridge.Y[:, 0]
    scores = np.empty((len(alphas), len(truth)))
    for fold in np.unique(folds):
        rows = folds == fold
        scores[:, rows] = ridge.fit(alphas, [fold]).predict(ridge.X[rows])[..., 0]
    columns = [_by_fold(row, truth, folds) for row in scores]
    means = [float(_mean_r_squared(table.sum(axis=0))) for table in columns]
    best = int(np.argmax(means))
    estimate = bootstrap_totals(columns[best], _mean_r_squared, resampling=resampling, strata=folds)
    return CrossValidated(estimate, float(alphas[best]))


def nested_r_squared(
    X: ArrayLike, y: ArrayLike, *, alphas: Sequence[float], folds: int, resampling: Resampling
) -> Estimate:
    """Mean over shuffled folds of R², on standardised features, with α chosen inside the training folds."""
    order = np.random.default_rng(resampling.seed).permutation(len(np.asarray(y)))
    codes = consecutive_folds(len(order), folds)[np.argsort(order)]
    found = leave_groups_out(GroupedRidge(X, y, codes), alphas=alphas, minimum=1, criterion=point_r_squared)
    truth, scores = np.asarray(y, dtype=np.float64), np.empty(len(order))
    for fold in found:
        scores[fold.rows] = fold.scores[:, 0]
    return bootstrap_totals(
        _by_fold(scores, truth, codes), _mean_r_squared, resampling=resampling, strata=codes
    )


def content_estimates(
    X: ArrayLike,
    mu: ArrayLike,
    topics: Ints,
    *,
    alphas: Sequence[float],
    folds: int,
    minimum_topic: int,
    resampling: Resampling,
    hold_out: int = 1,
    chosen: Sequence[Groups] | None = None,
) -> dict[str, Estimate | float | int]:
    """What features `X` [n, d] of the texts say about utilities `mu` [n] with topic numbers `topics` [n].

    * `cv_r2` and its `cv_alpha`: the published convention (plain ridge, consecutive folds, α chosen on the reported folds);
      `cv_standardised_r2` the same on standardised features;
    * `nested_r2`: shuffled folds, α chosen inside the training folds; `nested_demeaned_r2` of utilities without topic means;
    * `topic_only_r2`: least squares on topics alone, in sample;
    * `topic_r`, `topic_r_weighted`: Pearson r on left-out topics, `hold_out` at a time in every combination or the sets `chosen`,
      α chosen inside the training topics;
    * `topic_fixed_r`: the same with one α for all folds, `cv_standardised_alpha`, which has seen the left-out topics: the
      published recipe (standardised features, unweighted mean over folds), and its standard deviation `topic_fixed_r_sd`.
    """
    y = np.asarray(mu, dtype=np.float64)
    consecutive = consecutive_folds(len(y), folds)
    plain, scaled = (
        cross_validated_r_squared(
            X, y, consecutive, alphas=alphas, standardise=standardise, resampling=resampling
        )
        for standardise in (False, True)
    )
    grouped = GroupedRidge(X, y, topics)
    by_topic, fixed = (
        FoldScores.of_target(
            leave_groups_out(grouped, alphas=grid, size=hold_out, minimum=minimum_topic, chosen=chosen),
            0,
            y,
            topics,
        )
        for grid in (alphas, [scaled.alpha])
    )
    residual = demean(y, topics)
    return {
        "cv_r2": plain.r_squared,
        "cv_alpha": plain.alpha,
        "cv_standardised_r2": scaled.r_squared,
        "cv_standardised_alpha": scaled.alpha,
        "nested_r2": nested_r_squared(X, y, alphas=alphas, folds=folds, resampling=resampling),
        "nested_demeaned_r2": nested_r_squared(
            X, residual, alphas=alphas, folds=folds, resampling=resampling
        ),
        "topic_only_r2": topic_r_squared(y, topics, resampling),
        "topic_r": mean_correlation(by_topic, resampling, weighted=False),
        "topic_r_weighted": mean_correlation(by_topic, resampling, weighted=True),
        "topic_fixed_r": mean_correlation(fixed, resampling, weighted=False),
        "topic_fixed_r_sd": float(fixed.correlations().std()),
        "topic_folds": len(by_topic.rows),
    }


def _by_fold(scores: Floats, truth: Floats, folds: Ints) -> Floats:
    """[n, folds · 8] columns of each fold for its own rows, zero elsewhere."""
    numbers = np.unique(folds)
    table = np.zeros((len(truth), len(numbers), N_COLUMNS))
    for index, fold in enumerate(numbers):
        rows = folds == fold
        table[rows, index] = agreement_columns(scores[rows], truth[rows])
    return table.reshape(len(truth), -1)


def _mean_r_squared(totals: Floats) -> Floats:
    by_fold = totals.reshape(*totals.shape[:-1], -1, N_COLUMNS)
    mean: Floats = np.asarray(r_squared_of_totals(by_fold).mean(axis=-1))
    return mean
