import numpy as np
import pytest
from support.expanded_percentiles import expanded_quantiles

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.statistics.choices import Pairs, accuracy, correct_choices

RESAMPLING = Resampling(seed=0, resamples=400)


def pairs(*rows) -> Pairs:
    first, second, wins, losses = np.array(rows).T
    return Pairs(first, second, wins.astype(float), losses.astype(float))


def random_pairs(n_items: int, count: int, repeats: int) -> Pairs:
    rng = np.random.default_rng(0)
    first = rng.integers(0, n_items, count)
    second = (first + rng.integers(1, n_items, count)) % n_items
    wins = (rng.random(count) < 0.7).astype(float) * repeats
    return Pairs(first, second, wins, repeats - wins)


def test_accuracy_counts_choices_and_ties_count_half():
    some = pairs((0, 1, 4, 1), (1, 2, 2, 3), (2, 3, 1, 0))
    assert correct_choices([3.0, 1.0, 2.0, 2.0], some).tolist() == [4, 3, 0.5]
    many = random_pairs(12, 60, 5)
    scores = np.arange(12.0) // 2
    right = sum(
        wins if scores[i] > scores[j] else losses if scores[i] < scores[j] else (wins + losses) / 2
        for i, j, wins, losses in zip(many.first, many.second, many.first_wins, many.second_wins, strict=True)
    )
    estimate = accuracy(scores, many, RESAMPLING)
    assert (estimate.value, estimate.n) == (pytest.approx(right / 300), 300)


def test_resamples_weigh_a_pair_by_both_of_its_items():
    """Against a plain loop that draws items and counts every pair as often as both of its items came up."""
    some = random_pairs(12, 60, 1)
    scores = np.random.default_rng(1).normal(size=12)
    right, rng, means = correct_choices(scores, some), np.random.default_rng(2), []
    for _ in range(4000):
        drawn = np.bincount(rng.integers(0, 12, 12), minlength=12)
        weights = [drawn[i] * drawn[j] for i, j in zip(some.first, some.second, strict=True)]
        means.append(np.average(right, weights=weights))
    estimate = accuracy(scores, some, Resampling(seed=0, resamples=4000))
    assert [estimate.lower, estimate.upper] == pytest.approx(expanded_quantiles(means, 12), abs=0.02)


def test_asking_five_times_does_not_narrow_the_interval():
    scores = np.arange(40.0)
    once, often = (accuracy(scores, random_pairs(40, 200, repeats), RESAMPLING) for repeats in (1, 5))
    assert (often.lower, often.upper) == (once.lower, once.upper)
    assert often.n == 5 * once.n


def test_pairs_within_some_items_are_renumbered():
    some = pairs((0, 1, 4, 1), (3, 1, 2, 3), (2, 3, 1, 0))
    inside = some.within(np.array([3, 1]), 4)
    assert (inside.first.tolist(), inside.second.tolist(), inside.n_choices) == ([0], [1], 5)


def test_what_is_no_pair_is_refused():
    with pytest.raises(AssayError, match="two different items"):
        pairs((1, 1, 2, 0))
    with pytest.raises(AssayError, match="not negative"):
        pairs((0, 1, -2, 0))
    with pytest.raises(AssayError, match="differ in shape"):
        Pairs(np.array([0]), np.array([1, 2]), np.ones(1), np.ones(1))
    with pytest.raises(AssayError, match="no choice between"):
        accuracy([1.0, 2.0], pairs((0, 1, 0, 0)), RESAMPLING)
