import numpy as np
import pytest
from scipy import stats

from assay.errors import AssayError
from assay.statistics.estimates import Estimate, mean_of_replicates, range_of_replicates, wilson


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
