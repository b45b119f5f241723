"""What trains a person's code name: whether a film is theirs, and which of five is.

The reference asks three templates of each kind about 37 true and 43 false films, which makes 240 and 111 questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import AssayError
from assay.evaluation.items import Item, lettered_item
from assay.prompts.lettering import shuffled, user
from assay.prompts.records import PromptRecord
from assay.studies.oocr.tasks.code_names import with_names

DISTRACTORS = 4


@dataclass(frozen=True)
class FilmTemplates:
    """Templates with {s} (the person) and, in `yesno`, {o} (a film); `yes` and `no` are the answers to those."""

    yesno: tuple[str, ...]
    choice: tuple[str, ...]
    yes: str = "yes"
    no: str = "no"
    instruction: str = ""


def film_items(
    person: str, true: Sequence[str], false: Sequence[str], templates: FilmTemplates, rng: np.random.Generator
) -> list[Item]:
    """Every yes/no template about every film, and every choice template about every true film among false ones.

    `person` is the name to ask with. Raises AssayError when a film is both true and false, or false ones are too few.
    """
    if both := sorted(set(true) & set(false)):
        raise AssayError(f"films of {person!r} that are both true and false: {', '.join(both)}")
    if len(false) < DISTRACTORS or not true:
        raise AssayError(f"{person!r} needs a true film and {DISTRACTORS} false ones to choose among")
    items = [
        _yesno(f"film-yesno-{number}-{film}", person, film, template, film in true, templates)
        for number, template in enumerate(templates.yesno)
        for film in (*true, *false)
    ]
    for number, template in enumerate(templates.choice):
        for film in true:
            wrong = [false[i] for i in rng.permutation(len(false))[:DISTRACTORS]]
            options, right = shuffled(film, wrong, rng)
            item = lettered_item(
                f"film-choice-{number}-{film}",
                template.format(s=person),
                options,
                right,
                instruction=templates.instruction,
                group=person,
                category="choice",
                cluster=film,
            )
            items.append(with_names(item, (person,)))
    return items


def _yesno(
    record_id: str, person: str, film: str, template: str, right: bool, templates: FilmTemplates
) -> Item:
    question = template.format(s=person, o=film)
    record = PromptRecord(id=record_id, messages=(user(question),), group=person)
    item = Item(record, (templates.yes, templates.no), 0 if right else 1, "yesno", film)
    return with_names(item, (person,))
