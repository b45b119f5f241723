import numpy as np
import pytest
from scipy.special import ndtr
from support.preferences.published import THURSTONE, needs_published
from support.preferences.thurstonian_world import World, make_world, random_pairs

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.goodness import goodness_of_fit
from assay.studies.preferences.utilities.measurements import read_comparisons
from assay.studies.preferences.utilities.thurstone import Utilities, fit_thurstone

QUICK = Resampling(0, 200)


def utilities(mu, sigma):
    """Utilities that were never fitted."""
    mu, sigma = np.array(mu, float), np.array(sigma, float)
    return Utilities(tuple(f"task {i}" for i in range(len(mu))), mu, sigma, 0 * mu, 0, 0, 0, 0, 0, 0, True)


def judge(comparisons, fitted, refusals="drop", resampling=QUICK):
    return goodness_of_fit(comparisons, fitted, refusals=refusals, resampling=resampling)


def test_every_number_by_hand():
    fitted = utilities([0, 1, 1], [1, 1, 1])
    #                    0 before 1, 1 before 0, 1 before 2, 2 before 0 (refused only)
    comparisons = Comparisons(
        [0, 1, 1, 2], [1, 0, 2, 0], [1, 3, 2, 0], [4, 0, 3, 0], [1, 0, 0, 2], ids=fitted.ids
    )
    found = judge(comparisons, fitted)
    p = ndtr(1 / np.sqrt(2))
    assert found.accuracy.value == pytest.approx((4 + 3 + 2.5) / 13)
    assert found.accuracy.n == 13
    assert found.agreement.value == pytest.approx((7 / 8 + 3 / 5) / 2)
    assert found.first_share.value == pytest.approx(6 / 13)
    model = np.log(1 - p) + 7 * np.log(p) + 5 * np.log(0.5)
    assert found.likelihood_gain.value == pytest.approx(model / 13 + np.log(2))
    free = 7 * np.log(7 / 8) + np.log(1 / 8) + 2 * np.log(0.4) + 3 * np.log(0.6)
    assert found.deviance == pytest.approx(2 * (free - model))
    assert found.calibration.choices.tolist() == [0, 0, 5, 0, 0, 5, 0, 3, 0, 0]
    np.testing.assert_allclose(found.calibration.expected[[2, 5, 7]], [5 * (1 - p), 2.5, 3 * p])
    assert found.calibration.observed.tolist() == [0, 0, 1, 0, 0, 2, 0, 3, 0, 0]
    parts = [(1 - 5 * (1 - p)) ** 2 / (5 * p * (1 - p)), 0.25 / 1.25, (3 - 3 * p) ** 2 / (3 * p * (1 - p))]
    assert found.calibration.chi_square == pytest.approx(sum(parts))
    as_b = judge(comparisons, fitted, "as-b")
    assert as_b.accuracy.n == 16
    assert as_b.agreement.value == pytest.approx((8 / 9 + 3 / 5 + 1) / 3)


def test_the_right_utilities_are_calibrated_and_overconfident_ones_are_not():
    world = make_world(80, spread=1.0)
    comparisons = world.comparisons(random_pairs(80, 2500), 4, np.random.default_rng(0))
    right = judge(comparisons, utilities(world.mu, world.sigma)).calibration
    bold = judge(comparisons, utilities(world.mu, world.sigma / 2)).calibration
    assert right.p_value > 0.01
    assert right.error < 0.015
    assert bold.p_value < 1e-6
    assert bold.error > 3 * right.error
    assert right.expected.sum() == pytest.approx(right.observed.sum(), rel=0.02)


def test_intervals_resample_pairs():
    world = World(np.linspace(-1, 1, 30), np.ones(30))
    once = world.comparisons(random_pairs(30, 200), 4, np.random.default_rng(0))
    fitted = utilities(world.mu, world.sigma)
    copied = Comparisons(
        once.first, once.second, once.first_wins * 9, once.second_wins * 9, once.refusals, ids=once.ids
    )
    a, b = judge(once, fitted).accuracy, judge(copied, fitted).accuracy
    assert (a.lower, a.upper) == pytest.approx((b.lower, b.upper))
    assert b.n == 9 * a.n


def test_what_cannot_be_judged_is_said():
    fitted = utilities([0, 1, 1], [1, 1, 1])
    with pytest.raises(AssayError, match="different tasks"):
        judge(Comparisons([0], [1], [1], [1], [0], ids=("x", "y")), fitted)
    with pytest.raises(AssayError, match="fewer than two presented pairs"):
        judge(Comparisons([0, 1], [1, 2], [1, 0], [1, 0], [0, 9], ids=fitted.ids), fitted)
    once = judge(Comparisons([0, 1], [1, 2], [1, 1], [0, 0], [0, 9], ids=fitted.ids), fitted)
    assert once.agreement is None
    assert once.accuracy.n == 2


@needs_published
def test_the_published_pair_agreement():
    comparisons = read_comparisons(THURSTONE / "measurements.yaml")
    fitted = fit_thurstone(comparisons, refusals="as-b", tolerance="reference", errors=False)
    found = judge(comparisons, fitted, "as-b")
    assert found.agreement.value == pytest.approx(0.9538396285382623, rel=1e-12)
    assert found.accuracy.value == pytest.approx(0.8598, abs=1e-3)
