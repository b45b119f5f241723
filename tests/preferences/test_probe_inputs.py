import pandas as pd
import pytest

from assay.errors import AssayError
from assay.preferences.probe_inputs import keep_tasks, read_choices
from assay.preferences.topics import Topics

UTILITIES = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
TOPICS = Topics(dict.fromkeys("abce", "x"))


def test_what_is_left_out_is_counted():
    rows = [("a", "c", "a"), ("c", "a", "a"), ("a", "c", "b"), ("a", "c", "refusal"), ("a", "b", "a"), ("a", "z", "refusal")]  # fmt: skip
    choices = pd.DataFrame(rows, columns=["task_a", "task_b", "choice"])
    kept = keep_tasks(UTILITIES, TOPICS, [set("abcd"), set("acdef")], choices)
    assert kept.tasks.ids == ["a", "c"]
    assert kept.tasks.mu.tolist() == [1, 3]
    pairs = kept.tasks.pairs
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0], [1])
    assert (pairs.first_wins.tolist(), pairs.second_wins.tolist()) == ([1], [2])
    assert kept.counts == {
        "tasks": 2, "tasks_without_activations": 2, "tasks_without_topic": 1,
        "choices": 3, "choices_refused": 1, "choices_elsewhere": 2,
    }  # fmt: skip


def test_no_task_left_is_an_error():
    with pytest.raises(AssayError, match="no task has a utility, a topic and texts"):
        keep_tasks(UTILITIES, TOPICS, [set("z")], held_in="texts")


def test_choices_from_both_formats(tmp_path):
    table = pd.DataFrame(
        {"task_a": ["a", "b"], "task_b": ["b", "c"], "choice": ["a", "refusal"], "extra": [1, 2]}
    )
    table.to_parquet(tmp_path / "c.parquet")
    table.to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    for name in ("c.parquet", "c.jsonl"):
        assert read_choices(tmp_path / name).values.tolist() == [["a", "b", "a"], ["b", "c", "refusal"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"task_a": "a", "task_b": "b", "choice": "A"}', "row 1: choice is 'A'"),
        ('{"task_a": "a", "task_b": "b"}', "lacks the column 'choice'"),
        ("{", "cannot read choices"),
    ],
)
def test_malformed_choices_are_named(tmp_path, text, message):
    path = tmp_path / "c.jsonl"
    path.write_text(text)
    with pytest.raises(AssayError, match=message):
        read_choices(path)
