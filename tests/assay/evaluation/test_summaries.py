"""Summaries against formulas by hand and simulation."""

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from assay.errors import AssayError
from assay.evaluation.answers import Answer
from assay.evaluation.items import Item
from assay.evaluation.summaries import (
    Scores,
    difference,
    difference_of_draws,
    summarise,
    summarise_draws,
    tabulate,
)
from assay.prompts.records import PromptRecord
from assay.statistics.estimates import Estimate


def answers(margins: list[float], clusters: list[str] | None = None) -> list[Answer]:
    """Answers with candidates (right, wrong) and the given margins."""
    names = clusters or [""] * len(margins)
    return [
        Answer(
            Item(
                PromptRecord(id=str(i), text="t"),
                ("a", "b"),
                0,
                category="even" if i % 2 == 0 else "odd",
                cluster=name,
            ),
            (margin, 0.0),
        )
        for i, (margin, name) in enumerate(zip(margins, names, strict=True))
    ]


def wilson_by_hand(k: int, n: int) -> tuple[float, float]:
    z = 1.959964
    centre, spread = k + z * z / 2, z * math.sqrt(k * (n - k) / n + z * z / 4)
    return (centre - spread) / (n + z * z), (centre + spread) / (n + z * z)


def students(values: ArrayLike) -> tuple[float, float]:
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(interval.low), float(interval.high)


def ends(estimate: Estimate) -> tuple[float, float]:
    return estimate.lower, estimate.upper


def scores(*runs: list[float], clusters: list[str] | None = None) -> Scores:
    return tabulate([answers(run, clusters) for run in runs])


def test_independent_items_have_a_wilson_interval() -> None:
    got = summarise(scores([1.0] * 7 + [-1.0] * 3), "accuracy")
    low, high = wilson_by_hand(7, 10)
    assert (got.estimate.value, got.estimate.n) == (0.7, 10)
    assert (got.estimate.lower, got.estimate.upper) == pytest.approx((low, high))
    assert (got.sd, got.n_runs) == (None, 1)


def test_items_that_share_a_stem_count_as_one() -> None:
    """40 copies of each of 6 answers are worth 6 answers: the interval does not shrink as copies are added."""
    few = scores([1, 1, 1, 1, -1, -1.0], clusters=list("abcdef"))
    many = scores([1, 1, 1, 1, -1, -1.0] * 40, clusters=list("abcdef") * 40)
    alone = summarise(few, "margin").estimate
    for statistic in ("accuracy", "margin"):
        copied = summarise(many, statistic).estimate
        assert copied.n == 240
        assert copied.upper - copied.lower > 0.6
    assert summarise(many, "margin").estimate.lower == pytest.approx(alone.lower)
    iid = summarise(scores([1, 1, 1, 1, -1, -1.0] * 40), "accuracy").estimate
    assert iid.upper - iid.lower < 0.15


def test_all_right_has_an_interval_of_as_many_items_as_clusters() -> None:
    got = summarise(scores([1.0] * 20, clusters=["a", "b", "c", "d"] * 5), "accuracy").estimate
    low, _ = wilson_by_hand(4, 4)
    assert (got.value, got.upper, got.n) == (1.0, 1.0, 20)
    assert got.lower == pytest.approx(low)


def test_runs_are_averaged_by_item_and_their_spread_is_beside() -> None:
    runs = [[1.0, 1, -1, -1], [1, 1, 1, -1], [1, 1, 1, 1]]
    got = summarise(scores(*runs), "accuracy")
    assert got.estimate.value == pytest.approx(9 / 12)
    assert got.estimate.n == 4
    assert got.sd == pytest.approx(np.std([0.5, 0.75, 1.0], ddof=1))
    assert got.n_runs == 3
    items = np.mean(runs, axis=0)
    margin = summarise(scores(*runs), "margin").estimate
    assert margin.value == pytest.approx(items.mean())
    assert ends(margin) == pytest.approx(students(items))


def test_differences_are_paired_by_item() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(scale=10, size=60)  # items differ far more than training moves them
    trained = base + 1 + 0.1 * rng.normal(size=60)
    moved = difference(scores(trained.tolist()), scores(base.tolist()), "margin")
    assert moved.value == pytest.approx((trained - base).mean())
    assert ends(moved) == pytest.approx(students(trained - base))
    assert 0.95 < moved.lower < moved.upper < 1.05
    assert summarise(scores(trained.tolist()), "margin").estimate.lower < 0


def test_a_difference_of_accuracies_is_newcombes() -> None:
    """20 items: right under both 8 times, under the first alone 6 times, under the second alone once."""
    trained, base = [1.0] * 14 + [-1.0] * 6, [1.0] * 8 + [-1.0] * 6 + [1.0] + [-1.0] * 5
    moved = difference(scores(trained), scores(base), "accuracy")
    (a, al, ah), (b, bl, bh) = ((k / 20, *wilson_by_hand(k, 20)) for k in (14, 9))
    phi = np.corrcoef(np.array(trained), np.array(base))[0, 1]
    below = math.sqrt((a - al) ** 2 - 2 * phi * (a - al) * (bh - b) + (bh - b) ** 2)
    above = math.sqrt((ah - a) ** 2 - 2 * phi * (ah - a) * (b - bl) + (b - bl) ** 2)
    assert moved.value == pytest.approx(a - b)
    assert ends(moved) == pytest.approx((a - b - below, a - b + above), abs=1e-6)


DRAWS = [[2.0, 1, 1, -1], [1, -2, 1, -1], [3, 1, -1, -1], [1, 1, 2, 1], [-1, 1, 1, -2]]


def test_the_interval_of_random_controls_is_over_draws() -> None:
    got = summarise_draws(scores(*DRAWS), "margin")
    means = np.mean(DRAWS, axis=1)
    assert got.estimate.value == pytest.approx(means.mean())
    assert ends(got.estimate) == pytest.approx(students(means))
    assert (got.estimate.n, got.n_runs) == (4, 5)
    assert got.sd == pytest.approx(means.std(ddof=1))


def test_more_items_do_not_narrow_the_interval_of_random_controls() -> None:
    few, many = (summarise_draws(scores(*[run * copies for run in DRAWS]), "accuracy") for copies in (1, 50))
    assert ends(many.estimate) == pytest.approx(ends(few.estimate))
    assert many.estimate.n == 200
    many_items = summarise(scores(*[run * 50 for run in DRAWS]), "accuracy").estimate
    assert many_items.upper - many_items.lower < 0.3 * (many.estimate.upper - many.estimate.lower)


def test_what_random_controls_differ_by_is_over_draws() -> None:
    base = [0.5, 2, -1, -1]
    moved = difference_of_draws(scores(*DRAWS), scores(base), "margin").estimate
    values = np.mean(DRAWS, axis=1) - np.mean(base)
    assert moved.value == pytest.approx(values.mean())
    assert ends(moved) == pytest.approx(students(values))


def test_rates_of_random_controls_stay_within_their_scale() -> None:
    right, wrong = [1.0] * 4, [-1.0] * 4
    table = scores(right, right, [-1.0, 1, 1, 1])
    assert ends(summarise_draws(table, "accuracy").estimate)[1] == 1
    assert summarise_draws(table, "p_right").estimate.lower >= 0
    assert ends(difference_of_draws(table, scores(wrong), "accuracy").estimate)[1] == 1
    assert ends(summarise_draws(scores(right, right), "accuracy").estimate) == (1, 1)


def test_one_random_control_is_refused() -> None:
    for summed in (
        lambda: summarise_draws(scores(DRAWS[0]), "accuracy"),
        lambda: difference_of_draws(scores(DRAWS[0]), scores(DRAWS[1]), "margin"),
    ):
        with pytest.raises(AssayError, match="needs two of them; give --random 20, or 0 for none"):
            summed()


def test_categories_and_chance() -> None:
    table = scores([1, -1, 1, -1.0, 1, 1])
    assert summarise(table.of("even"), "accuracy").estimate.value == 1.0
    assert summarise(table.of("odd"), "accuracy").estimate.value == pytest.approx(1 / 3)
    assert table.chance.tolist() == [0.5] * 6


def test_runs_of_other_items_are_refused() -> None:
    with pytest.raises(AssayError, match="the same items"):
        tabulate([answers([1.0, 2.0]), answers([1.0, 2.0])[::-1]])
    with pytest.raises(AssayError, match="the same items"):
        difference(scores([1.0, 2.0]), scores([1.0, 2.0, 3.0]), "margin")
