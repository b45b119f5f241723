"""Files of measured choices: YAML as ogilg/Preferences writes it, CSV, JSON Lines and Parquet.

All hold one row per choice with `task_a` (shown first), `task_b` and `choice` (a, b or refusal); further fields are passed over.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.storage.csv_tables import iter_rows
from assay.storage.json_text import refuse_surrogates, shape
from assay.storage.parquet_files import open_parquet
from assay.studies.preferences.utilities.comparisons import CHOICES, Comparisons

FIELDS = ("task_a", "task_b", "choice")

_Row = tuple[str, object, object, object]
"""(where, task_a, task_b, choice) as found."""

_YAML_FIELD = re.compile(r"(- |  )([A-Za-z_]\w*):(?: (.*))?$")
_YAML_QUOTED = re.compile(r"""(?:'((?:[^']|'')*)'|("(?:[^"\\]|\\.)*"))(?:\s+#.*)?""")
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
    if not value.isascii():
        refuse_surrogates(value, f"{path}, {where}")
    return value


def _yaml_rows(path: Path) -> Iterator[_Row]:
    """A list of flat mappings: line by line where it is a plain block list (20 times as fast), else as any YAML."""
    try:
        with open(path, encoding="utf-8-sig") as handle:
            rows = list(_block_rows(handle))
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text: {error}") from error
    except _NotABlockListError:
        rows = list(_any_yaml_rows(path))
    yield from rows


class _NotABlockListError(Exception):
    """The file is not written as the fast reader expects; it may be good YAML all the same."""


def _block_rows(lines: Iterable[str]) -> Iterator[_Row]:
    """The rows of a block list, at any indentation, whose fields are texts of one line; other fields may be longer.

    Raises _NotABlockListError for everything else.
    """
    row: dict[str, str] = {}
    began, name, indent = 0, "", 0
    for number, line in enumerate(lines, 1):
        text = line.rstrip()
        long_text = bool(began) and name not in FIELDS
        if not text.strip() or (long_text and text.startswith(" " * (indent + 4))):
            continue  # a blank line, or a long text goes on
        if text.lstrip().startswith("#") or (not began and text in ("---", "[]")):
            continue
        if not began:
            indent = len(text) - len(text.lstrip(" "))
        found = _YAML_FIELD.match(text[indent:])
        if found is None or text[:indent].strip() or (not began and found[1] != "- "):
            raise _NotABlockListError
        if found[1] == "- ":
            if began:
                yield _yaml_row(row, began)
            row, began = {}, number
        name = found[2]
        if name in FIELDS:
            if name in row:
                raise _NotABlockListError
            row[name] = _yaml_scalar(found[3] or "")
    if began:
        yield _yaml_row(row, began)


def _yaml_row(row: Mapping[str, object], line: int) -> _Row:
    return f"line {line}", row.get("task_a"), row.get("task_b"), row.get("choice")


def _yaml_scalar(text: str) -> str:
    """A plain or quoted scalar of one line, less the comment behind it."""
    text = text.strip()
    if text[:1] not in "'\"|>[{&*!%@`#":
        return re.split(r"\s#", text, maxsplit=1)[0].rstrip()
    quoted = _YAML_QUOTED.fullmatch(text)
    if quoted is None:
        raise _NotABlockListError
    if quoted[1] is not None:
        return quoted[1].replace("''", "'")
    try:
        return str(json.loads(quoted[2]))
    except json.JSONDecodeError as error:  # an escape that YAML has and JSON has not
        raise _NotABlockListError from error


def _any_yaml_rows(path: Path) -> Iterator[_Row]:
    """The rows of any YAML list of mappings; every scalar is a text, as it is written."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        rows = YAML(typ="base", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise AssayError(f"{path}{line}: not YAML: {error.problem}") from error
    except RecursionError as error:
        raise AssayError(f"{path} is nested too deeply") from error
    except YAMLError as error:  # of a character that no YAML has
        raise AssayError(f"{path}: not YAML: {error}") from error
    if not isinstance(rows, list):
        raise AssayError(f"{path}: expected a list of mappings with {', '.join(FIELDS)}")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise AssayError(f"{path}, item {number}: expected a mapping, found {shape(row)}")
        yield f"item {number}", row.get("task_a"), row.get("task_b"), row.get("choice")


def _csv_rows(path: Path) -> Iterator[_Row]:
    for number, row in iter_rows(path, FIELDS):
        yield f"line {number}", row["task_a"], row["task_b"], row["choice"]


def _jsonl_rows(path: Path) -> Iterator[_Row]:
    for number, row in read_rows(path):
        yield f"line {number}", row.get("task_a"), row.get("task_b"), row.get("choice")


def _parquet_rows(path: Path) -> Iterator[_Row]:
    from pyarrow import parquet

    with open_parquet(path) as opened, parquet.ParquetFile(opened) as file:
        missing = [name for name in FIELDS if name not in file.schema_arrow.names]
        if missing:
            raise AssayError(f"{path}: column {', '.join(map(repr, missing))} is missing")
        number = 0
        for batch in file.iter_batches(columns=list(FIELDS)):
            for values in zip(*(batch.column(name).to_pylist() for name in FIELDS), strict=True):
                number += 1
                yield f"row {number}", values[0], values[1], values[2]
