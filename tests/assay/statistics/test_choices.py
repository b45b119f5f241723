import numpy as np
import pytest
from support.expanded_percentiles import expanded_quantiles

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.statistics.choices import NO_CHOICES, Choices, accuracy, correct_choices, join

RESAMPLING = Resampling(seed=0, resamples=400)


def pairs(*rows) -> Choices:
    first, second, wins, losses = np.array(rows).T
    return Choices(first, second, wins, losses, 0 * wins)


def random_pairs(n_items: int, count: int, repeats: int) -> Choices:
    rng = np.random.default_rng(0)
    first = rng.integers(0, n_items, count)
    second = (first + rng.integers(1, n_items, count)) % n_items
    wins = (rng.random(count) < 0.7) * repeats
    return Choices(first, second, wins, repeats - wins, 0 * wins)


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


def test_both_orders_of_a_pair_become_one_row():
    asked = Choices([2, 0, 1, 0, 3], [0, 2, 0, 3, 1], [4, 1, 0, 0, 2], [1, 3, 0, 0, 0], [0, 2, 5, 1, 0])
    expected = [[0, 1], [2, 3], [2, 0], [7, 2], [0, 0]]  # of (0, 1) and (0, 3) nothing was chosen
    assert [column.tolist() for column in asked.by_pair().columns] == expected
    assert len(NO_CHOICES.by_pair()) == 0


def test_rows_are_joined_in_order():
    parts = [pairs((0, 1, 4, 1)), pairs((1, 0, 2, 0), (2, 3, 1, 0))]
    assert join(parts).first.tolist() == [0, 1, 2]
    assert len(join([])) == 0


def test_a_refusal_is_no_win_unless_asked_for():
    choices = Choices([0, 1], [1, 2], [3, 0], [1, 2], [1, 4])
    assert [w.tolist() for w in choices.wins("drop")] == [[3, 0], [1, 2]]
    assert [w.tolist() for w in choices.wins("as-b")] == [[3, 0], [2, 6]]
    assert (choices.answers.tolist(), choices.made.tolist(), choices.n_choices) == ([5, 6], [4, 2], 6)
    with pytest.raises(AssayError, match="'drop' or 'as-b'"):
        choices.wins("as-a")


def test_what_is_no_pair_is_refused():
    with pytest.raises(AssayError, match="item 1 is compared with itself"):
        pairs((1, 1, 2, 0))
    with pytest.raises(AssayError, match="negative"):
        pairs((0, 1, -2, 0))
    with pytest.raises(AssayError, match="one length"):
        Choices([0], [1, 2], [1], [1], [0])
    with pytest.raises(AssayError, match="'first_wins' must hold integers"):
        Choices([0], [1], [0.5], [1], [0])
    with pytest.raises(AssayError, match="no choice between"):
        accuracy([1.0, 2.0], pairs((0, 1, 0, 0)), RESAMPLING)
