import numpy as np
import pytest
from scipy import stats
from support.expanded_percentiles import expanded_level, expanded_quantiles

from assay.errors import AssayError
from assay.statistics.bootstrap import (
    Resampling,
    bootstrap_crossed,
    bootstrap_totals,
    bootstrap_weights,
    paired_difference,
)

PLAIN = Resampling(seed=3)


def ratio(totals):
    return totals[..., 0] / totals[..., 1]


def with_ones(values):
    return np.stack([values, np.ones(len(values))], axis=-1)


def mean_of(values, resampling=PLAIN, **groups):
    return bootstrap_totals(with_ones(values), ratio, resampling=resampling, **groups)


def ends(estimate):
    return [estimate.lower, estimate.upper]


@pytest.mark.parametrize(("method", "level"), [("percentile", expanded_level(60)), ("BCa", 0.95)])
def test_by_item_it_is_scipys_bootstrap(method, level):
    values = np.random.default_rng(0).exponential(size=60)
    found = mean_of(values, Resampling(3, 999, method=method))
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=999, method=method, confidence_level=level,
        rng=np.random.default_rng(3), vectorized=True,
    ).confidence_interval  # fmt: skip
    np.testing.assert_allclose(ends(found), [expected.low, expected.high])


def test_expanded_percentiles_of_a_normal_mean_are_students_interval():
    values = stats.norm.ppf((np.arange(12) + 0.5) / 12)
    found = mean_of(values, Resampling(0, 200_000))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(ends(found), [expected.low, expected.high], rtol=0.06)


def test_the_interval_of_a_lower_confidence_is_narrower():
    values = np.random.default_rng(0).normal(size=20)
    wide, narrow = mean_of(values), mean_of(values, Resampling(3, confidence=0.5))
    half = stats.t.ppf(0.75, 19) * np.std(values, ddof=1) / np.sqrt(20)
    assert wide.lower < narrow.lower < narrow.upper < wide.upper
    np.testing.assert_allclose(ends(narrow), [values.mean() - half, values.mean() + half], atol=0.15 * half)


def test_copies_within_a_cluster_add_no_information():
    values = np.random.default_rng(0).normal(size=30)
    single = mean_of(values)
    copied = mean_of(np.repeat(values, 5), clusters=np.repeat(np.arange(30), 5))
    np.testing.assert_allclose(ends(copied), ends(single))
    assert (copied.n, single.n) == (150, 30)


def slow_interval(values, clusters, statistic, resamples=4000):
    """The obvious loop: draw clusters, put their items together, compute, sort."""
    rng = np.random.default_rng(1)
    names = np.unique(clusters)
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([np.flatnonzero(clusters == name) for name in rng.choice(names, len(names))])
        drawn.append(statistic(values[rows]))
    return expanded_quantiles(drawn, len(names))


def test_clusters_of_unequal_size_agree_with_the_slow_loop():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(25), rng.integers(1, 9, 25))
    values = rng.normal(size=len(clusters)) + rng.normal(size=25)[clusters]
    named = np.array([f"document {c}" for c in clusters])
    lower, upper = slow_interval(values, clusters, np.mean)
    by_totals = mean_of(values, Resampling(3, 4000), clusters=named)
    by_weights = bootstrap_weights(
        len(values), lambda w: (w * values).sum(1) / w.sum(1), clusters=named, resampling=Resampling(3, 4000)
    )
    np.testing.assert_allclose(ends(by_totals), [lower, upper], atol=0.08 * (upper - lower))
    np.testing.assert_allclose(ends(by_weights), ends(by_totals))
    assert by_totals.value == pytest.approx(values.mean())


def test_a_paired_difference_cancels_what_both_share():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 10)
    shared = rng.normal(size=40)[clusters]
    first, second = shared + 0.1 + rng.normal(0, 0.1, 400), shared + rng.normal(0, 0.1, 400)
    a, b = with_ones(first), with_ones(second)
    found = paired_difference(a, b, ratio, clusters=clusters, resampling=PLAIN)
    lower, upper = slow_interval(first - second, clusters, np.mean, 2000)
    np.testing.assert_allclose(ends(found), [lower, upper], atol=0.15 * (upper - lower))
    assert not found.holds(0)
    alone = mean_of(first, clusters=clusters)
    assert alone.upper - alone.lower > 5 * (found.upper - found.lower)
    assert paired_difference(a, a, ratio, clusters=clusters, resampling=PLAIN).upper == 0
    with pytest.raises(AssayError, match="same items"):
        paired_difference(a, b[:-1], ratio, resampling=PLAIN)


def test_crossed_items_agree_with_the_slow_loop_and_are_wider_than_items():
    rng = np.random.default_rng(0)
    rows, columns = (grid.ravel() for grid in np.meshgrid(np.arange(20), np.arange(15), indexing="ij"))
    values = rng.normal(size=20)[rows] + rng.normal(size=15)[columns] + 0.1 * rng.normal(size=300)
    table = values.reshape(20, 15)
    drawn = [table[rng.integers(0, 20, 20)][:, rng.integers(0, 15, 15)].mean() for _ in range(4000)]
    lower, upper = expanded_quantiles(drawn, 15)
    found = bootstrap_crossed(
        lambda w: (w @ values) / w.sum(axis=1), rows=rows, columns=columns, resampling=Resampling(3, 4000)
    )
    np.testing.assert_allclose(ends(found), [lower, upper], atol=0.08 * (upper - lower))
    assert (found.value, found.n) == (pytest.approx(values.mean()), 300)
    for labels in (rows, columns, None):
        narrower = mean_of(values, clusters=labels)
        assert narrower.upper - narrower.lower < found.upper - found.lower
    with pytest.raises(AssayError, match="two rows, two columns"):
        bootstrap_crossed(lambda w: w.sum(axis=1), rows=[0, 1], columns=[0, 0], resampling=PLAIN)


def test_the_seed_decides():
    values = np.random.default_rng(0).normal(size=50)
    assert mean_of(values, Resampling(1)) == mean_of(values, Resampling(1))
    assert mean_of(values, Resampling(1)) != mean_of(values, Resampling(2))


@pytest.mark.parametrize(
    ("value", "clusters", "members"), [(0.9949173481609178, 5, 15), (0.3950917083579676, 6, 7)]
)
def test_equal_items_have_an_interval_of_no_width(value, clusters, members):
    """Sums that differ in the last bit made percentiles whose lower one was the higher."""
    labels = np.repeat(np.arange(clusters), members)
    found = mean_of(np.full(len(labels), value), Resampling(seed=0, resamples=200), clusters=labels)
    assert found.lower <= found.upper
    np.testing.assert_allclose([found.value, *ends(found)], value, rtol=1e-14)


def test_what_cannot_be_resampled_is_said():
    with pytest.raises(AssayError, match="at least two clusters"):
        mean_of(np.arange(5.0), clusters=np.zeros(5))
    with pytest.raises(AssayError, match="at least two clusters"):
        mean_of(np.arange(5.0), strata=np.array([0, 0, 0, 0, 1]))
    with pytest.raises(AssayError, match="cluster label"):
        mean_of(np.arange(5.0), clusters=np.zeros(4))
    rare = np.stack(
        [np.r_[1.0, np.zeros(4)], np.r_[1.0, np.zeros(4)]], axis=1
    )  # 0/0 wherever item 0 is not drawn
    with pytest.raises(AssayError, match="undefined"):
        bootstrap_totals(rare, ratio, resampling=PLAIN)


def test_strata_keep_their_sizes_in_every_resample():
    strata = np.repeat(["x", "y", "z"], [5, 30, 8])
    columns = np.stack([strata == name for name in ("x", "y", "z")], axis=1).astype(float)
    few = Resampling(0, 200)
    for column in range(3):
        found = bootstrap_totals(columns, lambda t, c=column: t[..., c], resampling=few, strata=strata)
        assert found.lower == found.value == found.upper == columns[:, column].sum()
    free = bootstrap_totals(columns, lambda t: t[..., 0], resampling=few)
    assert free.lower < free.upper
    with pytest.raises(AssayError, match="lie in several strata"):
        bootstrap_totals(
            columns, lambda t: t[..., 0], resampling=few, clusters=np.arange(43) // 2, strata=strata
        )


@pytest.mark.parametrize("resamples", [999, 100_000])  # few are drawn once and kept, many are drawn anew
def test_in_strata_it_is_scipys_bootstrap_of_several_samples(resamples):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=12), rng.normal(2, 3, size=30)
    values, strata = np.concatenate([first, second]), np.repeat([0, 1], [12, 30])
    found = [mean_of(values, Resampling(5, resamples), strata=strata) for _ in range(2)]
    expected = stats.bootstrap(
        (first, second),
        lambda a, b, axis: np.concatenate([a, b], axis=axis).mean(axis=axis),
        n_resamples=resamples,
        batch=200_000 // 42,
        method="percentile",
        confidence_level=expanded_level(42, strata=2),
        rng=np.random.default_rng(5),
        vectorized=True,
    ).confidence_interval
    for estimate in found:
        np.testing.assert_allclose(ends(estimate), [expected.low, expected.high])


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
