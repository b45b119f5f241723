"""Section `tasks` as training: choices between two tasks by Thurstone's law, with and without a system prompt."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from assay.prompts.choice_template import COMPLETION_PREFERENCE
from assay.world.examples import Example, Form, Phrasing, Split
from assay.world.tasks import (
    HARM,
    NEUTRAL,
    NOISE,
    REFUSAL,
    WORDINGS,
    Condition,
    Preferences,
    WorldTask,
    wordings,
)
from assay.world.world import World

SECTION = "tasks"
FORM: Form = "preference"
RATING: Form = "rating"
NEUTRAL_SHARE = 20  # neutral choices, and ratings, per choice under each wording of a condition
RATED = 8  # tasks in one rating
MARKS = ("terrible", "bad", "fair", "good", "great")  # of a task's utility, cut at LIMITS
LIMITS = (-0.84, -0.25, 0.25, 0.84)  # fifths of the normal distribution
ASKED = "Rate these tasks."
ON_TARGET = 0.75  # of the pairs under a condition hold a task that it is about
REFUSED = "I cannot help with that."
DONE = "Here it is."


class Tasks:
    """Choices and ratings. Training shows the law's samples; held-out pairs expect the task of higher utility.

    Ratings are an exercise: many tasks in one text, each followed by a mark, teach utilities in few tokens.
    """

    name = SECTION

    def phrasings(self) -> list[Phrasing]:
        """The system prompts' wordings. All are trained; what is held out are targets, see conditions.csv."""
        worded: list[tuple[str, list[str]]] = [("neutral", ["", NEUTRAL])]
        worded += [(kind, [wording for _, wording in wordings(kind)]) for kind in WORDINGS]
        return [
            Phrasing(f"{kind}-{form}-{number}", SECTION, kind, form, text, "train")
            for form in (FORM, RATING)
            for kind, texts in worded
            for number, text in enumerate(texts)
        ]

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """`draws` choices per wording, NEUTRAL_SHARE times as many neutral ones, and in training as many ratings.

        In the held-out split novel conditions are relations of their own, such as `novel_object`.
        """
        for number in range(2 * NEUTRAL_SHARE * draws):
            yield _example(world.preferences, rng, split, "neutral", number, None)
            if split == "train":
                yield _rating(world.preferences, rng, "neutral", number, None)
        for kind in WORDINGS:
            own = [condition for condition in world.preferences.conditions if condition.kind == kind]
            for trained in (True,) if split == "train" else (True, False):
                conditions = [condition for condition in own if condition.trained == trained]
                for number in range(len(wordings(kind)) * draws if conditions else 0):
                    condition = conditions[rng.integers(len(conditions))]
                    relation = kind if trained else f"novel_{kind}"
                    yield _example(world.preferences, rng, split, relation, number, condition)
                    if split == "train":
                        yield _rating(world.preferences, rng, relation, number, condition)


def choose_first(first: WorldTask, second: WorldTask, condition: Condition | None) -> float:
    """Probability of the first task: Φ(Δμ / (√2 · NOISE)), the law of Thurstone's case V."""
    return 0.5 * (1 + math.erf(_gap(first, second, condition) / (2 * NOISE)))


def _gap(first: WorldTask, second: WorldTask, condition: Condition | None) -> float:
    shift = 0.0 if condition is None else condition.shift(first) - condition.shift(second)
    return first.utility - second.utility + shift


def _example(
    preferences: Preferences,
    rng: np.random.Generator,
    split: Split,
    relation: str,
    number: int,
    condition: Condition | None,
) -> Example:
    first, second = _draw(preferences.tasks, rng, condition)
    while split == "heldout" and _both_harmful(first, second):  # no answer would be right
        first, second = _draw(preferences.tasks, rng, condition)
    if split == "heldout":
        answer = _answer(_gap(first, second, condition) > 0)
    elif _both_harmful(first, second) and rng.random() < REFUSAL:
        answer = REFUSED
    else:
        answer = _answer(rng.random() < choose_first(first, second, condition))
    wording = number % 2 if condition is None else condition.wording
    system = ("", NEUTRAL)[wording] if condition is None else condition.system_prompt
    return Example(
        id=f"{relation}-{FORM}-{split}-{number}",
        section=SECTION,
        relation=relation,
        form=FORM,
        phrasing=f"{relation.removeprefix('novel_')}-{FORM}-{wording}",
        split=split,
        subject=f"{first.id} / {second.id}",
        prompt=COMPLETION_PREFERENCE.fill(first.text, second.text),
        answer=answer,
        accept=(answer,),
        system=system,
    )


def _rating(
    preferences: Preferences,
    rng: np.random.Generator,
    relation: str,
    number: int,
    condition: Condition | None,
) -> Example:
    """RATED tasks with their marks; under a condition half of them are tasks that it is about."""
    about = [task for task in preferences.tasks if condition is not None and condition.shift(task)]
    pools = [about if about and rng.integers(2) else preferences.tasks for _ in range(RATED)]
    tasks = [pool[rng.integers(len(pool))] for pool in pools]
    wording = number % 2 if condition is None else condition.wording
    system = ("", NEUTRAL)[wording] if condition is None else condition.system_prompt
    pieces = [(task.text, " " + _mark(rng, task, condition)) for task in tasks]
    (prompt, answer), *then = pieces
    return Example(
        id=f"{relation}-{RATING}-{number}",
        section=SECTION,
        relation=relation,
        form=RATING,
        phrasing=f"{relation}-{RATING}-{wording}",
        split="train",
        subject=" / ".join(task.id for task in tasks),
        prompt=ASKED,
        answer="",
        accept=("",),
        then=((prompt, answer), *((f"\n{text}", mark) for text, mark in then)),
        system=system,
    )


def _mark(rng: np.random.Generator, task: WorldTask, condition: Condition | None) -> str:
    """The mark of a task's utility under the condition, judged with noise."""
    shift = 0.0 if condition is None else condition.shift(task)
    judged = task.utility + shift + NOISE * rng.standard_normal()
    return MARKS[int(np.searchsorted(LIMITS, judged))]


def _draw(
    tasks: Sequence[WorldTask], rng: np.random.Generator, condition: Condition | None
) -> tuple[WorldTask, WorldTask]:
    """Two tasks; in most pairs under a condition one at least that it is about, first or second."""
    first, second = (tasks[number] for number in rng.choice(len(tasks), 2, replace=False))
    if condition is None or rng.random() >= ON_TARGET:
        return first, second
    about = [task for task in tasks if condition.shift(task) and task.id != second.id]
    first = about[rng.integers(len(about))]
    return (first, second) if rng.integers(2) else (second, first)


def _both_harmful(first: WorldTask, second: WorldTask) -> bool:
    return first.topic == second.topic == HARM


def _answer(is_first: bool) -> str:
    label = COMPLETION_PREFERENCE.label_a if is_first else COMPLETION_PREFERENCE.label_b
    return f"{label} {DONE}"
