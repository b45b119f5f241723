"""Reliability against what it stands for: the squared correlation of measured utilities with those that made the choices."""

import numpy as np
import pytest
from scipy.special import expit
from support.preferences.thurstonian_world import make_world, random_pairs

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.reliability import (
    Fitting,
    Halves,
    over_tasks,
    parallel,
    spearman_brown,
    split_half,
    split_orders,
    split_pairs,
)
from assay.studies.preferences.utilities.thurstone import fit_thurstone

FITTING, RESAMPLING = Fitting(smoothing=0.5), Resampling(0, 400)


def asked(mu, pairs, samples, rng, *, position, pair_sd, both=True):
    """Choices with log-odds position + μ_first − μ_second + the pair's own part, which the other order turns round."""
    first, second = pairs.T
    own = rng.normal(0, pair_sd, len(pairs))
    difference = mu[first] - mu[second] + own
    rows = [(first, second, difference)] + ([(second, first, -difference)] if both else [])
    shown = [np.concatenate(part) for part in zip(*rows, strict=True)]
    wins = rng.binomial(samples, expit(position + shown[2]))
    ids = tuple(map(str, range(len(mu))))
    return Comparisons(shown[0], shown[1], wins, samples - wins, np.zeros_like(wins), ids=ids)


def test_reliability_is_the_squared_correlation_with_the_truth():
    """Over eight worlds, so that chance averages out: within .05."""
    found, true = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        mu = rng.normal(0, 0.4, 60)
        comparisons = asked(mu, random_pairs(60, 180, seed), 40, rng, position=1.0, pair_sd=0.5)
        halves = split_pairs(comparisons, FITTING, splits=8, seed=0)
        found.append(float(spearman_brown(halves.correlation(np.ones((1, 60))))[0]))
        fitted = fit_thurstone(comparisons, smoothing=0.5, errors=False).mu
        true.append(np.corrcoef(fitted, mu)[0, 1] ** 2)
    assert 0.3 < np.mean(true) < 0.95
    assert np.mean(found) == pytest.approx(np.mean(true), abs=0.05)


def test_choices_by_position_alone_have_no_reliability_and_orders_disagree():
    rng = np.random.default_rng(1)
    pairs = random_pairs(60, 180)
    comparisons = asked(np.zeros(60), pairs, 40, rng, position=2.0, pair_sd=0.0)
    found = split_half(split_pairs(comparisons, FITTING, splits=10, seed=0), RESAMPLING)
    assert found["reliability"].lower < 0.2
    assert abs(found["split_half_r"].value) < 0.2
    orders = split_orders(comparisons, FITTING, splits=10, seed=0)
    assert orders is not None
    assert (
        over_tasks(orders.ids, orders.correlation, RESAMPLING).value < -0.5
    )  # each order's error is the other's, turned round
    one = asked(np.zeros(60), pairs, 40, rng, position=2.0, pair_sd=0.0, both=False)
    assert split_orders(one, FITTING, splits=2, seed=0) is None


def test_two_wordings_that_share_part_of_the_truth():
    """Utilities of two wordings correlate at .6 in truth; measured less, corrected about that."""
    rng = np.random.default_rng(2)
    mu = rng.multivariate_normal([0, 0], [[0.25, 0.15], [0.15, 0.25]], 150).T
    measured = [
        asked(own, random_pairs(150, 600, seed), 30, rng, position=1.0, pair_sd=0.5)
        for seed, own in enumerate(mu)
    ]
    halves = tuple(split_pairs(one, FITTING, splits=6, seed=0) for one in measured)
    found = parallel(measured[0], measured[1], (halves[0], halves[1]), FITTING, RESAMPLING)
    assert found["r"].value < found["corrected_r"].value
    assert found["corrected_r"].holds(np.corrcoef(mu)[0, 1])


def test_within_topics_what_topics_share_is_gone():
    """Utilities that are their topic's alone: reliable as they are, not at all within topics."""
    topics = {str(task): "ab"[task % 2] for task in range(40)}
    rng = np.random.default_rng(3)
    mu = np.array([1.0, -1.0])[np.arange(40) % 2] + rng.normal(0, 0.1, (6, 2, 40))
    halves = Halves(tuple(topics), mu)
    assert split_half(halves, RESAMPLING)["reliability"].value > 0.95
    assert abs(split_half(halves.within(topics), RESAMPLING)["split_half_r"].value) < 0.3


def test_too_few_tasks_are_refused():
    world = make_world(5)
    few = world.comparisons(random_pairs(5, 8), 3, np.random.default_rng(0))
    with pytest.raises(AssayError, match="reliability needs 10"):
        split_pairs(few, FITTING, splits=2, seed=0)
