from dataclasses import replace

import pytest

from assay.errors import AssayError
from assay.prompts.choice_template import COMPLETION_PREFERENCE, Template, make_messages


def test_the_question_in_full():
    assert COMPLETION_PREFERENCE.fill("Write a poem.", "Add 2 and 2.") == (
        "Here are two tasks. Choose one and do it.\n"
        'Begin with "Task A:" or "Task B:".\n'
        "\n"
        "Task A: Write a poem.\n"
        "\n"
        "Task B: Add 2 and 2."
    )


def test_a_placeholder_inside_a_task_stays_as_it_is():
    filled = COMPLETION_PREFERENCE.fill("Explain {task_b} and {label_a}.", "secret {task_a}")
    assert filled.count("secret") == 1
    assert "Task A: Explain {task_b} and {label_a}.\n" in filled
    assert filled.endswith("Task B: secret {task_a}")


def test_the_version_changes_with_the_words_and_the_labels():
    versions = {
        COMPLETION_PREFERENCE.version,
        replace(COMPLETION_PREFERENCE, label_a="Task 1:", label_b="Task 2:").version,
        replace(COMPLETION_PREFERENCE, text=COMPLETION_PREFERENCE.text + " ").version,
    }
    assert len(versions) == 3
    assert COMPLETION_PREFERENCE.version == replace(COMPLETION_PREFERENCE).version


def test_the_system_prompt_comes_first_and_an_absent_one_leaves_no_message():
    assert [m["role"] for m in make_messages(COMPLETION_PREFERENCE, "x", "y")] == ["user"]
    messages = make_messages(COMPLETION_PREFERENCE, "x", "y", system_prompt="You hate poems.")
    assert [m["role"] for m in messages] == ["system", "user"]
    assert messages[0]["content"] == "You hate poems."


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("{task_a}", ("A", "B"), "must hold {task_b} once, found 0"),
        ("{task_a} {task_b} {task_a}", ("A", "B"), "must hold {task_a} once, found 2"),
        ("{task_a} {task_b}", ("Task", "task b"), "neither may be empty or begin"),
        ("{task_a} {task_b}", ("Task 1:", "Task 12:"), "neither may be empty or begin"),
        ("{task_a} {task_b}", (":", "B"), "neither may be empty or begin"),
        ("{task_a} {task_b}", ("", "B"), "neither may be empty or begin"),
    ],
)
def test_a_template_that_cannot_work_is_refused(text, labels, message):
    with pytest.raises(AssayError, match=message.replace("{", r"\{")):
        Template("broken", text, *labels)
