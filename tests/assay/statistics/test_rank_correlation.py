import numpy as np
import pytest
from scipy import stats
from support.expanded_percentiles import expanded_quantiles

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.statistics.rank_correlation import spearman, weighted_spearman

RESAMPLING = Resampling(seed=0, resamples=1000)


def test_weights_are_repeats():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    y[5:9] = y[5]
    weights = rng.integers(0, 4, (3, 40)).astype(float)
    expected = [
        stats.spearmanr(np.repeat(x, row), np.repeat(y, row)).statistic for row in weights.astype(int)
    ]
    np.testing.assert_allclose(weighted_spearman(x, y)(weights), expected, rtol=1e-12)


def test_value_and_interval():
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    y = np.exp(x + rng.normal(size=300))
    found = spearman(x, y, RESAMPLING)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    drawn = [
        stats.spearmanr(x[rows], y[rows]).statistic for rows in rng.integers(0, 300, (1000, 300))
    ]  # the slow obvious bootstrap
    assert [found.lower, found.upper] == pytest.approx(expanded_quantiles(drawn, 300), abs=0.015)
    assert spearman(x, -np.exp(x), RESAMPLING).value == -1


def test_what_has_no_order_is_refused():
    with pytest.raises(AssayError, match="all equal"):
        spearman(np.ones(5), np.arange(5), RESAMPLING)
    with pytest.raises(AssayError, match="one score for each"):
        spearman(np.arange(4), np.arange(5), RESAMPLING)
