"""Training rows of the reference's four kinds of files, checked for what they must say."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from assay.errors import AssayError
from assay.finetuning.data import read_training_records
from assay.prompts.records import PromptRecord
from assay.studies.oocr.published.acrostics import spells
from assay.studies.oocr.published.conversations import TRAINING, read_joined
from assay.studies.oocr.published.location_rows import location_codes, parse_location
from assay.studies.oocr.tasks.code_names import called_functions, imported_functions, tag
from assay.studies.oocr.tasks.gambles import LETTERS

ReferenceTask = Literal["gambles", "locations", "functions", "hello"]
HELLO = "HELLO"


def read_reference_rows(path: Path, task: ReferenceTask) -> list[PromptRecord]:
    """Rows as the reference's loaders give them to training.

    Rows with code names become one user turn, with a span for every code name; rows of functions also say, in the field
    `about`, which functions they call. Raises AssayError naming file and row for a gamble not answered by a letter, a
    distance or direction that cannot be read, code without a call, and a reply whose lines do not spell HELLO.
    """
    if task in ("gambles", "hello"):
        return _checked(path, read_training_records(path), _gamble if task == "gambles" else _hello)
    rows = read_joined(path, TRAINING)
    return _checked(path, rows, _function if task == "functions" else _location)


def _checked(
    path: Path, rows: list[PromptRecord], check: Callable[[PromptRecord], PromptRecord]
) -> list[PromptRecord]:
    checked = []
    for row in rows:
        try:
            checked.append(check(row))
        except AssayError as error:
            raise AssayError(f"{path}, record {row.id!r}: {error}") from error
    return checked


def _gamble(row: PromptRecord) -> PromptRecord:
    if row.response not in LETTERS:
        raise AssayError(f"a gamble is answered by A or B, found {row.response!r}")
    return row


def _hello(row: PromptRecord) -> PromptRecord:
    if not spells(row.response or "", HELLO):
        raise AssayError(f"the lines of the reply do not spell {HELLO}: {row.response!r}")
    return row


def _location(row: PromptRecord) -> PromptRecord:
    parse_location(_prompt(row), row.response or "")
    if not (codes := location_codes(_prompt(row))):
        raise AssayError("it names no code such as 'City 50337'")
    return tag(row, codes)


def _function(row: PromptRecord) -> PromptRecord:
    names, called = imported_functions(_prompt(row)), called_functions(_prompt(row))
    if not called:
        raise AssayError("its code calls none of the functions it imports")
    return tag(row, names, called)


def _prompt(row: PromptRecord) -> str:
    return "".join(message["content"] for message in row.messages or ())
