"""Questions of any format that is complete in itself."""

from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.items import Item, read_items
from assay.prompts.records import read_rows
from assay.storage.csv_tables import read_table
from assay.studies.oocr.published.function_questions import read_function_questions
from assay.studies.oocr.published.risk_questions import COLUMNS, read_risk_questions


def read_questions(path: Path) -> list[Item]:
    """Items of a JSON Lines file, of the reference's function questions (conversations) or of a risk CSV.

    Raises AssayError naming the file and what is wrong. Questions about cities need names to ask them with; see
    `assay.studies.oocr.published.city_questions`.
    """
    if path.suffix == ".csv":
        if not set(COLUMNS) & set(read_table(path, ())):
            raise AssayError(
                f"{path} has none of the columns {', '.join(COLUMNS)}; make items of questions about cities with "
                "`python -m stages.oocr.city_questions`"
            )
        return read_risk_questions(path)
    _, first = next(read_rows(path), (0, None))
    if first is None:
        raise AssayError(f"{path} holds no question; write at least one JSON object per line")
    return read_items(path) if "candidates" in first else read_function_questions(path)
