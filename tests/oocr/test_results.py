"""Result files: which runs go together, what is compared with what, and keys that are unique."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assay.adapters import AdapterInfo
from assay.errors import AssayError
from assay.estimates import Resampling
from assay.oocr.answers import Answer
from assay.oocr.evaluation import Asked
from assay.oocr.items import Item
from assay.oocr.results import Line, group_runs, lines_table, metrics, records_table, summarise_groups
from assay.oocr.subjects import Subject
from assay.records import PromptRecord

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
    return list(summarise_groups(group_runs(given), against, Resampling(0, 300)))


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
    assert found["secrets_win_accuracy_sd"] == pytest.approx((7 / 9 - 2 / 9) / 2**0.5)
    assert found["secrets_win_accuracy_runs"] == 2
    assert found["secrets_win_margin"] == 0.0
    assert found["secrets_win_margin_minus_base"] == pytest.approx(-15 / 9)
    assert found["secrets_win_margin_minus_plain"] == found["secrets_win_margin_minus_base"]
    assert found["secrets_plain_accuracy_minus_base"] == 0.0
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
        if line.statistic == "margin_minus_base" and line.group.adapter == "win"
    }
    assert moved["ask"].value == pytest.approx(-2.0)
    assert moved["threat"].value == pytest.approx(-3.0)
    assert moved[""].value == pytest.approx((-2 * 4 - 3 * 4) / 9)


def test_intervals_are_by_cluster() -> None:
    """Both items of a stem answer alike, so 9 items are worth 5: the interval is that of 5."""
    lines = lines_of(asked("win", [3.0, 3, 1, 1, -2, -2, 4, 4, 0]))
    (margin,) = [line.summary.estimate for line in lines if (line.category, line.statistic) == ("", "margin")]
    iid = lines_of(
        Asked(
            "secrets",
            None,
            [replace(a, item=replace(a.item, cluster="")) for a in answers([3.0, 3, 1, 1, -2, -2, 4, 4, 0])],
        )
    )
    (alone,) = [line.summary.estimate for line in iid if (line.category, line.statistic) == ("", "margin")]
    assert margin.value == alone.value
    assert margin.upper - margin.lower > 1.15 * (alone.upper - alone.lower)


def test_keys_that_would_be_the_same_are_refused() -> None:
    lines = lines_of(asked("a b", BASE), asked("a_b", BASE))
    with pytest.raises(AssayError, match="'secrets_a_b_accuracy'"):
        metrics(lines)
    with pytest.raises(AssayError, match="no adapter is called 'nobody'"):
        lines_of(asked("base", BASE), against=("nobody",))


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
