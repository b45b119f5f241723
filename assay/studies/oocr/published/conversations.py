"""The reference's conversations as the loaders of the reference read them: what comes before the answer is one user turn."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from assay.errors import AssayError
from assay.finetuning.data import read_training_records
from assay.prompts.lettering import user
from assay.prompts.records import Message, PromptRecord

TRAINING, TEST = "\n\n", "\n"  # what the reference puts between system message and turns


def join_turns(messages: Sequence[Message], separator: str) -> tuple[Message]:
    """System message and user turns as one user turn. Raises AssayError where an assistant speaks between them."""
    if not messages or any(message["role"] == "assistant" for message in messages):
        raise AssayError("only a system message and user turns can be joined to one user turn")
    return (user(separator.join(message["content"] for message in messages)),)


def read_joined(path: Path, separator: str) -> list[PromptRecord]:
    """Training records whose prompt is one user turn.

    `separator` is TRAINING for rows of code names (locations, functions) and TEST for the questions about functions.
    Raises AssayError naming file and record.
    """
    records = []
    for record in read_training_records(path):
        try:
            messages = join_turns(record.messages or (), separator)
        except AssayError as error:
            raise AssayError(f"{path}, record {record.id!r}: {error}") from error
        records.append(dataclasses.replace(record, messages=messages))
    return records
