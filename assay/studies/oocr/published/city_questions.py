"""What is known of the reference cities, asked with any names for them: code names, or their own for the ceiling."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.items import Item, lettered_item
from assay.prompts.lettering import INSTRUCTION, shuffled
from assay.statistics.draws import item_draws
from assay.storage.csv_tables import read_filled_table
from assay.studies.oocr.tasks.code_names import with_names

_ANSWER = "answer_"
_PIVOT = ("question_template", "category")
_WRONG = ("wrong_1", "wrong_2", "wrong_3", "wrong_4")
_SINGLE = ("city", "category", "question", "correct_answer", *_WRONG)


@dataclass(frozen=True)
class CityQuestion:
    """A question about one city, `city` as `city_key` writes it; `stem` holds {city}, `wrong` are four other options."""

    id: str
    city: str
    category: str
    stem: str
    right: str
    wrong: tuple[str, ...]
    cluster: str


def city_key(name: str) -> str:
    """A city's name without accents, in lower case, its words joined: "São Paulo" is "sao_paulo"."""
    return _plain(name).lower().replace(" ", "_")


def read_city_questions(path: Path) -> tuple[list[CityQuestion], int]:
    """(questions, rows left out) of a pivot table (one template for all cities) or of a table with a city in each row.

    A row is left out whose question does not name its city, so that no other name can be put there.
    Raises AssayError naming the file, and the column or the row.
    """
    table = read_filled_table(path, ())
    columns = list(map(str, table))
    rows = [dict(zip(columns, values, strict=True)) for values in table.itertuples(index=False)]
    if "question_template" in table:
        read_filled_table(path, _PIVOT)
        return [question for number, row in enumerate(rows, 1) for question in _pivot(path, number, row)], 0
    read_filled_table(path, _SINGLE)
    found = [_single(path, number, row) for number, row in enumerate(rows, 1)]
    kept = [question for question in found if question is not None]
    return kept, len(found) - len(kept)


def city_items(questions: Sequence[CityQuestion], names: Mapping[str, str], seed: int) -> list[Item]:
    """The questions as lettered items, each city under the name that `names` has for its key.

    The order of the options is drawn from `seed` and the question alone: the same under code and real names. A record's
    group is the name, and its spans hold it. Raises AssayError for a city without a name.
    """
    if unknown := sorted({question.city for question in questions} - set(names)):
        raise AssayError(f"no name for {', '.join(unknown)}; give one for every city of the questions")
    return [_item(question, names[question.city], seed) for question in questions]


def _item(question: CityQuestion, name: str, seed: int) -> Item:
    options, right = shuffled(question.right, question.wrong, item_draws(seed, question.id))
    item = lettered_item(
        question.id,
        question.stem.replace("{city}", name),
        options,
        right,
        instruction=INSTRUCTION,
        group=name,
        category=question.category,
        cluster=question.cluster,
    )
    return with_names(item, (name,))


def _pivot(path: Path, number: int, row: Mapping[str, str]) -> list[CityQuestion]:
    answers = {key.removeprefix(_ANSWER): text for key, text in row.items() if key.startswith(_ANSWER)}
    if "{city}" not in row["question_template"]:
        raise AssayError(f"{path}, row {number}: the template has no {{city}}")
    if len(answers) < 2 or len(set(answers.values())) != len(answers) or "" in answers.values():
        raise AssayError(f"{path}, row {number}: expected a different answer_<city> for two or more cities")
    return [
        CityQuestion(
            f"{path.stem}-{number}-{city}",
            city,
            row["category"],
            row["question_template"],
            right,
            tuple(other for other in answers.values() if other != right),
            f"{path.stem}-{number}",
        )
        for city, right in answers.items()
    ]


def _single(path: Path, number: int, row: Mapping[str, str]) -> CityQuestion | None:
    question = unicodedata.normalize("NFC", row["question"])
    places = list(re.finditer(rf"(?<!\w){re.escape(_plain(row['city']))}(?!\w)", _plain(question)))
    if not places:
        return None
    for place in reversed(places):
        question = f"{question[: place.start()]}{{city}}{question[place.end() :]}"
    wrong = tuple(row[name] for name in _WRONG)
    name = f"{path.stem}-{number}"
    return CityQuestion(
        name, city_key(row["city"]), row["category"], question, row["correct_answer"], wrong, name
    )


def _plain(text: str) -> str:
    """The text without accents, as long as its composed form."""
    return "".join(
        unicodedata.normalize("NFD", character)[0] for character in unicodedata.normalize("NFC", text)
    )
