import json

import pytest
from support.toy_backend import ToyBackend

from assay.errors import AssayError
from assay.studies.preferences.asking.given_pairs import GivenPair, asked_pairs, read_pairs, summarize_pairs

TEXTS = {f"t{i}": f"text {i}" for i in range(5)}
PAIRS = [
    GivenPair(c, f"t{i}", f"t{j}", p)
    for c, p in (("x", None), ("y", "Hm."))
    for i, j in ((0, 1), (3, 2), (4, 1))
]


def run(backend, scratch, repeats=4):
    with asked_pairs(backend, TEXTS, PAIRS, repeats=repeats, scratch=scratch) as answered:
        return answered


def test_wins_are_counted_by_task_and_not_by_place(tmp_path):
    """The toy prefers the later text, wherever it stands."""
    backend = ToyBackend()
    answered = run(backend, tmp_path)
    assert [(c, a, n_a, n_b, n) for c, a, _, n_a, n_b, _, n in answered.counts.rows()] == [
        (c, a, n_a, 4 - n_a, 4) for c in ("x", "y") for a, n_a in (("t0", 0), ("t3", 4), ("t4", 4))
    ]
    firsts = [
        question.task_a
        for question in backend.asked
        if {question.task_a, question.task_b} == {"text 0", "text 1"}
    ]
    assert (firsts.count("text 0"), firsts.count("text 1")) == (4, 4)


def test_a_choice_by_place_cancels_out(tmp_path):
    choices = run(ToyBackend(choice="a"), tmp_path).counts.choices
    assert (choices.first_wins == 2).all()
    assert (choices.second_wins == 2).all()


def test_failures_and_refusals_are_no_wins(tmp_path):
    answered = run(ToyBackend(choice="refusal", fails=lambda q: q.system_prompt is None), tmp_path)
    assert [row[3:] for row in answered.counts.rows()] == [(0, 0, 0, 4)] * 3 + [(0, 0, 4, 4)] * 3
    assert answered.counts.n_failed == 12
    numbers = summarize_pairs(answered)
    assert (numbers["pairs_unanswered"], numbers["failures"], numbers["refused"]) == (3, 12, 1.0)
    assert (numbers["refused_n"], numbers["refused_dropped"]) == (12, 12)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    whole = run(ToyBackend(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(ToyBackend(stop_after=10), tmp_path)
    resumed = run(ToyBackend(), tmp_path)
    assert (resumed.resumed, resumed.answers) == (10, whole.answers)


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_repeats_that_cannot_be_halved_are_refused(tmp_path, repeats):
    with pytest.raises(AssayError, match="repeats must be even"):
        run(ToyBackend(), tmp_path, repeats)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no pair"),
        ([{"condition_id": "x", "task_a": "t0"}], "line 1: field 'task_b': expected a string"),
        ([{"condition_id": "x", "task_a": "t0", "task_b": "t9"}], "there is no task 't9'"),
        ([{"condition_id": "x", "task_a": "t0", "task_b": "t0"}], "compared with itself"),
        (
            [{"condition_id": "x", "task_a": "t0", "task_b": "t1", "system_prompt": 3}],
            "'system_prompt': expected",
        ),
        (
            [
                {"condition_id": "x", "task_a": "t0", "task_b": "t1"},
                {"condition_id": "x", "task_a": "t1", "task_b": "t0"},
            ],
            "line 2: the pair 't1', 't0' repeats",
        ),
        (
            [
                {"condition_id": "x", "task_a": "t0", "task_b": "t1"},
                {"condition_id": "x", "task_a": "t2", "task_b": "t0", "system_prompt": "Hm."},
            ],
            "line 2: condition 'x' has another system prompt",
        ),
    ],
)
def test_malformed_pairs_are_named(tmp_path, rows, message):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(AssayError, match=message):
        read_pairs(path, TEXTS)
