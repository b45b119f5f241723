"""Files of measured choices: YAML as ogilg/Preferences writes it, CSV, JSON Lines and Parquet.

All hold one row per choice with `task_a` (shown first), `task_b` and `choice` (a, b or refusal); further fields are passed over.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.studies.preferences.utilities.comparisons import CHOICES, Comparisons

FIELDS = ("task_a", "task_b", "choice")

_Row = tuple[str, object, object, object]
"""(where, task_a, task_b, choice) as found."""

_YAML_FIELD = re.compile(r"(- |  )([A-Za-z_]\w*):(?: (.*))?$")
_CODES = {choice: code for code, choice in enumerate(CHOICES)}


def read_comparisons(path: Path) -> Comparisons:
    """Count the choices of a file; the suffix (.yaml, .yml, .csv, .jsonl, .parquet) says its format.

    Tasks are numbered in the order in which they occur first (see `Comparisons.reordered`), and so are pairs. Raises AssayError
    that names file, line and field.
    """
    readers = {
        ".yaml": _yaml_rows,
        ".yml": _yaml_rows,
        ".csv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".parquet": _parquet_rows,
    }
    path = Path(path)
    if path.suffix not in readers:
        raise AssayError(
            f"{path}: cannot tell the format of measurements; the suffix must be one of {', '.join(readers)}"
        )
    if not path.is_file():
        raise AssayError(f"{path} does not exist; check the path, or measure first")
    numbers: dict[str, int] = {}
    columns: tuple[list[int], list[int], list[int]] = ([], [], [])
    for where, task_a, task_b, choice in readers[path.suffix](path):
        tasks = [_task(path, where, name, task) for name, task in (("task_a", task_a), ("task_b", task_b))]
        if tasks[0] == tasks[1]:
            raise AssayError(f"{path}, {where}: field 'task_b': {tasks[0]!r} is compared with itself")
        if not isinstance(choice, str) or choice not in _CODES:
            raise AssayError(
                f"{path}, {where}: field 'choice': expected one of {', '.join(CHOICES)}, found {choice!r}"
            )
        for column, task in zip(columns, tasks, strict=False):
            column.append(numbers.setdefault(task, len(numbers)))
        columns[2].append(_CODES[choice])
    if not numbers:
        raise AssayError(f"{path} holds no choice")
    return Comparisons.from_choices(tuple(numbers), *(np.array(column, np.int64) for column in columns))


def _task(path: Path, where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        found = "nothing" if value in (None, "") else repr(value)
        raise AssayError(f"{path}, {where}: field '{name}': expected a task id, found {found}")
    return value


def _yaml_rows(path: Path) -> Iterator[_Row]:
    """A block list of flat mappings, read line by line: 20 times as fast as a general YAML reader."""
    row: dict[str, str] = {}
    began, name = 0, ""
    try:
        with open(path, encoding="utf-8") as handle:
            for number, line in enumerate(handle, 1):
                found = _YAML_FIELD.match(line.rstrip("\n"))
                if found is None:
                    if name and name not in FIELDS and (not line.strip() or line.startswith("    ")):
                        continue  # a long text goes on
                    if line.startswith("#") or not line.strip() or line.strip() in ("---", "[]"):
                        continue
                    raise AssayError(
                        f"{path}, line {number}: expected '- field: value' or '  field: value', found {line.strip()[:60]!r}"
                    )
                if found[1] == "- ":
                    if began:
                        yield _yaml_row(row, began)
                    row, began = {}, number
                elif not began:
                    raise AssayError(f"{path}, line {number}: expected a list, whose items begin with '- '")
                name = found[2]
                if name in FIELDS:
                    row[name] = _yaml_scalar(path, number, name, found[3] or "")
            if began:
                yield _yaml_row(row, began)
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text: {error}") from error


def _yaml_row(row: dict[str, str], line: int) -> _Row:
    return f"line {line}", row.get("task_a"), row.get("task_b"), row.get("choice")


def _yaml_scalar(path: Path, line: int, name: str, text: str) -> str:
    """A plain, single-quoted or double-quoted scalar of one line."""
    text = text.strip()
    if text[:1] not in "'\"|>[{&*!%@`":
        return text
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text[:1] == '"':
        try:
            return str(json.loads(text))
        except json.JSONDecodeError:
            pass
    raise AssayError(
        f"{path}, line {line}: field '{name}': expected a plain or quoted text, found {text[:60]!r}"
    )


def _csv_rows(path: Path) -> Iterator[_Row]:
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = [name for name in FIELDS if name not in (reader.fieldnames or ())]
            if missing:
                raise AssayError(f"{path}, line 1: column {', '.join(map(repr, missing))} is missing")
            for row in reader:
                yield f"line {reader.line_num}", row["task_a"], row["task_b"], row["choice"]
    except (csv.Error, UnicodeDecodeError) as error:
        raise AssayError(f"{path} is not a CSV table: {error}") from error


def _jsonl_rows(path: Path) -> Iterator[_Row]:
    for number, row in read_rows(path):
        yield f"line {number}", row.get("task_a"), row.get("task_b"), row.get("choice")


def _parquet_rows(path: Path) -> Iterator[_Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            missing = [name for name in FIELDS if name not in file.schema_arrow.names]
            if missing:
                raise AssayError(f"{path}: column {', '.join(map(repr, missing))} is missing")
            number = 0
            for batch in file.iter_batches(columns=list(FIELDS)):
                for values in zip(*(batch.column(name).to_pylist() for name in FIELDS), strict=True):
                    number += 1
                    yield f"row {number}", values[0], values[1], values[2]
    except (pyarrow.ArrowException, OSError) as error:
        raise AssayError(f"{path} is not a Parquet file: {error}") from error
