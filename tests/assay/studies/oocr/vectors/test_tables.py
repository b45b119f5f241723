"""Tables of vectors that were planted, so that every cell is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from assay.directions.similarity import random_band
from assay.interventions.direction import Direction, DirectionInfo
from assay.studies.oocr.vectors.entries import alignment_metrics
from assay.studies.oocr.vectors.tables import (
    Entry,
    cosine_summary,
    cosine_table,
    groups,
    lens_counts,
    naive_by_layer,
    related_table,
)

X, Y, Z = np.eye(3)
INFO = DirectionInfo("p", "resid", "naive", {}, "t")


def entry(
    method: str, name: str, vector: np.ndarray, *, layer: int = 1, source: str = "", kind: str = "city"
) -> Entry:
    return Entry(method, name, source, kind, Direction({layer: vector}, INFO))  # type: ignore[arg-type]


def naive(**vectors: list[np.ndarray]) -> dict[str, Direction]:
    return {name: Direction(dict(enumerate(rows)), INFO) for name, rows in vectors.items()}


def test_groups_compare_what_was_trained() -> None:
    some = [
        entry("naive", "a", X), entry("naive", "a", X, layer=0), entry("naive", "unused", X),
        entry("learned", "a", Y, source="v"), entry("natural", "mean", Z, source="l", layer=0),
        entry("natural", "mean", Z, source="l"),
        entry("natural", "mean", Z, source="risk", kind="", layer=2), entry("natural", "pca", Z, source="risk", kind="", layer=2),
        entry("natural", "mean", Z, source="risk", kind="", layer=3),
    ]  # fmt: skip
    found = [[(e.method, e.name, e.layer) for e in group] for group in groups(some)]
    assert found == [
        [("natural", "mean", 2), ("natural", "pca", 2)],
        [("naive", "a", 1), ("learned", "a", 1), ("natural", "mean", 1)],
    ]


def test_cosines_of_planted_vectors() -> None:
    table = cosine_table(
        [entry("naive", "a", X), entry("learned", "a", -3 * X, source="s"), entry("learned", "b", X + Y)]
    )
    assert len(table) == 6  # each pair once
    matrix = table.pivot(index="first", columns="second", values="cosine")
    names = ["naive · a", "learned · a · s", "learned · b"]
    half = np.sqrt(0.5)
    expected = [[1, -1, half], [np.nan, 1, -half], [np.nan, np.nan, 1]]
    np.testing.assert_allclose(matrix.loc[names, names], expected, atol=1e-6)
    assert table["band"].unique() == pytest.approx(random_band(3), abs=1e-6)
    assert table[table["methods"] == "naive-learned"]["same_name"].tolist() == [True, False]


def test_cosines_are_summed_up_by_methods() -> None:
    rows = [
        entry("naive", "a", X),
        entry("learned", "a", X + Y),
        entry("learned", "b", -X),
        entry("learned", "c", Y),
    ]
    summary = cosine_summary(cosine_table(rows)).set_index(["methods", "same_name"])
    half = np.sqrt(0.5)
    assert summary.loc[("naive-learned", True), "mean"] == pytest.approx(half, abs=1e-6)
    others = summary.loc[("naive-learned", False)]
    assert (others["pairs"], others["mean"], others["mean_size"]) == (2, -0.5, 0.5)
    assert (others["lowest"], others["highest"], others["outside"]) == (
        -1,
        0,
        0.5,
    )  # the band of d = 3 is 0.95
    assert summary.loc[("learned-learned", False), "pairs"] == 3


def test_own_and_others_by_layer() -> None:
    directions = naive(a=[X, Y], b=[Y, Y])
    trained = [
        entry("learned", "a", X, source="s"),
        entry("learned", "b", X, source="s"),
        entry("natural", "mean", X),
    ]
    table = naive_by_layer(directions, trained).set_index(["name", "layer"])
    assert table["own"].to_dict() == {("a", 0): 1, ("a", 1): 0, ("b", 0): 0, ("b", 1): 0}
    assert table["others"].to_dict() == {("a", 0): 0, ("a", 1): 0, ("b", 0): 1, ("b", 1): 0}
    alone = naive_by_layer(directions, trained[:1])
    assert alone["others"].isna().all()


def test_a_lora_of_several_blocks_meets_its_own_layers() -> None:
    directions = naive(a=[X, Y])
    table = naive_by_layer(
        directions, [entry("lora", "a", X, source="s", layer=0), entry("lora", "a", X, source="s")]
    )
    assert table[["blocks", "trained_layer", "layer", "own"]].to_numpy().tolist() == [
        [2, 0, 0, 1],
        [2, 1, 1, 0],
    ]
    assert naive_by_layer(directions, []).columns.tolist() == table.columns.tolist()


def test_alignment_is_a_mean_over_names_with_its_interval() -> None:
    directions = naive(a=[X, X], b=[Y, Y], c=[Z, Z])
    learned = [
        entry("learned", "a", X, source="0"), entry("learned", "a", X, source="1"),
        entry("learned", "b", Y, source="0"), entry("learned", "b", Z, source="1"),
        entry("learned", "c", Z, source="0"), entry("learned", "c", Z, source="1"),
        entry("learned", "risk", X, kind="", source="0"),
    ]  # fmt: skip
    found = alignment_metrics(learned, directions)
    assert found["city_naive_learned_cosine"] == pytest.approx(2.5 / 3)
    students = stats.ttest_1samp([1.0, 0.5, 1.0], 0).confidence_interval(0.95)
    assert found["city_naive_learned_cosine_lo"] == pytest.approx(students.low)
    assert (students.high > 1, found["city_naive_learned_cosine_hi"]) == (True, 1.0)
    assert found["city_across_runs_cosine"] == pytest.approx(2 / 3)
    assert found["city_across_runs_cosine_n"] == 3
    assert not any(name.startswith("tasks") for name in found)


def lens_rows(layer: int, tokens: list[str], source: str = "risk_lora/seed_0") -> list[dict[str, object]]:
    return [
        {
            "vector": f"learned · {source}", "method": "learned", "name": "risk", "source": source, "layer": layer,
            "reading": "gain", "side": "top", "rank": rank, "token_id": ord(token[-1]), "token": token, "value": 0.0,
        }
        for rank, token in enumerate(tokens, 1)
    ]  # fmt: skip


def test_tokens_are_counted_over_layers() -> None:
    counts = lens_counts(
        pd.DataFrame(lens_rows(0, ["a", "b"]) + lens_rows(1, ["b", "c"]) + lens_rows(2, ["b", "c"]))
    )
    assert counts[["token", "layers"]].to_numpy().tolist() == [["b", 3], ["c", 2], ["a", 1]]


def test_shares_of_related_words() -> None:
    lens = pd.DataFrame(
        lens_rows(0, [" Risk", "bold", "x", "y"]) + lens_rows(1, ["x", "y"]) + lens_rows(0, ["x"], "other")
    )
    table = related_table(lens, {"risk_lora": {"risk", "bold"}})
    assert table[["adapter", "layer", "share"]].to_numpy().tolist() == [
        ["risk_lora", 0, 0.5],
        ["risk_lora", 1, 0],
    ]
    assert len(related_table(lens, {})) == 0
