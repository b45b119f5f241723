"""What the world stage wrote, read back: examples and invented words."""

from pathlib import Path

from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.storage.csv_tables import iter_rows
from assay.world.examples import Example, parse_example


def read_names(folder: Path) -> list[str]:
    """The world's invented words. Raises AssayError when the world was not written."""
    path = folder / "names.csv"
    if not path.is_file():
        raise AssayError(f"{path} does not exist; run the world stage first")
    return [row["name"] for _, row in iter_rows(path, ("name",))]


def read_examples(path: Path) -> list[Example]:
    """Examples of a JSON Lines file. Raises AssayError naming file and line."""
    examples = []
    for number, row in read_rows(path):
        try:
            examples.append(parse_example(row))
        except AssayError as error:
            raise AssayError(f"{path}, line {number}: {error}") from error
    if not examples:
        raise AssayError(f"{path} holds no example; run the world stage")
    return examples
