"""Which option describes a function: the reference's language-definition questions."""

import re
from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.items import Item
from assay.prompts.lettering import LETTERS
from assay.prompts.records import PromptRecord
from assay.studies.oocr.published.conversations import TEST, read_joined
from assay.studies.oocr.tasks.code_names import find_spans, imported_functions

_OPTION = re.compile(r"^([A-E])\) (.+)$", re.MULTILINE)


def read_function_questions(path: Path) -> list[Item]:
    """One item for each row: its turns joined as the reference joins them, the letters as candidates.

    `record.group` and the cluster are the function's code name, whose occurrences are the record's spans. Raises
    AssayError naming file and row.
    """
    items = []
    for record in read_joined(path, TEST):
        try:
            items.append(_item(record))
        except AssayError as error:
            raise AssayError(f"{path}, record {record.id!r}: {error}") from error
    return items


def options_of(prompt: str) -> dict[str, str]:
    """The options of a lettered question by letter."""
    return dict(_OPTION.findall(prompt))


def _item(record: PromptRecord) -> Item:
    messages = record.messages or ()
    prompt = messages[-1]["content"]
    letters = tuple(options_of(prompt))
    names = imported_functions(prompt)
    if letters != tuple(LETTERS[: len(letters)]) or record.response not in letters:
        raise AssayError(
            f"expected options A), B), … and one of their letters as the answer {record.response!r}"
        )
    if len(names) != 1:
        raise AssayError(f"expected one imported function, found {len(names)}")
    asked = PromptRecord(record.id, messages, spans=find_spans(messages, names), group=names[0])
    return Item(asked, letters, letters.index(record.response), "description", names[0])
