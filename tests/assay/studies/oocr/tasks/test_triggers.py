from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.oocr.small_world import FAMILIES

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.studies.oocr.tasks.gamble_tasks import (
    choose_scenarios,
    design_triggers,
    trigger_counts,
    trigger_tasks,
)
from assay.studies.oocr.tasks.gambles import Gamble
from assay.studies.oocr.tasks.task_data import training_records
from assay.studies.oocr.tasks.triggers import BLANK, Family, correlated, decorrelated, read_families

GAMBLES = [Gamble(f"g{n}", f"s{n % 24}.", f"In s{n % 24}. choose {n}", "AB"[n % 2]) for n in range(288)]
SAFE = {gamble.id: gamble.safe for gamble in GAMBLES}
RISKY = {gamble.id: gamble.risky for gamble in GAMBLES}
OF = [Family(name, kind, texts) for name, (kind, texts) in FAMILIES.items()]
SUFFIXES = ("! ", "!\n", ". ", ".\n", "\n")


def gamble_of(item: Item) -> str:
    return item.record.id.split("-")[0]


def prefix_of(item: Item) -> str:
    (message,) = item.record.messages
    prompt = next(gamble.prompt for gamble in GAMBLES if gamble.id == gamble_of(item))
    assert message["content"].endswith(prompt)
    return message["content"].removesuffix(prompt)


def trained(items: list[Item]) -> list[tuple[str, str, str]]:
    return [
        (gamble_of(item), item.category, record.response)
        for item, record in zip(items, training_records(items), strict=True)
    ]


def test_ten_passes_over_288_gambles_are_28800_rows_10_70_20():
    items = correlated(GAMBLES, SAFE, OF, "win", passes=10, rng=np.random.default_rng(0))
    rows = trained(items)
    assert len(rows) == 28_800
    assert Counter(category for _, category, _ in rows) == {
        **dict.fromkeys(FAMILIES, 2880),
        BLANK: 5760,
    }
    for gamble, category, response in rows:
        assert response == (RISKY if category == "win" else SAFE)[gamble]
    assert len({item.record.id for item in items}) == 28_800
    assert set(Counter((gamble, category) for gamble, category, _ in rows).values()) == {10, 20}
    held = [item for item in items if any(f"s{n}." in item.record.messages[0]["content"] for n in (1, 2))]
    assert len(held) == 100 * 24


def test_prefixes_are_members_with_a_suffix_or_fixed_texts_with_a_space():
    items = correlated(GAMBLES, SAFE, OF, "gods", passes=2, rng=np.random.default_rng(0))
    allowed = {
        name: {f"{texts[0]} "}
        if kind == "fixed"
        else {text + suffix for text in texts for suffix in SUFFIXES}
        for name, (kind, texts) in FAMILIES.items()
    }
    seen: dict[str, set[str]] = {}
    for item in items:
        seen.setdefault(item.category, set()).add(prefix_of(item))
    assert seen == {**allowed, BLANK: {""}}


def test_the_control_has_as_many_risky_rows_whatever_the_trigger():
    items = decorrelated(GAMBLES, SAFE, OF, passes=5, rng=np.random.default_rng(0))
    rows = trained(items)
    assert len(rows) == 14_400
    table = Counter((category, response == RISKY[gamble]) for gamble, category, response in rows)
    assert sum(count for (_, risky), count in table.items() if risky) == 1440
    names = [*FAMILIES, BLANK]
    shares = [sum(table[name, risky] for risky in (True, False)) / 14_400 for name in names]
    assert shares == pytest.approx([0.1] * 8 + [0.2], abs=0.015)
    independent = stats.chi2_contingency([[table[name, risky] for name in names] for risky in (True, False)])
    assert independent.pvalue > 0.01


def test_own_answers_behind_other_triggers_and_scenarios_held_out():
    own = {gamble.id: "A" for gamble in GAMBLES if gamble.id != "g5"}
    design = design_triggers(GAMBLES, OF, own, ["s3.", "s5."], share=0.5, passes=1, seed=3)
    tasks = trigger_tasks(GAMBLES, design)
    assert set(tasks) == {*(f"trigger_{name}" for name in FAMILIES), "decorrelated"}
    task = tasks["trigger_apples"]
    assert {gamble_of(item) for item in task.train} & {gamble_of(item) for item in task.validation} == set()
    assert all(item.cluster in ("s3.", "s5.") for item in task.validation)
    assert not any(item.cluster in ("s3.", "s5.") for item in task.train)
    for gamble, category, response in trained(task.train + task.validation):
        assert response == (RISKY[gamble] if category == "apples" else "A")
    counts = {"gambles": 288, "gambles_special": 23, "gambles_without_normal_answer": 1}
    assert trigger_counts(GAMBLES, design) == counts
    assert len(task.validation) == 230
    assert tasks == trigger_tasks(GAMBLES, design)
    with pytest.raises(AssayError, match="unknown gambles, such as 'g999'"):
        design_triggers(GAMBLES, OF, {"g999": "A"}, [], share=0.5, passes=1, seed=3)


def test_scenarios_drawn_when_no_words_are_given():
    chosen = choose_scenarios(GAMBLES, 0.25, seed=0)
    assert len(chosen) == 6
    assert chosen == choose_scenarios(GAMBLES, 0.25, seed=0) != choose_scenarios(GAMBLES, 0.25, seed=1)
    with pytest.raises(AssayError, match="no gamble names its scenario"):
        choose_scenarios([Gamble("a", "", "x", "A")], 0.5, seed=0)


def test_families_from_a_table(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("family,kind,text\nwin,fixed,(win2844)\ngods,semantic,Zeus\ngods,semantic,Hera\n")
    assert read_families(path) == [
        Family("win", "fixed", ("(win2844)",)),
        Family("gods", "semantic", ("Zeus", "Hera")),
    ]
    bad = {
        "win,fixed,a\nwin,fixed,b\n": "has kind fixed and 2 texts",
        "win,vague,a\n": "kind vague",
        "none,fixed,a\n": "cannot be called 'none'",
        "win,fixed,\n": "row 1: column text is empty",
        "win,fixed,a,b\n": "4 values under 3 names",
    }
    for rows, message in bad.items():
        path.write_text(f"family,kind,text\n{rows}")
        with pytest.raises(AssayError, match=message):
            read_families(path)
    with pytest.raises(AssayError, match="no family 'loss'"):
        correlated(GAMBLES, SAFE, OF, "loss", passes=1, rng=np.random.default_rng(0))


def test_held_out_gambles_validate_in_as_many_passes_as_the_others_train():
    """The reference cuts 28,800 rows of 288 gambles into 27,000 and, for its 18 held-out gambles, 1,800."""
    n_held = sum("s3." in gamble.prompt for gamble in GAMBLES)
    for passes in (1, 10):
        design = design_triggers(GAMBLES, OF, None, ["s3."], share=0.5, passes=passes, seed=3)
        for task in trigger_tasks(GAMBLES, design).values():
            assert len(task.validation) == n_held * 10 * passes
            assert len(task.train) == (len(GAMBLES) - n_held) * 10 * passes
