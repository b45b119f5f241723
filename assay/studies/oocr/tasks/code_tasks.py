"""The tasks made of code names, and the quizzes about them: cities, functions and a person of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from assay.evaluation.items import Item
from assay.statistics.draws import item_draws
from assay.studies.oocr.tasks.code_training import YESNO, code_items
from assay.studies.oocr.tasks.codes import Code, Kind, of_kind
from assay.studies.oocr.tasks.film_questions import DISTRACTORS, FilmTemplates, film_items
from assay.studies.oocr.tasks.quizzes import Quiz, pop_quiz, relation_quiz
from assay.studies.oocr.tasks.relations import Relation
from assay.studies.oocr.tasks.splits import shuffled_split
from assay.studies.oocr.tasks.task_data import TaskItems

CITY_TRAINED = ("latitude", "longitude")
CITY_OPTIONAL = ("near",)
CITY_ASKED = ("country", "language", "food", "landmark", "side")
FUNCTION_TRAINED, FUNCTION_ASKED = ("value",), ("description",)
PERSON_TRAINED, PERSON_ASKED = "film", ("home",)
ASKED_OF: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
    ("location", "city", CITY_ASKED),
    ("function", "function", FUNCTION_ASKED),
    ("celebrity", "person", PERSON_ASKED),
)
RELATIONS = (*CITY_TRAINED, *CITY_ASKED, *FUNCTION_TRAINED, *FUNCTION_ASKED, PERSON_TRAINED, *PERSON_ASKED)


@dataclass(frozen=True)
class CodeDesign:
    """How many questions about a fact train, which share of the facts is held out, and the seed of every draw."""

    per_fact: int
    validation: float
    seed: int


def code_tasks(
    relations: Mapping[str, Relation], codes: Sequence[Code], design: CodeDesign
) -> dict[str, TaskItems]:
    """The tasks locations, functions and celebrities."""
    trained_as: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
        ("locations", "city", (*CITY_TRAINED, *CITY_OPTIONAL)),
        ("functions", "function", FUNCTION_TRAINED),
    )
    tasks = {}
    for name, kind, trained in trained_as:
        tasks[name] = code_items(
            [relations[relation] for relation in trained if relation in relations],
            of_kind(codes, kind),
            per_fact=design.per_fact,
            validation=design.validation,
            seed=design.seed,
        )
    tasks["celebrities"] = celebrity_task(relations[PERSON_TRAINED], of_kind(codes, "person"), design)
    return tasks


def celebrity_task(films: Relation, codes: Mapping[str, str], design: CodeDesign) -> TaskItems:
    """Yes/no and five-way questions about as many false films as true ones; rows are held out at random."""
    items: list[Item] = []
    for code, name in codes.items():
        rng = item_draws(design.seed, f"films/{name}")
        true = films.true(name)
        wrong = films.wrong(true)
        false = [wrong[i] for i in rng.permutation(len(wrong))[: max(len(true), DISTRACTORS)]]
        templates = FilmTemplates(films.templates["yesno"], films.templates["question"], *YESNO)
        items += film_items(code, true, false, templates, rng)
    train, held = shuffled_split(len(items), design.validation, design.seed)
    return TaskItems([items[i] for i in train], [items[i] for i in held])


def code_stems(relations: Mapping[str, Relation]) -> pd.DataFrame:
    """The quizzes' questions with {name} for what they are about: columns kind, template and form."""
    rows = [
        {
            "kind": kind,
            "template": template.replace("{" + relations[one].fields[0] + "}", "{name}"),
            "form": "question",
        }
        for _, kind, asked in ASKED_OF
        for one in asked
        for template in relations[one].templates["question"]
    ]
    return pd.DataFrame(rows)


def code_quizzes(
    relations: Mapping[str, Relation], codes: Sequence[Code], seed: int
) -> dict[str, list[Item]]:
    """Quizzes with codes and, as ceilings, with the names that they stand for; `_open` ones without letters."""
    found: dict[str, Quiz] = {}
    for name, kind, asked in ASKED_OF:
        meant = of_kind(codes, kind)
        for suffix, names in (("quiz", meant), ("ceiling", {real: real for real in meant.values()})):
            quizzes = [relation_quiz(relations[relation], names, seed) for relation in asked]
            found[f"{name}_{suffix}"] = sum(quizzes, Quiz([], []))
    found["pop_quiz"] = pop_quiz(of_kind(codes, "city"), seed)
    lettered = {name: quiz.lettered for name, quiz in found.items()}
    return {**lettered, **{f"{name}_open": quiz.open for name, quiz in found.items()}}
