import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.preferences.shifts.conditions import (
    SystemPrompt,
    choose_anchors,
    choose_conditions,
    compare,
    read_conditions,
    read_shifts,
)

TASKS = [f"t{number}" for number in range(40)]
CONDITIONS = [
    SystemPrompt(f"{kind}-{number}", kind, f"You love {number}.", number % 2 == 0)
    for kind in ("object", "persona")
    for number in range(10)
]
SHIFTS = {(c.id, TASKS[(3 * i + j) % 40]): 2.0 for i, c in enumerate(CONDITIONS) for j in range(5)}


def test_every_kind_gives_trained_and_novel_conditions_alike():
    chosen = choose_conditions(CONDITIONS, 3, np.random.default_rng(0))
    assert len(chosen) == 12
    for kind in ("object", "persona"):
        for trained in (True, False):
            assert sum(c.kind == kind and c.trained == trained for c in chosen) == 3


def test_targets_are_half_on_target_and_half_of_other_conditions():
    compared = compare(CONDITIONS, TASKS, SHIFTS, targets=6, rng=np.random.default_rng(0))
    everyone = {task for c in compared for task in c.targets if SHIFTS.get((c.condition.id, task))}
    for comparison in compared:
        shifted = [bool(SHIFTS.get((comparison.condition.id, task))) for task in comparison.targets]
        assert shifted == [True] * 3 + [False] * 3
        assert len(set(comparison.targets)) == 6
        assert set(comparison.targets) <= everyone


def test_without_known_shifts_targets_are_any_tasks():
    compared = compare(CONDITIONS, TASKS, {}, targets=6, rng=np.random.default_rng(0))
    assert all(len(set(c.targets)) == 6 for c in compared)


def test_anchors_come_from_as_many_topics_as_there_are():
    topics = {task: str(number % 5) for number, task in enumerate(TASKS)}
    anchors = choose_anchors(TASKS, topics, 5, np.random.default_rng(0))
    assert {topics[task] for task in anchors} == set("01234")
    with pytest.raises(AssayError, match="41 anchors of 40 tasks"):
        choose_anchors(TASKS, topics, 41, np.random.default_rng(0))


def test_files(tmp_path):
    path = tmp_path / "conditions.csv"
    path.write_text(
        'id,kind,system_prompt,trained\na,object,"You love A, really.",True\nb,object,You hate A.,False\n'
    )
    assert read_conditions(path) == [
        SystemPrompt("a", "object", "You love A, really.", True),
        SystemPrompt("b", "object", "You hate A.", False),
    ]
    shifts = tmp_path / "shifts.csv"
    shifts.write_text("condition_id,task_id,shift\na,t1,2.0\nb,t1,-2\n")
    assert read_shifts(shifts) == {("a", "t1"): 2.0, ("b", "t1"): -2.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,kind\na,b\n", "column system_prompt is missing"),
        ("id,kind,system_prompt\na,k,x\na,k,y\n", "'a' occurs twice"),
        ("id,kind,system_prompt\nbaseline,k,x\n", "'baseline' is taken"),
        (
            "id,kind,system_prompt,trained\na,k,x,perhaps\n",
            "condition 'a', field 'trained': expected true or false",
        ),
    ],
)
def test_wrong_conditions_are_named(tmp_path, text, message):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(AssayError, match=message):
        read_conditions(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("word", "trained"), [("TRUE", True), ("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_trained_is_read_however_it_is_written(tmp_path, word, trained):
    (tmp_path / "c.csv").write_text(f"id,kind,system_prompt,trained\na,k,x,{word}\n")
    assert read_conditions(tmp_path / "c.csv") == [SystemPrompt("a", "k", "x", trained)]


def test_wrong_shifts_are_named(tmp_path):
    (tmp_path / "s.csv").write_text("condition_id,task_id,shift\na,t1,much\n")
    with pytest.raises(AssayError, match="column 'shift'"):
        read_shifts(tmp_path / "s.csv")
    with pytest.raises(AssayError, match="cannot read"):
        read_shifts(tmp_path / "none.csv")
