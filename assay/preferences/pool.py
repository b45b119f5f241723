"""The pool of tasks that are compared: those of a file, less the ones that another measurement keeps for itself."""

from collections.abc import Collection, Mapping
from pathlib import Path

from assay.errors import AssayError


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


def exclude(texts: Mapping[str, str], ids: Collection[str]) -> dict[str, str]:
    """The tasks (text by id) that are not named, in order.

    Raises AssayError when fewer than two are left to compare, and for one whose text is empty.
    """
    excluded = frozenset(ids)
    kept = {task: text for task, text in texts.items() if task not in excluded}
    if len(kept) < 2:
        raise AssayError(
            f"{len(kept)} of {len(texts)} tasks are left after the exclusion; a comparison needs two"
        )
    for task, text in kept.items():
        if not text.strip():
            raise AssayError(f"the text of task {task!r} is empty; write it, or exclude the task")
    return kept
