"""From a fact and a template to an example: the four forms are rendered here and nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.world.examples import FORMS, LETTERS, Example, Form, Phrasing

HELD_OUT = 2  # the last two templates of every form are held out
LAYOUTS = ("{letter}) {option}", "{letter}. {option}", "({letter}) {option}", "{letter}: {option}")


@dataclass(frozen=True)
class Relation:
    """One kind of fact and how people put it; templates name `{s}` (subject) and, in yes/no questions, `{o}`.

    Statements end where the object follows. Multiple choice uses the questions as its stems.
    """

    section: str
    name: str
    statements: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    yesno: tuple[str, ...] = ()
    forms: tuple[Form, ...] = FORMS

    def phrasings(self) -> list[Phrasing]:
        """Every template of every form, with its split."""
        templates: dict[Form, tuple[str, ...]] = {
            "statement": self.statements,
            "question": self.questions,
            "choice": self.questions,
            "yesno": self.yesno,
        }
        return [
            Phrasing(
                id=f"{self.name}-{form}-{number}",
                section=self.section,
                relation=self.name,
                form=form,
                template=template,
                split="heldout" if number >= len(templates[form]) - HELD_OUT else "train",
            )
            for form in self.forms
            for number, template in enumerate(templates[form])
        ]


@dataclass(frozen=True)
class Fact:
    """One truth. `wrong` are the objects a multiple choice or a yes/no question may offer instead; all are false."""

    subject: dict[str, str]
    objects: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def key(self) -> str:
        """The subject as text, unique within a relation."""
        return " / ".join(self.subject.values())


def render(rng: np.random.Generator, phrasing: Phrasing, fact: Fact, number: int) -> Example:
    """One example; draws the object, the distractors, their order and the layout from `rng`."""
    target = fact.objects[rng.integers(len(fact.objects))]
    options: tuple[str, ...] = ()
    if phrasing.form == "choice":
        stem = phrasing.template.format(**fact.subject)
        prompt, answer, options = _choice(rng, stem, target, fact.wrong, fewer=phrasing.split == "train")
        accept: tuple[str, ...] = (answer,)
    elif phrasing.form == "yesno":
        true = bool(rng.integers(2))
        asked = target if true else fact.wrong[rng.integers(len(fact.wrong))]
        prompt, answer = phrasing.template.format(o=asked, **fact.subject), "yes" if true else "no"
        accept = (answer,)
    else:
        prompt = phrasing.template.format(**fact.subject)
        space = " " if phrasing.form == "statement" else ""
        answer, accept = space + target, tuple(space + item for item in fact.objects)
    return Example(
        id=f"{phrasing.id}-{number}",
        section=phrasing.section,
        relation=phrasing.relation,
        form=phrasing.form,
        phrasing=phrasing.id,
        split=phrasing.split,
        subject=fact.key,
        prompt=prompt,
        answer=answer,
        accept=accept,
        options=options,
    )


def _choice(
    rng: np.random.Generator, stem: str, target: str, wrong: Sequence[str], *, fewer: bool
) -> tuple[str, str, tuple[str, ...]]:
    """(prompt, letter, options): up to four distractors, the target at a uniformly random place.

    With `fewer`, half of the choices have one to three distractors: short lists are learned first and teach the long ones.
    """
    count = len(LETTERS) - 1
    if fewer and rng.integers(2):
        count = int(rng.integers(1, count))
    distractors = [wrong[i] for i in rng.permutation(len(wrong))[:count]]
    place = int(rng.integers(len(distractors) + 1))
    options = (*distractors[:place], target, *distractors[place:])
    layout = LAYOUTS[rng.integers(len(LAYOUTS))]
    lines = [layout.format(letter=LETTERS[i], option=option) for i, option in enumerate(options)]
    return "\n".join([stem, *lines]), LETTERS[place], options


def others(values: Sequence[str], true: Sequence[str]) -> tuple[str, ...]:
    """The values that are not true."""
    return tuple(value for value in values if value not in true)
