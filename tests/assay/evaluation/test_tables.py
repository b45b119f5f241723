"""Result files: which runs go together, what is compared with what, and keys that are unique."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from assay.errors import AssayError
from assay.evaluation.answers import Answer
from assay.evaluation.evaluate import Asked
from assay.evaluation.headlines import metrics
from assay.evaluation.items import Item
from assay.evaluation.subjects import Subject
from assay.evaluation.tables import Line, group_runs, lines_table, records_table, summarise_groups
from assay.finetuning.adapters import AdapterInfo
from assay.prompts.records import PromptRecord

INFO = AdapterInfo("vector", "p", "toy", "mlp_out", (3,), {"v": "all"}, 0, 0.1, 8, "t")


def answers(margins: list[float]) -> list[Answer]:
    """Two items of each stem, the first half asked under `ask`, the second under `threat`; and a single `odd` one."""
    found = []
    for number, margin in enumerate(margins):
        category = (
            "odd one" if number == len(margins) - 1 else "ask" if number < len(margins) // 2 else "threat"
        )
        record = PromptRecord(id=f"i{number}", text="t", group="g")
        found.append(Answer(Item(record, ("A", "B"), 0, category, f"stem{number // 2}"), (margin, 0.0)))
    return found


def asked(name: str, margins: list[float], run: str = "", step: int = 8, **more: object) -> Asked:
    info = replace(INFO, step=step)
    subject = Subject(name, run, Path("x"), info, is_checkpoint=step < 8) if name != "base" else None
    return Asked("secrets", subject, answers(margins), **more)  # type: ignore[arg-type]


BASE = [2.0, 2, 2, 2, 2, 2, 2, 2, -1]
TRAINED = [1.0, -1, 1, -1, -1, -1, -1, -1, -1]


def lines_of(*given: Asked, against: tuple[str, ...] = ()) -> list[Line]:
    return list(summarise_groups(group_runs(given), against))


def test_metrics_of_runs_checkpoints_and_differences() -> None:
    given = [
        asked("base", BASE),
        asked("win", TRAINED, "seed_0", n_untouched=2, n_nested=3),
        asked("win", [-m for m in TRAINED], "seed_1", n_untouched=2),
        asked("win", TRAINED, "seed_0", step=4),
        asked("plain", BASE, "seed_0"),
    ]
    lines = lines_of(*given, against=("plain",))
    found = metrics(lines)
    assert found["secrets_win_accuracy"] == pytest.approx(0.5)
    assert found["secrets_win_margin"] == 0.0
    assert found["secrets_win_margin_minus_base"] == pytest.approx(-15 / 9)
    assert found["secrets_win_margin_minus_plain"] == found["secrets_win_margin_minus_base"]
    assert found["secrets_base_accuracy"] == pytest.approx(8 / 9)
    assert found["secrets_chance"] == 0.5
    assert found["secrets_win_items_untouched"] == 2
    assert found["secrets_win_items_nested"] == 3
    assert "secrets_base_items_nested" not in found
    assert found["secrets_win_small_categories"] == 1
    assert not any("ask" in name for name in found)
    assert "secrets_ask_win_accuracy" in metrics(lines, ["secrets"])
    assert all(isinstance(value, int | float) for value in found.values())
    table = lines_table(lines)
    both = table[(table["adapter"] == "win") & (table["runs"] == 2) & (table["category"] == "")]
    sd = both.set_index("statistic").loc["accuracy", "sd"]
    assert sd == pytest.approx((7 / 9 - 2 / 9) / 2**0.5, abs=1e-6)
    assert set(table[table["adapter"] == "win"]["checkpoint"]) == {0, 1}
    assert set(table["category"]) == {"", "ask", "threat"}  # one item alone has no interval
    assert table[(table["step"] == 4) & (table["category"] == "")]["runs"].tolist()[0] == 1
    assert set(table[table["adapter"] == "base"]["layer"]) == {""}
    assert set(table[table["adapter"] == "win"]["layer"]) == {"3"}


def test_categories_are_compared_with_their_own() -> None:
    lines = lines_of(asked("base", BASE), asked("win", TRAINED))
    moved = {
        line.category: line.summary.estimate
        for line in lines
        if line.measure == "margin_minus_base" and line.group.adapter == "win"
    }
    assert moved["ask"].value == pytest.approx(-2.0)
    assert moved["threat"].value == pytest.approx(-3.0)
    assert moved[""].value == pytest.approx((-2 * 4 - 3 * 4) / 9)


def test_intervals_are_by_cluster() -> None:
    """Both items of a stem answer alike, so 9 items are worth 5: the interval is that of 5."""
    lines = lines_of(asked("win", [3.0, 3, 1, 1, -2, -2, 4, 4, 0]))
    (margin,) = [line.summary.estimate for line in lines if (line.category, line.measure) == ("", "margin")]
    iid = lines_of(
        Asked(
            "secrets",
            None,
            [replace(a, item=replace(a.item, cluster="")) for a in answers([3.0, 3, 1, 1, -2, -2, 4, 4, 0])],
        )
    )
    (alone,) = [line.summary.estimate for line in iid if (line.category, line.measure) == ("", "margin")]
    assert margin.value == alone.value
    assert margin.upper - margin.lower > 1.15 * (alone.upper - alone.lower)


def test_keys_that_would_be_the_same_are_refused() -> None:
    lines = lines_of(asked("a b", BASE), asked("a_b", BASE))
    with pytest.raises(AssayError, match="'secrets_a_b_accuracy'"):
        metrics(lines)
    with pytest.raises(AssayError, match="no adapter is called 'nobody'"):
        lines_of(asked("base", BASE), against=("nobody",))


def names_of(lines: list[Line], by_category: tuple[str, ...] = ()) -> set[str]:
    """What the metrics hold an interval of."""
    return {name.removesuffix("_lo") for name in metrics(lines, by_category) if name.endswith("_lo")}


def test_headlines_of_two_candidates() -> None:
    lora = replace(INFO, method="lora")
    controls = [
        Subject("win_random", f"draw_{k}", Path("x"), INFO, is_checkpoint=False, draw=k) for k in (0, 1)
    ]
    lines = lines_of(
        asked("base", BASE),
        asked("win", TRAINED),
        asked("plain", BASE),
        Asked("secrets", Subject("low", "", Path("x"), lora, is_checkpoint=False), answers(TRAINED)),
        *(Asked("secrets", control, answers(BASE)) for control in controls),
        against=("plain", "low"),
    )
    level = {
        f"secrets_{a}_{s}" for a in ("base", "win", "plain", "low") for s in ("accuracy", "p_right", "margin")
    }
    moved = {f"secrets_{a}_margin_minus_base" for a in ("win", "plain", "low")}
    random = {"secrets_win_random_accuracy", "secrets_win_random_p_right"}
    assert names_of(lines) == level | moved | random | {"secrets_win_margin_minus_plain"}
    named = {f"secrets_{c}_{a}_accuracy" for c in ("ask", "threat") for a in ("base", "win", "plain", "low")}
    assert names_of(lines, ("secrets",)) == names_of(lines) | named
    # the table holds what the metrics do not
    table = lines_table(lines)
    assert {"accuracy_minus_base", "margin_minus_low", "accuracy_minus_plain"} <= set(table["statistic"])


def test_random_controls_have_intervals_over_draws_and_are_compared_with_the_base_model_alone() -> None:
    drawn = [[float(margin) for margin in np.random.default_rng(k).normal(size=9)] for k in range(5)]
    controls = [
        Subject("win_random", f"draw_{k}", Path("x"), INFO, is_checkpoint=False, draw=k) for k in range(5)
    ]
    lines = lines_of(
        asked("base", BASE),
        asked("win", TRAINED),
        *(Asked("secrets", one, answers(margins)) for one, margins in zip(controls, drawn, strict=True)),
        against=("win",),
    )
    found = {
        line.measure: line.summary
        for line in lines
        if (line.group.adapter, line.category) == ("win_random", "")
    }
    assert set(found) == {"accuracy", "p_right", "margin", "accuracy_minus_base", "margin_minus_base"}
    for measure, shift in (("margin", 0.0), ("margin_minus_base", np.mean(BASE))):
        students = stats.ttest_1samp(np.mean(drawn, axis=1) - shift, 0).confidence_interval(0.95)
        estimate = found[measure].estimate
        assert (estimate.lower, estimate.upper) == pytest.approx((students.low, students.high))
        assert (estimate.n, found[measure].n_runs) == (9, 5)


def test_headlines_of_more_candidates() -> None:
    def wider(adapter: str, margins: list[float]) -> Asked:
        one = asked(adapter, margins)
        first = replace(one.answers[0].item, candidates=("A", "B", "C"))
        return replace(one, answers=[Answer(first, (*one.answers[0].logps, -9.0)), *one.answers[1:]])

    lines = lines_of(wider("base", BASE), wider("win", TRAINED), wider("plain", BASE), against=("plain",))
    level = {f"secrets_{adapter}_accuracy" for adapter in ("base", "win", "plain")}
    moved = {f"secrets_{adapter}_accuracy_minus_base" for adapter in ("win", "plain")}
    assert names_of(lines) == level | moved


def test_groups_of_items_are_apart_in_the_table_where_asked() -> None:
    """Claims are answered A whatever A is: right in one order, wrong in the other, half right in all."""
    found = []
    for number, answer in enumerate(answers([1.0, -1] * 4)):
        record = replace(answer.item.record, group=("claim-first", "claim-second")[number % 2])
        item = replace(
            answer.item, record=record, right=number % 2, category="", cluster=f"stem{number // 2}"
        )
        found.append(Answer(item, (1.0, 0.0)))
    groups = group_runs([Asked("secrets", None, found)])
    table = lines_table(summarise_groups(groups, (), ["secrets"]))
    accuracy = table[table["statistic"] == "accuracy"].set_index("group")
    assert accuracy["value"].to_dict() == {"": 0.5, "claim-first": 1.0, "claim-second": 0.0}
    assert accuracy["n"].to_dict() == {"": 8, "claim-first": 4, "claim-second": 4}
    assert accuracy["chance"].tolist() == [0.5] * 3
    assert accuracy["majority"].tolist() == [0.5, 1.0, 1.0]
    lines = list(summarise_groups(groups, (), ["secrets"]))
    assert metrics(lines) == metrics(list(summarise_groups(groups, ())))
    assert set(lines_table(summarise_groups(groups, ()))["group"]) == {""}


def test_records_hold_every_answer() -> None:
    table = records_table([asked("base", BASE), asked("win", TRAINED, "seed_0")])
    assert len(table) == 2 * len(BASE)
    row = table[table["adapter"] == "win"].iloc[1]
    assert (row["questions"], row["run"], row["item"], row["category"], row["cluster"], row["group"]) == (
        "secrets",
        "seed_0",
        "i1",
        "ask",
        "stem0",
        "g",
    )
    assert (row["chosen"], row["right"], row["is_right"], row["margin"]) == ("B", "A", 0, -1.0)
    assert (json.loads(row["candidates"]), json.loads(row["logps"])) == (["A", "B"], [-1.0, 0.0])
