import numpy as np
import pytest
from scipy import stats

from assay.errors import AssayError
from assay.statistics import jackknife
from assay.statistics.correlations import agreement_columns, pearson_of_totals
from assay.statistics.estimates import Estimate, wilson
from assay.statistics.jackknife import (
    Rates,
    balanced_rate,
    jackknife_totals,
    jackknife_weights,
    mean,
    rate,
    rate_difference,
)


def numbers(estimate):
    return [estimate.value, estimate.lower, estimate.upper]


def students(values):
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return [np.mean(values), interval.low, interval.high]


def ratio(totals):
    return totals[..., 0] / totals[..., 1]


def with_ones(values):
    return np.stack([values, np.ones(len(values))], axis=-1)


def rates_of(values, clusters=None):
    codes = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    return Rates(np.asarray(values, dtype=float), codes, int(codes.max()) + 1)


def test_a_mean_has_students_interval():
    values = np.random.default_rng(0).exponential(size=25)
    found = jackknife.mean(values, n_dropped=3)
    np.testing.assert_allclose(numbers(found), students(values))
    assert (found.n, found.n_dropped) == (25, 3)


def test_a_mean_over_equal_clusters_has_that_of_the_cluster_means():
    values = np.random.default_rng(0).normal(size=(7, 4)) + np.arange(7)[:, None]
    found = jackknife.mean(values.ravel(), np.repeat(list("abcdefg"), 4))
    np.testing.assert_allclose(numbers(found), students(values.mean(axis=1)))
    assert found.n == 28


def test_copies_within_clusters_add_no_information():
    values = np.random.default_rng(0).random(12)
    copied = jackknife.mean(np.repeat(values, 9), np.repeat(np.arange(12), 9))
    np.testing.assert_allclose(numbers(copied), numbers(jackknife.mean(values)))
    assert copied.n == 108


def slow_error(table, clusters, strata, statistic):
    """Leave each cluster out, within its stratum."""
    variance = 0.0
    for stratum in np.unique(strata):
        names = np.unique(clusters[strata == stratum])
        left = np.array([statistic(table[clusters != name].sum(axis=0)) for name in names])
        variance += (len(names) - 1) / len(names) * ((left - left.mean()) ** 2).sum()
    return np.sqrt(variance)


@pytest.mark.parametrize("n_strata", [1, 3])
def test_the_standard_error_is_that_of_the_slow_loop(n_strata):
    rng = np.random.default_rng(n_strata)
    clusters = rng.permutation(np.repeat(np.arange(15), rng.integers(2, 9, 15)))
    strata = clusters % n_strata
    table = with_ones(rng.normal(size=len(clusters)) + rng.normal(size=15)[clusters])
    found = jackknife_totals(
        table, ratio, scale="identity", clusters=clusters, strata=None if n_strata == 1 else strata
    )
    sizes = np.unique(clusters, return_counts=True)[1]
    freedom = sizes.sum() ** 2 / (sizes**2).sum() - n_strata
    half = stats.t.ppf(0.975, freedom) * slow_error(table, clusters, strata, ratio)
    value = ratio(table.sum(axis=0))
    np.testing.assert_allclose(numbers(found), [value, value - half, value + half])


def test_weights_of_zero_leave_out_what_totals_leave_out():
    rng = np.random.default_rng(0)
    values, clusters = rng.random(60), rng.integers(0, 12, 60)
    by_weights = jackknife_weights(
        60, lambda w: (w @ values) / w.sum(axis=1), scale="logit", clusters=clusters, n_dropped=2
    )
    by_totals = jackknife_totals(with_ones(values), ratio, scale="logit", clusters=clusters)
    np.testing.assert_allclose(numbers(by_weights), numbers(by_totals))
    assert (by_weights.n, by_weights.n_dropped) == (60, 2)


@pytest.mark.parametrize("r", [-0.5, 0.0, 0.9])
def test_on_fishers_scale_a_correlation_has_the_textbook_interval(r):
    x, noise = np.random.default_rng(1).normal(size=(2, 400))
    y = r * x + np.sqrt(1 - r * r) * noise
    found = jackknife_totals(agreement_columns(x, y), pearson_of_totals, scale="fisher")
    z = np.arctanh(stats.pearsonr(x, y).statistic)
    lower, upper = np.tanh([z - 1.96 / np.sqrt(397), z + 1.96 / np.sqrt(397)])
    assert found.upper - found.lower == pytest.approx(upper - lower, rel=0.1)
    assert found.value == pytest.approx(np.tanh(z))


@pytest.mark.parametrize(("right", "n"), [(7, 40), (0, 9), (9, 9)])
def test_a_rate_of_independent_items_has_wilsons_interval(right, n):
    assert jackknife.rate(np.arange(n) < right) == wilson(right, n)
    assert jackknife.rate(np.arange(n) < right, np.arange(n) + 5, n_dropped=1) == wilson(
        right, n, n_dropped=1
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_all_items_agree_there_are_as_many_as_clusters(value):
    found = jackknife.rate(np.full(20, value), np.arange(20) % 4)
    np.testing.assert_allclose(numbers(found), numbers(wilson(int(4 * value), 4)))
    assert found.n == 20


def test_a_rate_over_clusters_is_wilsons_for_the_items_it_is_worth():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(10), 6)
    values = (rng.random(60) < rng.beta(2, 1, 10)[clusters]).astype(float)
    p, t = values.mean(), stats.t.ppf(0.975, 9)
    worth = p * (1 - p) / slow_error(with_ones(values), clusters, np.zeros(60), ratio) ** 2
    ends = [(2 * worth * p + t**2 + s * t * np.sqrt(t**2 + 4 * worth * p * (1 - p))) for s in (-1, 1)]
    found = jackknife.rate(values, clusters)
    np.testing.assert_allclose(numbers(found), [p, *(np.array(ends) / (2 * (worth + t**2)))])
    assert worth < 60


def test_clusters_that_balance_are_worth_no_more_than_their_items():
    found = jackknife.rate(np.tile([0.0, 1.0], 8), np.repeat(np.arange(8), 2))
    independent = wilson(8, 16)
    assert found.lower < independent.lower < independent.upper < found.upper


def test_a_rate_stays_within_its_scale_and_holds_its_value():
    rng = np.random.default_rng(0)
    for trial in range(200):
        clusters = np.repeat(np.arange(4), rng.integers(1, 6, 4))
        p = rng.beta(0.2, 0.2, 4)[clusters]
        values = p if trial % 2 else rng.random(len(p)) < p
        found = jackknife.rate(values, clusters)
        assert 0 <= found.lower <= found.value <= found.upper <= 1
        assert found.value == pytest.approx(np.mean(values))


def newcombe(first, second):
    """Square-and-add for two paired rates of the same items, with the correlation of right and wrong."""
    (a, al, au), (b, bl, bu) = (numbers(wilson(int(x.sum()), len(x))) for x in (first, second))
    phi = np.corrcoef(first, second)[0, 1]
    below = (a - al) ** 2 - 2 * phi * (a - al) * (bu - b) + (bu - b) ** 2
    above = (au - a) ** 2 - 2 * phi * (au - a) * (b - bl) + (b - bl) ** 2
    return [a - b, a - b - np.sqrt(below), a - b + np.sqrt(above)]


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.9, 0.7), (0.95, 0.9)])
def test_a_difference_of_paired_rates_is_newcombes(p, q):
    rng = np.random.default_rng(0)
    shared = rng.random(80)
    first, second = shared < p, np.where(rng.random(80) < 0.5, shared, rng.random(80)) < q
    found = rate_difference(rates_of(first), rates_of(second))
    np.testing.assert_allclose(numbers(found), newcombe(first.astype(float), second), atol=1e-9)
    assert found.n == 80


def test_a_difference_without_variation_on_one_side_adds_independent_errors():
    first, second = np.ones(30), (np.arange(30) < 20).astype(float)
    found = rate_difference(rates_of(first), rates_of(second))
    a, b = wilson(30, 30), wilson(20, 30)
    lower = np.hypot(a.value - a.lower, b.upper - b.value)
    np.testing.assert_allclose(numbers(found), [1 / 3, 1 / 3 - lower, 1 / 3 + b.value - b.lower])


def test_equal_rates_differ_by_nothing():
    some = rates_of(np.random.default_rng(0).random(12) < 0.7, np.arange(12) // 3)
    assert numbers(rate_difference(some, some)) == [0, 0, 0]


def test_the_mean_of_two_rates_is_wilsons_for_what_leaving_clusters_out_shows():
    rng = np.random.default_rng(0)
    codes, labels = (
        np.repeat(np.arange(25), 8),
        np.tile([True, True, True, False, False, False, False, False], 25),
    )
    right = (rng.random(200) < rng.beta(8, 2, 25)[codes]).astype(float)
    halves = [Rates(right[members], codes[members], 25) for members in (labels, ~labels)]
    found = balanced_rate(*halves)
    left = []
    for gone in range(25):
        kept = codes != gone
        left.append((right[kept & labels].mean() + right[kept & ~labels].mean()) / 2)
    error = np.sqrt(24 / 25 * ((left - np.mean(left)) ** 2).sum())
    p, z = (right[labels].mean() + right[~labels].mean()) / 2, stats.t.ppf(0.975, 24)
    n = min(p * (1 - p) / error**2, 4 * 75 * 125 / 200)
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [p, (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]
    np.testing.assert_allclose(numbers(found), expected)
    assert found.n == 200


def test_two_perfect_rates_are_as_sure_as_their_clusters():
    halves = [Rates(np.ones(30), np.arange(30) // 3, 20), Rates(np.ones(20), 10 + np.arange(20) // 2, 20)]
    np.testing.assert_allclose(numbers(balanced_rate(*halves)), numbers(wilson(20, 20)))


@pytest.mark.parametrize("scale", ["identity", "logit", "fisher"])
def test_an_interval_needs_two_clusters(scale):
    with pytest.raises(AssayError, match="at least two clusters, found 1"):
        jackknife_totals(with_ones([0.2, 0.4]), ratio, scale=scale, clusters=[7, 7])
    with pytest.raises(AssayError, match="at least two clusters, found 1"):
        jackknife_totals(with_ones([0.2, 0.4, 0.3]), ratio, scale=scale, strata=[0, 0, 1])


@pytest.mark.parametrize("values", [[0.5, 1.01], [-0.01, 0.5], [0.5, np.nan], [], [[0.5], [0.5]]])
def test_a_rate_of_what_is_none_is_refused(values):
    with pytest.raises(AssayError, match="between 0 and 1"):
        jackknife.rate(values)


def test_a_statistic_without_a_value_is_refused():
    with pytest.raises(AssayError, match="undefined"):
        jackknife_totals(np.eye(3)[:, :2], ratio, scale="identity")
    with pytest.raises(AssayError, match="undefined"):
        jackknife_weights(3, lambda w: np.ones(len(w)), scale="logit")
    with pytest.raises(AssayError, match=r"must be \[n, k\]"):
        jackknife_totals(np.ones(3), ratio, scale="identity")
    with pytest.raises(AssayError, match="cluster label"):
        jackknife.mean(np.ones(3), [1, 2])


def test_items_of_one_cluster_say_nothing_of_another():
    """A rate of 40 items that share a cluster: no interval but the whole range covers what other clusters do."""
    values = np.repeat([1.0, 0.0], [30, 10])
    one = np.zeros(40, np.int64)
    assert rate(values, one) == Estimate(0.75, 0.0, 1.0, 40)
    assert rate(np.ones(40), one) == Estimate(1.0, 0.0, 1.0, 40)
    assert rate([0.3], [0]) == Estimate(0.3, 0.0, 1.0, 1)
    with pytest.raises(AssayError, match="at least two clusters, found 1"):
        mean(values, one)
    many = Rates(np.tile([1.0, 0.0, 1.0, 1.0], 10), np.arange(40) % 20, 20)
    alone = Rates(values, np.zeros(40, np.int64), 20)
    found, known = balanced_rate(many, alone), rate(many.values, many.codes)
    assert (found.lower, found.upper) == (known.lower / 2, (known.upper + 1) / 2)
    assert rate_difference(Rates(values, one, 1), Rates(1 - values, one, 1)).lower < -0.2
