import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from assay.errors import AssayError
from assay.statistics import correlations as c
from assay.statistics.bootstrap import Resampling

RESAMPLING = Resampling(seed=0, resamples=300)


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=200) + 30
    return 0.5 * truth + rng.normal(size=200) - 4, truth


def test_values_are_those_of_scipy_and_scikit_learn(values):
    scores, truth = values
    assert c.pearson(scores, truth).value == pytest.approx(stats.pearsonr(scores, truth).statistic)
    assert c.r_squared(scores, truth, RESAMPLING).value == pytest.approx(r2_score(truth, scores))
    shifted = scores - scores.mean() + truth.mean()
    assert c.shifted_r_squared(scores, truth, RESAMPLING).value == pytest.approx(r2_score(truth, shifted))
    assert c.point_r_squared(np.stack([scores, shifted]), truth) == pytest.approx(
        [r2_score(truth, scores), r2_score(truth, shifted)]
    )
    assert c.point_pearson(np.stack([scores, -scores]), truth)[1] == pytest.approx(
        -stats.pearsonr(scores, truth).statistic
    )


def test_a_resample_counts_items_as_often_as_they_were_drawn(values):
    scores, truth = values
    drawn = np.random.default_rng(1).integers(0, 200, 200)
    totals = c.agreement_columns(scores, truth)[drawn].sum(axis=0)
    assert c.pearson_of_totals(totals) == pytest.approx(stats.pearsonr(scores[drawn], truth[drawn]).statistic)
    assert c.r_squared_of_totals(totals) == pytest.approx(r2_score(truth[drawn], scores[drawn]))


def test_the_interval_is_about_fishers(values):
    scores, truth = values
    estimate = c.pearson(scores, truth)
    theory = stats.pearsonr(scores, truth).confidence_interval(0.95)
    assert estimate.lower == pytest.approx(theory.low, abs=0.04)
    assert estimate.upper == pytest.approx(theory.high, abs=0.04)


@pytest.mark.parametrize("n_strata", [1, 4])
def test_the_interval_leaves_out_items_within_strata_on_fishers_scale(values, n_strata):
    scores, truth = (column[:60] for column in values)
    pull = (scores - scores.mean()) * (truth - truth.mean())
    strata = pull.argsort().argsort() * n_strata // 60
    left = np.arctanh(
        [stats.pearsonr(np.delete(scores, i), np.delete(truth, i)).statistic for i in range(60)]
    )
    parts = [left[strata == stratum] for stratum in range(n_strata)]
    error = np.sqrt(sum((len(p) - 1) ** 2 / len(p) * p.var(ddof=1) for p in parts))
    half = stats.t.ppf(0.975, 60 - n_strata) * error
    z = np.arctanh(stats.pearsonr(scores, truth).statistic)
    found = c.pearson(scores, truth, strata=strata)
    free = c.pearson(scores, truth)
    assert (found.upper - found.lower < 0.9 * (free.upper - free.lower)) == (n_strata > 1)
    assert [found.lower, found.upper] == pytest.approx(np.tanh([z - half, z + half]), abs=0.003)


def test_constant_scores_agree_with_nothing(values):
    with pytest.raises(AssayError, match="all equal"):
        c.pearson(np.full(200, 0.1), values[1])
    assert np.isnan(c.point_pearson(np.zeros(200), values[1]))
    with pytest.raises(AssayError, match="one score for each"):
        c.pearson(values[0][:5], values[1])
