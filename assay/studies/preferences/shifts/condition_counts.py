"""Choices under conditions, already counted: one row per condition and pair of tasks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.storage.json_text import read_document
from assay.studies.preferences.utilities.comparisons import Comparisons

TEXTS = ("condition_id", "task_a", "task_b")
COUNTS = ("n_a", "n_b", "n_refusals", "n_total")


@dataclass(frozen=True, eq=False)
class Pairwise:
    """Counts of choices: row k is pair (task_a, task_b) under one condition; both orders of presentation are in it.

    Attributes:
        conditions: names; `condition` [m] indexes them.
        tasks: ids; `task_a` and `task_b` [m] index them.
        n_a: [m] int64, how often task_a was chosen.
        n_b: [m] int64.
        n_refusals: [m] int64.
        n_total: [m] int64, how often the pair was asked; what is missing failed.
    """

    conditions: tuple[str, ...]
    tasks: tuple[str, ...]
    condition: Ints
    task_a: Ints
    task_b: Ints
    n_a: Ints
    n_b: Ints
    n_refusals: Ints
    n_total: Ints

    @property
    def n_failed(self) -> int:
        """Questions without any answer."""
        return int((self.n_total - self.n_a - self.n_b - self.n_refusals).sum())

    def rates(self) -> Floats:
        """[conditions, tasks] share of a task's choices that fell on it, refusals left out; NaN where there is none."""
        shape = (len(self.conditions), len(self.tasks))
        wins, total = np.zeros(shape), np.zeros(shape)
        for task, won in ((self.task_a, self.n_a), (self.task_b, self.n_b)):
            np.add.at(wins, (self.condition, task), won)
            np.add.at(total, (self.condition, task), self.n_a + self.n_b)
        with np.errstate(invalid="ignore"):
            return wins / np.where(total > 0, total, np.nan)

    def comparisons(self, condition: str) -> Comparisons:
        """The counts of one condition, to fit its utilities; all tasks are numbered, asked there or not."""
        rows = self.condition == self.index_of(condition)
        return Comparisons(
            self.task_a[rows],
            self.task_b[rows],
            self.n_a[rows],
            self.n_b[rows],
            self.n_refusals[rows],
            ids=self.tasks,
        )

    def index_of(self, condition: str) -> int:
        """The number of a condition. Raises AssayError naming those that exist."""
        if condition not in self.conditions:
            raise AssayError(f"no condition {condition!r}; there are {', '.join(self.conditions)}")
        return self.conditions.index(condition)


def read_pairwise(path: Path) -> Pairwise:
    """Read .json (a list of rows, or an object with `results`), .jsonl or .parquet.

    Raises AssayError naming file, row and field for a missing or wrong value, counts above n_total, and a pair that a condition
    holds twice.
    """
    path = Path(path)
    readers = {".json": _json_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise AssayError(f"{path}: the suffix of pairwise counts must be one of {', '.join(readers)}")
    names: tuple[dict[str, int], dict[str, int]] = ({}, {})
    seen: set[tuple[int, int, int]] = set()
    table: list[tuple[int, ...]] = []
    for where, row in readers[path.suffix](path):
        texts = [_text(path, where, name, row) for name in TEXTS]
        counts = [_count(path, where, name, row) for name in COUNTS]
        if sum(counts[:3]) > counts[3]:
            raise AssayError(
                f"{path}, {where}: field 'n_total': {counts[3]} is less than n_a + n_b + n_refusals"
            )
        condition = names[0].setdefault(texts[0], len(names[0]))
        a, b = (names[1].setdefault(task, len(names[1])) for task in texts[1:])
        key = condition, min(a, b), max(a, b)
        if a == b or key in seen:
            raise AssayError(
                f"{path}, {where}: field 'task_b': {texts[1]!r} and {texts[2]!r} are one task, or occur twice under {texts[0]!r}"
            )
        seen.add(key)
        table.append((condition, a, b, *counts))
    if not table:
        raise AssayError(f"{path} holds no pairwise counts")
    return Pairwise(tuple(names[0]), tuple(names[1]), *np.array(table, np.int64).T)


def _text(path: Path, where: str, name: str, row: Mapping[str, Any]) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise AssayError(f"{path}, {where}: field '{name}': expected a text, found {value!r}")
    return value


def _count(path: Path, where: str, name: str, row: Mapping[str, Any]) -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise AssayError(f"{path}, {where}: field '{name}': expected a whole number ≥ 0, found {value!r}")
    return value


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    content = read_document(path)
    rows: Any = content.get("results") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise AssayError(f"{path}: expected a list of rows, or an object with a list under 'results'")
    yield from _numbered(path, rows)


def _jsonl_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in read_rows(path):
        yield f"line {number}", row


def _parquet_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise AssayError(f"{path} is not a Parquet file: {error}") from error
    yield from _numbered(path, rows)


def _numbered(path: Path, rows: Iterable[object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise AssayError(f"{path}, row {number}: expected an object, found {type(row).__name__}")
        yield f"row {number}", row
