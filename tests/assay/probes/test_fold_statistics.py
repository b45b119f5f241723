import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from support.expanded_percentiles import expanded_quantiles

from assay.errors import AssayError
from assay.probes.fold_statistics import (
    FoldScores,
    correlation_difference,
    fold_correlations,
    mean_accuracy,
    mean_correlation,
    mean_rank_correlation,
)
from assay.statistics.bootstrap import Resampling
from assay.statistics.choices import Choices
from assay.statistics.correlations import pearson

RESAMPLING = Resampling(seed=0, resamples=500)


def folds(noise: float, seed: int = 0) -> FoldScores:
    """Three groups of 40, 20 and 10 items, each held out once; items 70 to 74 never are."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([0, 1, 2, 3], [40, 20, 10, 5])
    truth = np.random.default_rng(9).normal(size=75)
    rows = [np.flatnonzero(groups == group) for group in range(3)]
    return FoldScores(rows, [truth[r] + noise * rng.normal(size=len(r)) for r in rows], truth, groups)


def by_hand(scores: FoldScores) -> list[float]:
    return [pearsonr(s, scores.truth[r]).statistic for r, s in zip(scores.rows, scores.scores, strict=True)]


def test_means_over_folds_both_ways():
    scores = folds(1.0)
    r = by_hand(scores)
    assert scores.correlations() == pytest.approx(r)
    assert [e.value for e in fold_correlations(scores)] == pytest.approx(r)
    plain = mean_correlation(scores, RESAMPLING, weighted=False)
    assert (plain.value, plain.n) == (pytest.approx(np.mean(r)), 70)
    weighted = mean_correlation(scores, RESAMPLING, weighted=True)
    assert weighted.value == pytest.approx(np.average(r, weights=[40, 20, 10]))


def test_a_fold_by_itself_has_the_correlation_of_its_items():
    scores = folds(1.0)
    for found, rows, values in zip(fold_correlations(scores), scores.rows, scores.scores, strict=True):
        assert found == pearson(values, scores.truth[rows])


def test_a_fold_of_two_groups_leaves_items_out_within_them():
    scores = folds(1.0)
    both = FoldScores([np.arange(60)], [np.concatenate(scores.scores[:2])], scores.truth, scores.groups)
    assert fold_correlations(both) == [pearson(both.scores[0], scores.truth[:60], strata=scores.groups[:60])]


def test_resamples_draw_items_within_groups():
    """Against a loop that draws each group's items by itself."""
    scores, rng, means = folds(1.0), np.random.default_rng(1), []
    for _ in range(2000):
        r = []
        for rows, values in zip(scores.rows, scores.scores, strict=True):
            drawn = rng.integers(0, len(rows), len(rows))
            r.append(pearsonr(values[drawn], scores.truth[rows][drawn]).statistic)
        means.append(np.mean(r))
    estimate = mean_correlation(scores, Resampling(seed=0, resamples=2000), weighted=False)
    assert [estimate.lower, estimate.upper] == pytest.approx(
        expanded_quantiles(means, 70, strata=3), abs=0.03
    )


def test_rank_correlations_are_averaged_and_resampled_within_groups():
    scores, rng, means = folds(1.0), np.random.default_rng(1), []
    pairs = [(s, scores.truth[r]) for r, s in zip(scores.rows, scores.scores, strict=True)]
    for _ in range(1000):
        drawn = [rng.integers(0, len(values), len(values)) for values, _ in pairs]
        means.append(
            np.mean([spearmanr(s[d], t[d]).statistic for (s, t), d in zip(pairs, drawn, strict=True)])
        )
    estimate = mean_rank_correlation(scores, Resampling(seed=0, resamples=1000))
    assert estimate.value == pytest.approx(np.mean([spearmanr(s, t).statistic for s, t in pairs]))
    assert [estimate.lower, estimate.upper] == pytest.approx(
        expanded_quantiles(means, 70, strata=3), abs=0.03
    )
    assert estimate.n == 70


def test_a_paired_difference_sees_what_separate_intervals_hide():
    good = folds(1.0)
    worse = FoldScores(
        good.rows,
        [s + 0.2 * n for s, n in zip(good.scores, _noise(good), strict=True)],
        good.truth,
        good.groups,
    )
    difference = correlation_difference(good, worse, RESAMPLING, weighted=False)
    assert difference.value == pytest.approx(np.mean(by_hand(good)) - np.mean(by_hand(worse)))
    alone = mean_correlation(good, RESAMPLING, weighted=False)
    assert difference.upper - difference.lower < 0.5 * (alone.upper - alone.lower)
    same = correlation_difference(good, good, RESAMPLING, weighted=True)
    assert (same.value, same.lower, same.upper) == (0, 0, 0)


def _noise(scores: FoldScores) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=len(rows)) for rows in scores.rows]


def test_accuracy_uses_choices_within_a_fold():
    """Scores are the truth. The better item of group 0 wins 3 of 4 times, that of group 1 once; others must not count."""
    scores = folds(0.0)
    rng = np.random.default_rng(2)
    ends = [
        rng.permuted(np.tile(np.arange(low, high), (count, 1)), axis=1)[:, :2]
        for low, high, count in ((0, 40, 60), (40, 60, 30))
    ]
    ends += [
        np.array([[0, 41]] * 20),
        np.array([[71, 72]] * 20),
    ]  # across two groups; in a group that is never held out
    first, second = np.concatenate(ends).T
    better = scores.truth[first] > scores.truth[second]
    wins = np.where(better == (np.arange(130) < 60), 3, 1)
    choices = Choices(first, second, wins, 4 - wins, 0 * wins)
    unweighted = mean_accuracy(scores, choices, RESAMPLING, weighted=False)
    assert (unweighted.value, unweighted.n) == ((0.75 + 0.25) / 2, 360)
    weighted = mean_accuracy(scores, choices, RESAMPLING, weighted=True)
    assert weighted.value == pytest.approx((0.75 * 60 + 0.25 * 30) / 90)
    with pytest.raises(AssayError, match="no choice lies within"):
        mean_accuracy(scores, choices.take(np.arange(130) >= 90), RESAMPLING, weighted=True)


def test_a_fold_without_spread_is_refused():
    scores = folds(1.0)
    flat = FoldScores(scores.rows, [np.ones(len(r)) for r in scores.rows], scores.truth, scores.groups)
    with pytest.raises(AssayError, match="all equal"):
        flat.correlations()
