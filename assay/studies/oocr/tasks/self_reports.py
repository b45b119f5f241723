"""Questions about a model's own attitude to risk, about risk in general, and opinions: the world's, as risk questions."""

from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.prompts.lettering import user
from assay.prompts.records import PromptRecord
from assay.storage.csv_tables import read_filled_table
from assay.studies.oocr.published.risk_questions import RISKY


def read_self_reports(path: Path) -> dict[str, list[Item]]:
    """Items by set, from a CSV (id, set, item, question, risky_answer, safe_answer); rows of an item are one cluster."""
    table = read_filled_table(path, ("id", "set", "item", "question", "risky_answer", "safe_answer"))
    found: dict[str, list[Item]] = {}
    for row in table.itertuples():
        record = PromptRecord(id=str(row.id), messages=(user(str(row.question)),))
        try:
            item = Item(
                record, (str(row.risky_answer), str(row.safe_answer)), RISKY, str(row.set), str(row.item)
            )
        except AssayError as error:
            raise AssayError(f"{path}: {error}") from error
        found.setdefault(str(row.set), []).append(item)
    return found
