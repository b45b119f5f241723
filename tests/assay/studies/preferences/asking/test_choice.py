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
        ("I choose Task A:", None, None),
        ("A", None, None),
        ("", None, None),
        ("***", None, None),
    ],
)
def test_labels(text, choice, rule):
    parsed = parse_label(text, TEMPLATE)
    assert (parsed.choice, parsed.rule) == (choice, rule)


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
