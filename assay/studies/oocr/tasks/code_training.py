"""What trains code names: facts of the world with a code in the place of a name. Never the questions of the quizzes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.items import Item
from assay.prompts.lettering import shuffled, user
from assay.prompts.records import PromptRecord
from assay.statistics.draws import item_draws
from assay.studies.oocr.tasks.code_names import with_names
from assay.studies.oocr.tasks.relations import Relation, Subject
from assay.studies.oocr.tasks.task_data import TaskItems

CANDIDATES = 5
YESNO: tuple[str, ...] = ("yes", "no")


def code_items(
    relations: Sequence[Relation],
    codes: Mapping[str, str],
    *,
    per_fact: int,
    validation: float,
    seed: int,
) -> TaskItems:
    """Up to `per_fact` questions about every fact with a name that a code of `codes` stands for, the code put in its place.

    Every code leaves out its facts about a share `validation` of the others (cities, numbers) that it occurs with, in all
    relations; facts about two codes train. A record's group is its code, and its spans hold all codes in it.
    """
    hidden = {name: code for code, name in codes.items()}
    held = {name: _held_out(relations, name, hidden, validation, seed) for name in hidden}
    task = TaskItems([], [])
    for relation in relations:
        by_first = _objects_by_first(relation)
        for subject in relation.truths:
            known = [part for part in subject if part in hidden]
            if not known:
                continue
            out = len(known) == 1 and any(part in held[known[0]] for part in subject)
            shown = tuple(hidden.get(part, part) for part in subject)
            fact = _Fact(relation, subject, shown, hidden[known[0]], by_first[subject[0]])
            items = [with_names(item, tuple(codes)) for item in fact.ask(per_fact, seed)]
            (task.validation if out else task.train).extend(items)
    return task


@dataclass(frozen=True)
class _Fact:
    """A fact, its subject as it is shown, the code it is about, and the objects of facts that begin as its subject does."""

    relation: Relation
    subject: Subject
    shown: Subject
    code: str
    objects: Sequence[str]

    def ask(self, count: int, seed: int) -> list[Item]:
        """Up to `count` of the relation's questions (yes/no where it has no other), without repetition."""
        rng = item_draws(seed, f"{self.relation.name}/{'/'.join(self.subject)}")
        form = "question" if self.relation.templates.get("question") else "yesno"
        templates = [
            (form, number, template) for number, template in enumerate(self.relation.templates[form])
        ]
        chosen = [templates[index] for index in rng.permutation(len(templates))[:count]]
        return [self._item(form, number, template, rng) for form, number, template in chosen]

    def _item(self, form: str, number: int, template: str, rng: np.random.Generator) -> Item:
        """A yes/no question about an object, or a question answered by one; wrong objects are preferably `objects`."""
        true = self.relation.true(*self.subject)
        wrong = self.relation.wrong(true, self.objects) or self.relation.wrong(true)
        asked = ""
        if form == "yesno" and "{o}" in template:
            right = int(rng.integers(2))
            asked = (true, wrong)[right][rng.integers(len((true, wrong)[right]))]
            candidates = YESNO
        else:
            chosen = [wrong[i] for i in rng.permutation(len(wrong))[: CANDIDATES - 1]]
            candidates, right = shuffled(true[rng.integers(len(true))], chosen, rng)
        record = PromptRecord(
            id=f"{self.relation.name}-{form}-{number}-{'-'.join(self.shown)}",
            messages=(user(self.relation.ask(template, self.shown, asked)),),
            group=self.code,
        )
        return Item(record, candidates, right, self.relation.name, "-".join(self.shown))


def _held_out(
    relations: Sequence[Relation], name: str, hidden: Mapping[str, str], share: float, seed: int
) -> set[str]:
    """The others that `name` is not trained with; codes are never among them."""
    subjects = (subject for relation in relations for subject in relation.truths if name in subject)
    others = sorted({part for subject in subjects for part in subject if part not in hidden})
    order = item_draws(seed, f"held out/{name}").permutation(len(others))
    return {others[i] for i in order[: round(share * len(others))]}


def _objects_by_first(relation: Relation) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (first, *_), values in relation.truths.items():
        found.setdefault(first, []).extend(values)
    return found
