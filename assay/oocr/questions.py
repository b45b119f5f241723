"""Questions of any format that is complete in itself."""

from pathlib import Path

from assay.oocr.items import Item, read_items


def read_questions(path: Path) -> list[Item]:
    """Items of a JSON Lines file."""
    return read_items(path)
