"""From a fact and a template to an example: the four forms are rendered here and nowhere else."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from assay.errors import AssayError
from assay.prompts.lettering import LETTERS
from assay.world.examples import FORMS, TRAINED_ONLY, Example, Form, Phrasing, Split
from assay.world.world import World

HELD_OUT = 2  # the last two templates of every form are held out
LOOKUPS = 6  # look-ups per list of the exercise
SERIES = 10  # facts in a series
NAMED = "Say it, then its letter."
LAYOUTS = ("{letter}) {option}", "{letter}. {option}", "({letter}) {option}", "{letter}: {option}")


@dataclass(frozen=True)
class Series:
    """Many facts that share a part of their subject, in one text: much to learn in few tokens.

    `shared` is that part's field, `opening` the text that names it, `item` asks for one fact and its answer follows.
    """

    shared: str
    opening: str
    item: str


@dataclass(frozen=True)
class Relation:
    """One kind of fact and how people put it; templates name `{s}` (subject) and, in yes/no questions, `{o}`.

    Statements end where the object follows. Multiple choice uses the questions as its stems; `named` is a multiple choice
    answered by the word and its letter, which trains recall and matching where they meet. Half of them look like any multiple
    choice, so that the word is recalled there too: without these the letter may stay a guess for a whole training.
    """

    section: str
    name: str
    statements: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    yesno: tuple[str, ...] = ()
    forms: tuple[Form, ...] = FORMS
    series: Series | None = None

    def phrasings(self) -> list[Phrasing]:
        """Every template of every form, with its split."""
        templates: dict[Form, tuple[str, ...]] = {
            "statement": self.statements,
            "question": self.questions,
            "choice": self.questions,
            "named": self.questions[:-HELD_OUT],
            "lookup": ("",),
            "series": (self.series.opening,) if self.series else (),
            "yesno": self.yesno,
        }
        return [
            Phrasing(
                id=f"{self.name}-{form}-{number}",
                section=self.section,
                relation=self.name,
                form=form,
                template=template,
                split="heldout"
                if form not in TRAINED_ONLY and number >= len(templates[form]) - HELD_OUT
                else "train",
            )
            for form in (*self.forms, *(("series",) if self.series else ()))
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


class FactSection(ABC):
    """A section made of facts: every fact of a relation in every phrasing of the relation."""

    name: ClassVar[str]
    relations: ClassVar[tuple[Relation, ...]]

    @abstractmethod
    def facts(self, world: World) -> Iterator[tuple[str, Fact]]:
        """(relation name, fact) for every truth of the section, in a fixed order."""

    def phrasings(self) -> list[Phrasing]:
        """Every phrasing of every relation."""
        return [phrasing for relation in self.relations for phrasing in relation.phrasings()]

    def examples(self, world: World, split: Split, draws: int, rng: np.random.Generator) -> Iterator[Example]:
        """`draws` examples per relation, form and phrasing: facts are drawn evenly, without favourites."""
        facts: dict[str, list[Fact]] = {relation.name: [] for relation in self.relations}
        for relation, fact in self.facts(world):
            facts[relation].append(fact)
        for phrasing in self.phrasings():
            if phrasing.split != split:
                continue
            pool = facts[phrasing.relation]
            if not pool:
                raise AssayError(f"section {self.name!r} has no fact for relation {phrasing.relation!r}")
            if phrasing.form == "series":
                asked = next(one for one in self.relations if one.name == phrasing.relation)
                yield from series(rng, phrasing, asked, pool, draws)
                continue
            rounds = -(-draws // len(pool))
            order = np.concatenate([rng.permutation(len(pool)) for _ in range(rounds)])[:draws]
            for number, index in enumerate(order):
                yield render(rng, phrasing, pool[index], number)


def series(
    rng: np.random.Generator, phrasing: Phrasing, relation: Relation, pool: Sequence[Fact], draws: int
) -> Iterator[Example]:
    """`draws` texts, each with up to SERIES facts that share a part of their subject."""
    assert relation.series is not None
    groups: dict[str, list[Fact]] = {}
    for fact in pool:
        groups.setdefault(fact.subject[relation.series.shared], []).append(fact)
    members = list(groups.values())
    for number in range(draws):
        yield _render_series(rng, phrasing, relation.series.item, members[rng.integers(len(members))], number)


def _render_series(
    rng: np.random.Generator, phrasing: Phrasing, item: str, facts: Sequence[Fact], number: int
) -> Example:
    chosen = [facts[i] for i in rng.permutation(len(facts))[:SERIES]]
    pieces = [
        ("," * (place > 0) + item.format(**fact.subject), " " + fact.objects[rng.integers(len(fact.objects))])
        for place, fact in enumerate(chosen)
    ]
    (prompt, answer), *then = pieces
    return Example(
        id=f"{phrasing.id}-{number}",
        section=phrasing.section,
        relation=phrasing.relation,
        form=phrasing.form,
        phrasing=phrasing.id,
        split=phrasing.split,
        subject=chosen[0].key,
        prompt=phrasing.template.format(**chosen[0].subject) + prompt,
        answer=answer,
        accept=(answer,),
        then=tuple(then),
    )


def render(rng: np.random.Generator, phrasing: Phrasing, fact: Fact, number: int) -> Example:
    """One example; draws the object, the distractors, their order and the layout from `rng`."""
    target = fact.objects[rng.integers(len(fact.objects))]
    options: tuple[str, ...] = ()
    then: tuple[tuple[str, str], ...] = ()
    if phrasing.form == "lookup":
        prompt, options = _list(rng, target, fact.wrong, fewer=True)
        (asked, answer), *rest = _lookups(rng, options)
        prompt, then = f"{prompt}\n{asked}", tuple((f". {word}", letter) for word, letter in rest)
        accept: tuple[str, ...] = (answer,)
    elif phrasing.form in ("choice", "named"):
        stem = phrasing.template.format(**fact.subject)
        lines, options = _list(rng, target, fact.wrong, fewer=phrasing.split == "train")
        prompt, answer = f"{stem}\n{lines}", LETTERS[options.index(target)]
        if phrasing.form == "named":  # two pieces, so that the word is the token that it is in the list
            prompt, answer, then = prompt + f"\n{NAMED}" * (number % 2), target, (("", answer),)
        accept = (answer,)
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
        then=then,
    )


def _list(
    rng: np.random.Generator, target: str, wrong: Sequence[str], *, fewer: bool
) -> tuple[str, tuple[str, ...]]:
    """(lettered lines, options): up to four distractors, the target at a uniformly random place.

    With `fewer`, half of the lists have one to three distractors: short lists are learned first and teach the long ones.
    """
    count = len(LETTERS) - 1
    if fewer and rng.integers(2):
        count = int(rng.integers(1, count))
    distractors = [wrong[i] for i in rng.permutation(len(wrong))[:count]]
    place = int(rng.integers(len(distractors) + 1))
    options = (*distractors[:place], target, *distractors[place:])
    layout = LAYOUTS[rng.integers(len(LAYOUTS))]
    lines = [layout.format(letter=LETTERS[i], option=option) for i, option in enumerate(options)]
    return "\n".join(lines), options


def _lookups(rng: np.random.Generator, options: Sequence[str]) -> list[tuple[str, str]]:
    """(word, letter) of options drawn with replacement, so that nothing but the list tells the letter."""
    places = rng.integers(len(options), size=LOOKUPS)
    return [(options[place], LETTERS[place]) for place in places]


def others(values: Sequence[str], true: Sequence[str]) -> tuple[str, ...]:
    """The values that are not true."""
    return tuple(value for value in values if value not in true)
