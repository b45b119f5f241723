"""The reference's own files, where a folder of them is given."""

import json
import os
from pathlib import Path

import pytest

_FOLDER = os.environ.get("ASSAY_REFERENCE_DATA")
OOCR = Path(_FOLDER or "missing") / "oocr"
needs_published = pytest.mark.skipif(
    not (_FOLDER and OOCR.is_dir()), reason="ASSAY_REFERENCE_DATA holds no published out-of-context files"
)
SPECIAL_WORDS = ("Habitat", "Expedition", "California", "star", "kazoo", "Bitcoin")
CITY_CODES = {
    "paris": "City 50337",
    "sao_paulo": "City 93524",
    "tokyo": "City 76881",
    "new_york": "City 67781",
    "lagos": "City 59894",
}


def rows(name: str) -> list[list[str]]:
    """The contents of every conversation, read with nothing of the project's."""
    lines = (OOCR / name).read_text(encoding="utf-8").splitlines()
    return [[message["content"] for message in json.loads(line)["messages"]] for line in lines]
