import numpy as np
import pytest
from scipy import stats

from assay.bootstrap import (
    Resampling,
    bootstrap_crossed,
    bootstrap_mean,
    bootstrap_totals,
    bootstrap_weights,
    paired_difference,
)
from assay.errors import AssayError
from assay.estimates import Estimate, mean_of_replicates, range_of_replicates, wilson

PLAIN = Resampling(seed=3)


def ratio(totals):
    return totals[..., 0] / totals[..., 1]


def test_an_estimate_becomes_flat_metrics():
    assert Estimate(0.5, 0.4, 0.6, 10).metrics("x") == {"x": 0.5, "x_lo": 0.4, "x_hi": 0.6, "x_n": 10}
    assert Estimate(0.5, 0.4, 0.6, 10, n_dropped=2).metrics("x")["x_dropped"] == 2


@pytest.mark.parametrize("numbers", [(np.nan, 0.0, 1.0), (0.5, -np.inf, 1.0), (0.5, 0.6, 0.4)])
def test_an_estimate_that_is_no_number_is_refused(numbers):
    with pytest.raises(AssayError):
        Estimate(*numbers, n=3)


def test_wilson_is_the_formula():
    k, n, z = 7, 40, stats.norm.ppf(0.975)
    centre = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    found = wilson(k, n)
    np.testing.assert_allclose([found.value, found.lower, found.upper], [k / n, centre - half, centre + half])
    assert wilson(0, 10).lower == 0
    with pytest.raises(AssayError, match="successes"):
        wilson(3, 2)


def test_replicates_have_the_t_interval():
    values = np.array([0.48, 0.52, 0.55, 0.49])
    found = mean_of_replicates(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.lower, found.upper], [expected.low, expected.high])
    with pytest.raises(AssayError, match="at least two"):
        mean_of_replicates([0.5])


def test_one_more_replicate_falls_into_the_range_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3, 2, size=(2000, 9))
    ranges = [range_of_replicates(row[:8]) for row in draws]
    held = sum(found.holds(row[8]) for found, row in zip(ranges, draws, strict=True))
    assert 0.94 < held / len(draws) < 0.96
    assert ranges[0].value == pytest.approx(draws[0, :8].mean())


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_by_item_it_is_scipys_bootstrap(method):
    values = np.random.default_rng(0).exponential(size=60)
    found = bootstrap_mean(values, resampling=Resampling(3, 999, method=method))
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=999, method=method, rng=np.random.default_rng(3), vectorized=True
    ).confidence_interval
    np.testing.assert_allclose([found.lower, found.upper], [expected.low, expected.high])


def test_copies_within_a_cluster_add_no_information():
    values = np.random.default_rng(0).normal(size=30)
    single = bootstrap_mean(values, resampling=PLAIN)
    copied = bootstrap_mean(np.repeat(values, 5), clusters=np.repeat(np.arange(30), 5), resampling=PLAIN)
    np.testing.assert_allclose([copied.lower, copied.upper], [single.lower, single.upper])
    assert (copied.n, single.n) == (150, 30)


def slow_interval(values, clusters, statistic, resamples=4000):
    """The obvious loop: draw clusters, put their items together, compute, sort."""
    rng = np.random.default_rng(1)
    names = np.unique(clusters)
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([np.flatnonzero(clusters == name) for name in rng.choice(names, len(names))])
        drawn.append(statistic(values[rows]))
    return np.quantile(drawn, [0.025, 0.975])


def test_clusters_of_unequal_size_agree_with_the_slow_loop():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    values = rng.normal(size=len(clusters)) + rng.normal(size=25)[clusters]
    named = np.array([f"document {c}" for c in clusters])
    lower, upper = slow_interval(values, clusters, np.mean)
    by_totals = bootstrap_mean(values, clusters=named, resampling=Resampling(3, 4000))
    by_weights = bootstrap_weights(
        len(values), lambda w: (w * values).sum(1) / w.sum(1), clusters=named, resampling=Resampling(3, 4000)
    )
    tolerance = 0.08 * (upper - lower)
    np.testing.assert_allclose([by_totals.lower, by_totals.upper], [lower, upper], atol=tolerance)
    np.testing.assert_allclose([by_weights.lower, by_weights.upper], [by_totals.lower, by_totals.upper])
    assert by_totals.value == pytest.approx(values.mean())


def test_a_paired_difference_cancels_what_both_share():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 10)
    shared = rng.normal(size=40)[clusters]
    first, second = shared + 0.1 + rng.normal(0, 0.1, 400), shared + rng.normal(0, 0.1, 400)
    ones = np.ones(400)
    a, b = np.stack([first, ones], 1), np.stack([second, ones], 1)
    found = paired_difference(a, b, ratio, clusters=clusters, resampling=PLAIN)
    lower, upper = slow_interval(first - second, clusters, np.mean, 2000)
    np.testing.assert_allclose([found.lower, found.upper], [lower, upper], atol=0.15 * (upper - lower))
    assert not found.holds(0)
    alone = bootstrap_totals(a, ratio, clusters=clusters, resampling=PLAIN)
    assert alone.upper - alone.lower > 5 * (found.upper - found.lower)
    assert paired_difference(a, a, ratio, clusters=clusters, resampling=PLAIN).upper == 0
    with pytest.raises(AssayError, match="same items"):
        paired_difference(a, b[:-1], ratio, resampling=PLAIN)


def test_clustered_intervals_cover_and_naive_ones_do_not():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 12)
    covered = naive = 0
    for trial in range(150):
        values = rng.normal(size=480) + rng.normal(size=40)[clusters]
        resampling = Resampling(trial, 300)
        covered += bootstrap_mean(values, clusters=clusters, resampling=resampling).holds(0.0)
        naive += bootstrap_mean(values, resampling=resampling).holds(0.0)
    assert covered >= 0.88 * 150
    assert naive <= 0.65 * 150


def test_crossed_items_agree_with_the_slow_loop_and_cover_more_than_items_do():
    rng = np.random.default_rng(0)
    rows, columns = (grid.ravel() for grid in np.meshgrid(np.arange(20), np.arange(15), indexing="ij"))
    values = rng.normal(size=20)[rows] + rng.normal(size=15)[columns] + 0.1 * rng.normal(size=300)
    table = values.reshape(20, 15)
    drawn = [table[rng.integers(0, 20, 20)][:, rng.integers(0, 15, 15)].mean() for _ in range(4000)]
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    found = bootstrap_crossed(
        lambda w: (w @ values) / w.sum(axis=1), rows=rows, columns=columns, resampling=Resampling(3, 4000)
    )
    tolerance = 0.08 * (upper - lower)
    np.testing.assert_allclose([found.lower, found.upper], [lower, upper], atol=tolerance)
    assert (found.value, found.n) == (pytest.approx(values.mean()), 300)
    for labels in (rows, columns, None):
        narrower = bootstrap_mean(values, clusters=labels, resampling=PLAIN)
        assert narrower.upper - narrower.lower < found.upper - found.lower
    with pytest.raises(AssayError, match="two rows, two columns"):
        bootstrap_crossed(lambda w: w.sum(axis=1), rows=[0, 1], columns=[0, 0], resampling=PLAIN)


def test_the_seed_decides():
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap_mean(values, resampling=Resampling(1)) == bootstrap_mean(
        values, resampling=Resampling(1)
    )
    assert bootstrap_mean(values, resampling=Resampling(1)) != bootstrap_mean(
        values, resampling=Resampling(2)
    )


@pytest.mark.parametrize(
    ("value", "clusters", "members"), [(0.9949173481609178, 5, 15), (0.3950917083579676, 6, 7)]
)
def test_equal_items_have_an_interval_of_no_width(value, clusters, members):
    """Sums that differ in the last bit made percentiles whose lower one was the higher."""
    labels = np.repeat(np.arange(clusters), members)
    found = bootstrap_mean(
        np.full(len(labels), value), resampling=Resampling(seed=0, resamples=200), clusters=labels
    )
    assert found.lower <= found.upper
    np.testing.assert_allclose([found.value, found.lower, found.upper], value, rtol=1e-14)


def test_what_cannot_be_resampled_is_said():
    with pytest.raises(AssayError, match="at least two clusters"):
        bootstrap_mean(np.arange(5.0), clusters=np.zeros(5), resampling=PLAIN)
    with pytest.raises(AssayError, match="cluster label"):
        bootstrap_mean(np.arange(5.0), clusters=np.zeros(4), resampling=PLAIN)
    rare = np.stack(
        [np.r_[1.0, np.zeros(4)], np.r_[1.0, np.zeros(4)]], axis=1
    )  # 0/0 wherever item 0 is not drawn
    with pytest.raises(AssayError, match="undefined"):
        bootstrap_totals(rare, ratio, resampling=PLAIN)


def test_strata_keep_their_sizes_in_every_resample():
    strata = np.repeat(["x", "y", "z"], [5, 30, 8])
    columns = np.stack([strata == name for name in ("x", "y", "z")], axis=1).astype(float)
    for column in range(3):
        estimate = bootstrap_totals(
            columns, lambda t, c=column: t[..., c], resampling=Resampling(0, 200), strata=strata
        )
        assert estimate.lower == estimate.value == estimate.upper == columns[:, column].sum()
    free = bootstrap_totals(columns, lambda t: t[..., 0], resampling=Resampling(0, 200))
    assert free.lower < free.upper
    with pytest.raises(AssayError, match="lie in several strata"):
        bootstrap_totals(
            columns,
            lambda t: t[..., 0],
            resampling=Resampling(0, 200),
            clusters=np.arange(43) // 2,
            strata=strata,
        )


@pytest.mark.parametrize("resamples", [999, 100_000])  # few are drawn once and kept, many are drawn anew
def test_in_strata_it_is_scipys_bootstrap_of_several_samples(resamples):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=12), rng.normal(2, 3, size=30)
    values, strata = np.concatenate([first, second]), np.repeat([0, 1], [12, 30])
    resampling = Resampling(5, resamples)
    found = [bootstrap_mean_in(values, strata, resampling) for _ in range(2)]
    expected = stats.bootstrap(
        (first, second),
        lambda a, b, axis: np.concatenate([a, b], axis=axis).mean(axis=axis),
        n_resamples=resamples,
        batch=200_000 // 42,
        method="percentile",
        rng=np.random.default_rng(5),
        vectorized=True,
    ).confidence_interval
    for estimate in found:
        np.testing.assert_allclose([estimate.lower, estimate.upper], [expected.low, expected.high])


def bootstrap_mean_in(values, strata, resampling):
    columns = np.stack([values, np.ones_like(values)], axis=-1)
    return bootstrap_totals(columns, ratio, resampling=resampling, strata=strata)


def test_stratified_weights_reach_the_items_they_belong_to():
    """Items of two strata in mixed order: every resample gives each stratum its own number of draws."""
    strata = np.tile([0, 1, 1], 10)
    seen = []

    def statistic(weights):
        seen.append(
            np.stack([weights[:, strata == 0].sum(axis=1), weights[:, strata == 1].sum(axis=1)], axis=1)
        )
        return weights @ np.arange(30)

    bootstrap_weights(30, statistic, resampling=Resampling(0, 100), strata=strata)
    assert (np.concatenate(seen) == [10, 20]).all()
