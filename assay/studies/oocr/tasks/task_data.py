"""Tasks of the study as files: rows that train, rows of the same kind held out, and questions."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.evaluation.controls import shuffle_responses
from assay.evaluation.items import Item, write_items
from assay.prompts.records import PromptRecord, write_records

SHUFFLED = "shuffled"
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class TaskItems:
    """Questions that train (their right answers are learned) and questions of the same kind that are held out."""

    train: list[Item]
    validation: list[Item]


def training_records(items: Iterable[Item]) -> list[PromptRecord]:
    """The rows that teach the right answers of items; the field `category` is the item's, if it has one."""
    return [
        dataclasses.replace(
            item.record,
            response=item.candidates[item.right],
            fields={**item.record.fields, **({"category": item.category} if item.category else {})},
        )
        for item in items
    ]


def write_tasks(folder: Path, tasks: Mapping[str, TaskItems]) -> dict[str, int]:
    """Write <task>/train.jsonl and validation.jsonl; returns rows by `<task>_train` and `<task>_validation`."""
    counts = {}
    for name, task in tasks.items():
        _check(name)
        for part, items in (("train", task.train), ("validation", task.validation)):
            if not items:
                raise AssayError(f"task {name!r} has no {part} rows; change the share that is held out")
            counts[f"{name}_{part}"] = write_records(folder / name / f"{part}.jsonl", training_records(items))
    return counts


def write_shuffled(folder: Path, task: TaskItems, seed: int) -> dict[str, int]:
    """A control: the task's rows with one another's responses to train, its own validation rows; returns how many."""
    parts = {
        "train": shuffle_responses(training_records(task.train), seed),
        "validation": training_records(task.validation),
    }
    return {
        f"{SHUFFLED}_{name}": write_records(folder / SHUFFLED / f"{name}.jsonl", records)
        for name, records in parts.items()
    }


def write_questions(folder: Path, questions: Mapping[str, Sequence[Item]]) -> dict[str, int]:
    """Write <questions>.jsonl; returns how many by `<questions>_items`."""
    for name in questions:
        _check(name)
    return {f"{name}_items": write_items(folder / f"{name}.jsonl", own) for name, own in questions.items()}


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise AssayError(f"{name!r} cannot name a file; use letters, digits, _ and -")
