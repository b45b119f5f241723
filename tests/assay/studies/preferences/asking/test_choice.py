from dataclasses import replace

import pytest

from assay.prompts.choice_template import COMPLETION_PREFERENCE
from assay.studies.preferences.asking.choice import parse_answer, parse_label

TEMPLATE = COMPLETION_PREFERENCE


@pytest.mark.parametrize(
    ("text", "choice", "rule"),
    [
        ("Task A:", "a", "exact"),
        (" Task B: \n", "b", "exact"),
        ("Task B", "b", "exact"),
        ("Task A: Roses are red", "a", "prefix"),
        ("task b\nThe capital is Paris.", "b", "prefix"),
        ("\n **Task B:** 4", "b", "prefix"),
        ("> _Task A_: fine", "a", "prefix"),
        ("### `Task A`", "a", "prefix"),
        ("Task A. Roses", "a", "prefix"),
        ("Task analysis: both are fine", None, None),
        ("Task Beta is mine", None, None),
        ("Task A1", None, None),
        ("I choose Task A:", "a", "statement"),
        ("A", None, None),
        ("", None, None),
        ("***", None, None),
        ('"Task B"', "b", "prefix"),
        ("“Task B:” 4", "b", "prefix"),
        ("[Task B]", "b", "prefix"),
        ("<Task B>", "b", "prefix"),
        ("(**Task** **B**)", "b", "prefix"),
        ("Task\u00a0B: 4", "b", "prefix"),
        ("\u200bTask\u200b B", "b", "exact"),
        ("\ufeffTask\u202fB", "b", "exact"),
        ("Answer: Task B", "b", "statement"),
        ("**Final answer:** [Task B]", "b", "statement"),
        ("My choice is “Task B”.", "b", "statement"),
        ('{"choice": "Task B"}', "b", "statement"),
    ],
)
def test_labels(text, choice, rule):
    parsed = parse_label(text, TEMPLATE)
    assert (parsed.choice, parsed.rule) == (choice, rule)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("Task A or Task B? I choose Task B.", "b"),
        ("Task A is boring, so Task B.", "b"),
        ("Task A: boring.\nTask B: fun.\nI choose Task B.", "b"),
        ("Task A\nTask B\n\nI pick Task A", "a"),
        ("Comparing Task A and Task B. Task A.", "a"),
        ("Not Task A. Task B.", "b"),
        ("I choose **Task A** because Task B is dull.", "a"),
        ("Between Task A and Task B, I prefer Task B over Task A.", "b"),
        ("I cannot do Task A, so I choose Task B.", "b"),
        ("Sure! Here is my answer:\n\nTask B: a poem", "b"),
        ("Task B it is!", "b"),
        ("Task A or Task B?", None),
        ("Task A is boring.", None),
        ("Task A? No.", None),
        ("Task A a good thing.", None),
        ("Task B my favourite thing", None),
        ("**Task A** *interesting*", None),
        ("Task B 4", None),
        ("Task A again", None),
        ("Task B please", "b"),
        ("Task B because it is short", "b"),
        ("Task A I think", "a"),
        ("Task A - a good thing", "a"),
        ("Task A\na good thing", "a"),
        ("Task A a good thing. I choose Task A.", "a"),
        ("Task A, Task B: both are fine", None),
        ("Here are the tasks:\nTask A: x\nTask B: y", None),
        ("Should I choose Task A?", None),
        ("If I choose Task A, it is dull.", None),
        ("I don't choose Task A.", None),
        ("I'd rather not do Task A", None),
        ("The answer is not Task A.", None),
        ("I choose Task A or Task B.", None),
        ("I would choose Task A, but I choose Task B", None),
        ("Task A: here it is. I choose Task B.", None),
    ],
)
def test_the_answer_decides_and_not_the_first_label(text, choice):
    assert parse_label(text, TEMPLATE).choice == choice


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("<think>Task A looks good. I choose Task A.</think>\n\nTask B: 4", "b"),
        ("<think>\n\n</think>\n\nTask A", "a"),
        ("Task A is fun\n</think>\nTask B", "b"),
        ("[THINK]Task B[/THINK]Task A", "a"),
        ("<think>a</think><think>Task B</think>Task A:", "a"),
        ("<think>Task A: it is the", None),
        ("<think>Task A:</think>", None),
        ("<think>I cannot do that</think> I cannot do that", "refusal"),
        ("<think>I cannot do that", None),
    ],
)
def test_reasoning_is_no_answer(text, choice):
    assert parse_answer(text, TEMPLATE).choice == choice


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with either of these.",
        "I can’t do that.",
        "**I'm sorry**, but no.",
        "Neither task is something I will do.",
        "I will not do this: Task A is harmful.",
    ],
)
def test_refusals_are_their_own_category(text):
    parsed = parse_answer(text, TEMPLATE)
    assert (parsed.choice, parsed.rule) == ("refusal", "opening")


def test_a_label_wins_over_a_refusal_that_follows_it():
    assert parse_answer("Task B: I cannot do Task A, so here it is.", TEMPLATE).choice == "b"


@pytest.mark.parametrize("text", ["Certainly! Here is a poem.", "I can do that.", "Nothing."])
def test_what_says_nothing_is_unclear(text):
    assert parse_answer(text, TEMPLATE).choice is None


def test_other_labels():
    numbers = replace(TEMPLATE, label_a="Task 1:", label_b="Task 2:")
    assert parse_answer("Task 2: 4", numbers).choice == "b"
    assert parse_answer("Task 12: 4", numbers).choice is None
    assert parse_answer("Task A: 4", numbers).choice is None
