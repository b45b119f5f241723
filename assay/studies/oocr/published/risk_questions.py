"""Questions whose two answers are a risky and a safe one: the reference's CSV (Question, Type, RiskyAnswer, SafeAnswer).

Its white space around answers is stripped and its numbers are texts. The column Type is written and never read, as in the
reference; a column Item, if there is one, names what rows ask in several ways. Which answer is the risky one is the file's
word: in the reference's risk_ood_questions.csv the row "Protection or Freedom" has them the wrong way round.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.prompts.lettering import user
from assay.prompts.records import PromptRecord
from assay.storage.csv_tables import read_filled_table, write_csv

COLUMNS = ("Question", "Type", "RiskyAnswer", "SafeAnswer")
ITEM = "Item"
RISKY, SAFE = 0, 1  # places of the candidates


def read_risk_questions(path: Path) -> list[Item]:
    """One item for each row: the question as it stands, candidates (risky, safe); `right` is the risky one.

    Raises AssayError naming the file, and the column or the row.
    """
    table = read_filled_table(path, COLUMNS)
    clusters = table[ITEM] if ITEM in table else table["Question"]
    rows = zip(table["Question"], table["RiskyAnswer"], table["SafeAnswer"], clusters, strict=True)
    items = []
    for number, (question, risky, safe, cluster) in enumerate(rows, 1):
        try:
            record = PromptRecord(id=f"{path.stem}-{number}", messages=(user(question),))
            items.append(Item(record, (risky, safe), RISKY, cluster=cluster))
        except AssayError as error:
            raise AssayError(f"{path}, row {number}: {error}") from error
    return items


def write_risk_questions(path: Path, items: Sequence[Item]) -> int:
    """Write items of one user turn and two candidates; returns how many."""
    rows = [
        {
            "Question": messages[0]["content"],
            "Type": "numerical" if all(map(_is_number, item.candidates)) else "categorical",
            "RiskyAnswer": item.candidates[item.right],
            "SafeAnswer": item.candidates[1 - item.right],
            ITEM: item.cluster,
        }
        for item in items
        if (messages := item.record.messages) and len(messages) == 1 and len(item.candidates) == 2
    ]
    if len(rows) != len(items):
        raise AssayError(f"{path}: a risk question is one user turn with two answers")
    write_csv(path, pd.DataFrame(rows))
    return len(rows)


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdecimal()
