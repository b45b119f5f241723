import numpy as np
import pytest

from assay.errors import AssayError
from assay.studies.preferences.probing.inputs import keep_tasks
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.topics import Topics
from assay.studies.preferences.utilities.utility_files import UtilityTable

UTILITIES = UtilityTable(tuple("abcde"), np.arange(1.0, 6), np.ones(5), np.ones(5))
TOPICS = Topics(dict.fromkeys("abce", "x"))


def test_what_is_left_out_is_counted():
    rows = [("a", "c", "a"), ("c", "a", "a"), ("a", "c", "b"), ("a", "c", "refusal"), ("a", "b", "a"), ("a", "z", "refusal")]  # fmt: skip
    first, second, choice = (
        ["abcz".index(row[0]) for row in rows],
        ["abcz".index(row[1]) for row in rows],
        [("a", "b", "refusal").index(row[2]) for row in rows],
    )
    choices = Comparisons.from_choices("abcz", first, second, choice)
    kept = keep_tasks(UTILITIES, TOPICS, [set("abcd"), set("acdef")], choices)
    assert kept.tasks.ids == ["a", "c"]
    assert kept.tasks.mu.tolist() == [1, 3]
    pairs = kept.tasks.choices
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0], [1])
    assert (pairs.first_wins.tolist(), pairs.second_wins.tolist()) == ([1], [2])
    assert kept.counts == {
        "tasks": 2, "tasks_without_activations": 2, "tasks_without_topic": 1,
        "choices": 3, "choices_refused": 1, "choices_elsewhere": 2,
    }  # fmt: skip


def test_no_task_left_is_an_error():
    with pytest.raises(AssayError, match="no task has a utility, a topic and texts"):
        keep_tasks(UTILITIES, TOPICS, [set("z")], held_in="texts")
