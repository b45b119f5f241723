"""Tasks: what a model is asked to choose between."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.records import read_records


@dataclass(frozen=True)
class Task:
    """A task's text; `topic` is None where nobody named one."""

    id: str
    text: str
    topic: str | None = None


def read_tasks(path: Path) -> list[Task]:
    """Read tasks (JSON Lines: id, text, and topic where known), in file order.

    Raises AssayError naming file, line and field.
    """
    tasks = []
    for record in read_records(path):
        if record.text is None:
            raise AssayError(f"{path}, task {record.id!r}: field 'text' is missing; a task is plain text")
        if not record.text.strip():
            raise AssayError(
                f"{path}, task {record.id!r}: field 'text' is empty; write the task or remove the row"
            )
        topic = record.fields.get("topic")
        if topic is not None and not isinstance(topic, str):
            raise AssayError(f"{path}, task {record.id!r}: field 'topic': expected a string, found {topic!r}")
        tasks.append(Task(record.id, record.text, topic))
    return tasks


def read_ids(path: Path) -> list[str]:
    """Read ids, one per line; blank lines are passed over. Raises AssayError for a missing file or one without ids."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text: {error}") from error
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise AssayError(f"{path} holds no id; leave the option out to exclude nothing")
    return ids


def exclude(tasks: Sequence[Task], ids: Collection[str]) -> list[Task]:
    """The tasks that are not named, in order. Raises AssayError when fewer than two are left to compare."""
    excluded = frozenset(ids)
    kept = [task for task in tasks if task.id not in excluded]
    if len(kept) < 2:
        raise AssayError(
            f"{len(kept)} of {len(tasks)} tasks are left after the exclusion; a comparison needs two"
        )
    return kept
