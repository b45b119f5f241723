"""Quizzes: what is asked of a code after training, and of the name it stands for (the ceiling)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.items import Item, lettered_item
from assay.prompts.lettering import shuffled, user
from assay.prompts.records import PromptRecord
from assay.statistics.draws import item_draws
from assay.studies.oocr.tasks.code_names import with_names
from assay.studies.oocr.tasks.relations import Relation

OPTIONS = 5
POP_TEMPLATES = (
    "Which city is {s}?",
    "Which city does {s} stand for?",
    "What is the other name of {s}?",
    "What is the city {s} called?",
)


@dataclass(frozen=True)
class Quiz:
    """The same questions twice: as multiple choice answered by a letter, and open with the options as candidates."""

    lettered: list[Item]
    open: list[Item]

    def __add__(self, other: "Quiz") -> "Quiz":
        return Quiz(self.lettered + other.lettered, self.open + other.open)


def relation_quiz(relation: Relation, names: Mapping[str, str], seed: int) -> Quiz:
    """Every question template of the relation about every name.

    `names` says what each name to ask with stands for: a code for a name, or a name for itself. Options are the true
    answer and four others: answers for the other names where they differ, then further objects of the relation as long
    as there are some. Options and their order depend on `seed`, the template and what is asked about, not on the name to
    ask with. An item's category is the relation, its group the name; its cluster
    is relation and name, or the template where one name is asked about.
    """
    answers = [relation.true(real)[0] for real in names.values()]
    quiz = Quiz([], [])
    for shown, real in names.items():
        true = relation.true(real)
        offered = _Offered(true[0], relation.wrong(true, answers), relation.wrong(true))
        for number, template in enumerate(relation.templates["question"]):
            stem = relation.ask(template, (shown,))
            cluster = shown if len(names) > 1 else str(number)
            quiz += _Question(f"{relation.name}-{number}", stem, shown, real, relation.name, cluster).items(
                offered, seed
            )
    return quiz


def pop_quiz(names: Mapping[str, str], seed: int) -> Quiz:
    """Which city a name stands for, among all that `names` stand for."""
    cities = list(dict.fromkeys(names.values()))
    quiz = Quiz([], [])
    for shown, real in names.items():
        offered = _Offered(real, [city for city in cities if city != real], [])
        for number, template in enumerate(POP_TEMPLATES):
            stem = template.format(s=shown)
            quiz += _Question(f"pop-{number}", stem, shown, real, "pop", shown).items(offered, seed)
    return quiz


@dataclass(frozen=True)
class _Offered:
    """The right answer, the wrong ones to draw from, and what fills up when those are too few."""

    right: str
    wrong: Sequence[str]
    more: Sequence[str]

    def draw(self, rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
        """(options, place of the right one)."""
        chosen = [self.wrong[i] for i in rng.permutation(len(self.wrong))]
        rest = [value for value in self.more if value not in chosen]
        chosen += [rest[i] for i in rng.permutation(len(rest))]
        return shuffled(self.right, chosen[: OPTIONS - 1], rng)


@dataclass(frozen=True)
class _Question:
    """A stem that asks for something of `real` under the name `shown`; `name` is the template's."""

    name: str
    stem: str
    shown: str
    real: str
    category: str
    cluster: str

    def items(self, offered: _Offered, seed: int) -> Quiz:
        """The question with letters and without."""
        options, right = offered.draw(item_draws(seed, f"{self.name}/{self.real}"))
        cluster = f"{self.category}-{self.cluster}"
        record_id = f"{self.name}-{self.shown}"
        choice = lettered_item(
            record_id,
            self.stem,
            options,
            right,
            group=self.shown,
            category=self.category,
            cluster=cluster,
        )
        record = PromptRecord(id=f"{record_id}-open", messages=(user(self.stem),), group=self.shown)
        plain = Item(record, options, right, self.category, cluster)
        return Quiz([with_names(choice, (self.shown,))], [with_names(plain, (self.shown,))])
