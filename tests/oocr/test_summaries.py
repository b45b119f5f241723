"""Summaries against formulas by hand and simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest

from assay.bootstrap import Resampling
from assay.errors import AssayError
from assay.oocr.answers import Answer
from assay.oocr.items import Item
from assay.oocr.summaries import Scores, difference, summarise, tabulate
from assay.records import PromptRecord

RESAMPLING = Resampling(seed=0, resamples=800)


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


def scores(*runs: list[float], clusters: list[str] | None = None) -> Scores:
    return tabulate([answers(run, clusters) for run in runs])


def test_independent_items_have_a_wilson_interval() -> None:
    got = summarise(scores([1.0] * 7 + [-1.0] * 3), "accuracy", RESAMPLING)
    low, high = wilson_by_hand(7, 10)
    assert (got.estimate.value, got.estimate.n) == (0.7, 10)
    assert (got.estimate.lower, got.estimate.upper) == pytest.approx((low, high))
    assert (got.sd, got.n_runs) == (None, 1)
    assert (got.sd, got.n_runs) == (None, 1)


def test_items_that_share_a_stem_count_as_one() -> None:
    """40 copies of each of 6 answers are worth 6 answers: the interval does not shrink as copies are added."""
    few = scores([1, 1, 1, 1, -1, -1.0], clusters=list("abcdef"))
    many = scores([1, 1, 1, 1, -1, -1.0] * 40, clusters=list("abcdef") * 40)
    alone = summarise(few, "margin", RESAMPLING).estimate
    for statistic in ("accuracy", "margin"):
        copied = summarise(many, statistic, RESAMPLING).estimate
        assert copied.n == 240
        assert copied.upper - copied.lower > 0.6
    assert summarise(many, "margin", RESAMPLING).estimate.lower == pytest.approx(alone.lower)
    iid = summarise(scores([1, 1, 1, 1, -1, -1.0] * 40), "accuracy", RESAMPLING).estimate
    assert iid.upper - iid.lower < 0.15


def test_all_right_has_an_interval_of_as_many_items_as_clusters() -> None:
    got = summarise(scores([1.0] * 20, clusters=["a", "b", "c", "d"] * 5), "accuracy", RESAMPLING).estimate
    low, _ = wilson_by_hand(4, 4)
    assert (got.value, got.upper, got.n) == (1.0, 1.0, 20)
    assert got.lower == pytest.approx(low)


def test_runs_are_averaged_by_item_and_their_spread_is_beside() -> None:
    runs = [[1.0, 1, -1, -1], [1, 1, 1, -1], [1, 1, 1, 1]]
    got = summarise(scores(*runs), "accuracy", RESAMPLING)
    assert got.estimate.value == pytest.approx(9 / 12)
    assert got.estimate.n == 4
    assert got.sd == pytest.approx(np.std([0.5, 0.75, 1.0], ddof=1))
    assert got.n_runs == 3
    items = np.mean(runs, axis=0)
    margin = summarise(scores(*runs), "margin", replace(RESAMPLING, resamples=4000)).estimate
    assert margin.value == pytest.approx(items.mean())
    draws = items[np.random.default_rng(1).integers(4, size=(4000, 4))].mean(axis=1)
    assert (margin.lower, margin.upper) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.09)


def test_differences_are_paired_by_item() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(scale=10, size=60)  # items differ far more than training moves them
    trained = base + 1 + 0.1 * rng.normal(size=60)
    moved = difference(scores(trained.tolist()), scores(base.tolist()), "margin", RESAMPLING)
    assert moved.value == pytest.approx((trained - base).mean())
    assert 0.95 < moved.lower < moved.upper < 1.05
    assert summarise(scores(trained.tolist()), "margin", RESAMPLING).estimate.lower < 0


def test_categories_and_chance() -> None:
    table = scores([1, -1, 1, -1.0, 1, 1])
    assert summarise(table.of("even"), "accuracy", RESAMPLING).estimate.value == 1.0
    assert summarise(table.of("odd"), "accuracy", RESAMPLING).estimate.value == pytest.approx(1 / 3)
    assert table.chance.tolist() == [0.5] * 6


def test_runs_of_other_items_are_refused() -> None:
    with pytest.raises(AssayError, match="the same items"):
        tabulate([answers([1.0, 2.0]), answers([1.0, 2.0])[::-1]])
    with pytest.raises(AssayError, match="the same items"):
        difference(scores([1.0, 2.0]), scores([1.0, 2.0, 3.0]), "margin", RESAMPLING)
