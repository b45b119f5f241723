"""The texts of tasks, from the formats they come in."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.storage.csv_tables import iter_rows
from assay.storage.json_text import read_document, shape

_IDS = ("task_id", "id")
_TEXTS = ("prompt", "text")


def read_texts(path: Path) -> dict[str, str]:
    """Text of every task by id, in file order.

    JSON (a list of rows), JSONL or CSV. A row has `task_id` or `id`, and `prompt`, `text` or `messages` (the last user
    message is taken); other fields are ignored. Raises AssayError naming the file, the row and the field.
    """
    texts: dict[str, str] = {}
    for number, row in enumerate(_rows(Path(path)), start=1):
        if not isinstance(row, dict):
            raise AssayError(
                f"{path}, row {number}: a task must be an object with an id and a text, this is {shape(row)}"
            )
        task = next((row[name] for name in _IDS if name in row), None)
        text = next((row[name] for name in _TEXTS if name in row), _last_user(row.get("messages")))
        if not isinstance(task, str) or not task:
            raise AssayError(f"{path}, row {number}: no 'task_id' or 'id' that is a text; it is {shape(row)}")
        if not isinstance(text, str):
            raise AssayError(
                f"{path}, row {number} ({task}): no 'prompt', 'text' or user message; it is {shape(row)}"
            )
        if task in texts:
            raise AssayError(f"{path}, row {number}: task {task!r} occurs twice")
        texts[task] = text
    return texts


def read_topic_field(path: Path) -> dict[str, str]:
    """The field `topic` of every task that has one, by id. Raises AssayError naming the file, the row and the task."""
    topics: dict[str, str] = {}
    for number, row in enumerate(_rows(Path(path)), start=1):
        task = next((row[name] for name in _IDS if name in row), None)
        topic = row.get("topic")
        if topic is None:
            continue
        if not isinstance(topic, str) or not topic:
            raise AssayError(
                f"{path}, row {number} ({task}): field 'topic': expected a name, found {topic!r}"
            )
        topics[str(task)] = topic
    return topics


def _rows(path: Path) -> Iterable[Any]:
    if path.suffix == ".csv":
        return [row for _, row in iter_rows(path, ())]
    if path.suffix == ".jsonl":
        return [row for _, row in read_rows(path)]
    rows = read_document(path)
    if not isinstance(rows, list):
        raise AssayError(f"{path} must hold a list of tasks, it holds {shape(rows)[:200]}")
    return rows


def _last_user(messages: Any) -> Any:
    if not isinstance(messages, list):
        return None
    said = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    return said[-1] if said else None
