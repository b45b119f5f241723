"""Choices under conditions, already counted: one row per condition and pair of tasks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.statistics.choices import Choices
from assay.storage.json_text import read_document, shape
from assay.storage.parquet_files import open_parquet
from assay.studies.preferences.utilities.comparisons import Comparisons

TEXTS = ("condition_id", "task_a", "task_b")
COUNTS = ("n_a", "n_b", "n_refusals", "n_total")


Row = tuple[str, str, str, int, int, int, int]
"""Values of TEXTS and COUNTS."""


@dataclass(frozen=True, eq=False)
class ConditionChoices:
    """Choices under conditions: row k is a pair of tasks under one condition; both orders of presentation are in it.

    Attributes:
        conditions: names; `condition` [m] indexes them.
        tasks: ids, which `choices` numbers.
        choices: of row k, task_a first.
        n_total: [m] int64, how often the pair was asked; what is missing failed.
    """

    conditions: tuple[str, ...]
    tasks: tuple[str, ...]
    condition: Ints
    choices: Choices
    n_total: Ints

    @classmethod
    def of_rows(cls, rows: Iterable[Row]) -> Self:
        """Conditions and tasks are numbered in the order in which they occur first."""
        conditions: dict[str, int] = {}
        tasks: dict[str, int] = {}
        table = []
        for condition_id, task_a, task_b, *numbers in rows:
            place = conditions.setdefault(condition_id, len(conditions))
            pair = (tasks.setdefault(task, len(tasks)) for task in (task_a, task_b))
            table.append((place, *pair, *numbers))
        condition, *choices, n_total = np.array(table, np.int64).T
        return cls(tuple(conditions), tuple(tasks), condition, Choices(*choices), n_total)

    def rows(self) -> list[Row]:
        """What `of_rows` was made of."""
        return [
            (self.conditions[condition], self.tasks[a], self.tasks[b], *counts, total)
            for condition, a, b, *counts, total in np.stack(
                [self.condition, *self.choices.columns, self.n_total], axis=1
            ).tolist()
        ]

    @property
    def n_failed(self) -> int:
        """Questions without any answer."""
        return int((self.n_total - self.choices.answers).sum())

    def rates(self) -> Floats:
        """[conditions, tasks] share of a task's choices that fell on it, refusals left out; NaN where there is none."""
        shape = (len(self.conditions), len(self.tasks))
        wins, total = np.zeros(shape), np.zeros(shape)
        found = self.choices
        for task, won in ((found.first, found.first_wins), (found.second, found.second_wins)):
            np.add.at(wins, (self.condition, task), won)
            np.add.at(total, (self.condition, task), found.made)
        with np.errstate(invalid="ignore"):
            return wins / np.where(total > 0, total, np.nan)

    def asked(self) -> NDArray[np.bool_]:
        """[conditions, tasks] whether a task was in a pair."""
        asked = np.zeros((len(self.conditions), len(self.tasks)), bool)
        for task in (self.choices.first, self.choices.second):
            asked[self.condition, task] = True
        return asked

    def comparisons(self, condition: str) -> Comparisons:
        """The counts of one condition, to fit its utilities; all tasks are numbered, asked there or not."""
        rows = self.condition == self.index_of(condition)
        return Comparisons(*self.choices.take(rows).columns, ids=self.tasks)

    def index_of(self, condition: str) -> int:
        """The number of a condition. Raises AssayError naming those that exist."""
        return _index_of(self.conditions, condition)


@dataclass(frozen=True, eq=False)
class TaskRates:
    """Shares already computed: of `conditions` and `tasks`, [conditions, tasks] `shares`, NaN where none is given."""

    conditions: tuple[str, ...]
    tasks: tuple[str, ...]
    shares: Floats

    def rates(self) -> Floats:
        """The shares."""
        return self.shares

    def asked(self) -> NDArray[np.bool_]:
        """[conditions, tasks] whether there is a share."""
        return np.isfinite(self.shares)

    def index_of(self, condition: str) -> int:
        """The number of a condition. Raises AssayError naming those that exist."""
        return _index_of(self.conditions, condition)


def read_behaviour(path: Path) -> "ConditionChoices | TaskRates":
    """Counts as `read_condition_choices` reads them, or published JSON {condition: {"task_rates": {task: {"p_choose": share}}}}.

    The conditions may stand under `results` or `conditions`. Raises AssayError naming the file, condition and task of a share
    that is no number from 0 to 1 (null and NaN: nothing was answered).
    """
    if path.suffix != ".json":
        return read_condition_choices(path)
    content = read_document(path)
    if isinstance(content, dict):
        content = content.get("results", content.get("conditions", content))
    if not isinstance(content, dict):
        return read_condition_choices(path)
    shares: dict[tuple[str, str], float] = {}
    for condition, entry in content.items():
        rates = entry.get("task_rates") if isinstance(entry, dict) else None
        if not isinstance(rates, dict):
            raise AssayError(
                f"{path}, condition {condition!r}: expected 'task_rates', found {shape(entry)[:200]}"
            )
        for task, rate in rates.items():
            value = rate.get("p_choose") if isinstance(rate, dict) else rate
            shares[condition, task] = _share(f"{path}, condition {condition!r}, task {task!r}", value)
    conditions, tasks = (tuple(dict.fromkeys(key[place] for key in shares)) for place in (0, 1))
    if not shares:
        raise AssayError(f"{path} holds no task_rates")
    return TaskRates(
        conditions, tasks, np.array([[shares.get((c, t), np.nan) for t in tasks] for c in conditions])
    )


def _share(where: str, value: Any) -> float:
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value > 1:
        raise AssayError(f"{where}: field 'p_choose': expected a share from 0 to 1, found {value!r}")
    return float(value)


def read_condition_choices(path: Path) -> ConditionChoices:
    """Read .json (a list of rows, or an object with `results`), .jsonl or .parquet.

    Raises AssayError naming file, row and field for a missing or wrong value, counts above n_total, and a pair that a condition
    holds twice.
    """
    path = Path(path)
    readers = {".json": _json_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise AssayError(f"{path}: the suffix of pairwise counts must be one of {', '.join(readers)}")
    seen: set[tuple[str, frozenset[str]]] = set()
    table: list[Row] = []
    for where, row in readers[path.suffix](path):
        condition, a, b = (_text(path, where, name, row) for name in TEXTS)
        n_a, n_b, n_refusals, n_total = (_count(path, where, name, row) for name in COUNTS)
        if n_a + n_b + n_refusals > n_total:
            raise AssayError(
                f"{path}, {where}: field 'n_total': {n_total} is less than n_a + n_b + n_refusals"
            )
        key = condition, frozenset((a, b))
        if a == b or key in seen:
            raise AssayError(
                f"{path}, {where}: field 'task_b': {a!r} and {b!r} are one task, or occur twice under {condition!r}"
            )
        seen.add(key)
        table.append((condition, a, b, n_a, n_b, n_refusals, n_total))
    if not table:
        raise AssayError(f"{path} holds no pairwise counts")
    return ConditionChoices.of_rows(table)


def _index_of(conditions: tuple[str, ...], condition: str) -> int:
    if condition not in conditions:
        raise AssayError(f"no condition {condition!r}; there are {', '.join(conditions)}")
    return conditions.index(condition)


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
    from pyarrow import parquet

    with open_parquet(path) as file:
        rows = parquet.read_table(file).to_pylist()
    yield from _numbered(path, rows)


def _numbered(path: Path, rows: Iterable[object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise AssayError(f"{path}, row {number}: expected an object, found {type(row).__name__}")
        yield f"row {number}", row
