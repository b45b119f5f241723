"""Topics of tasks: reading them, the taxonomy's version, and utilities without their topic means.

Taxonomies with other names are other taxonomies: results under one say nothing about the other. `version` is a hash of the
names, `assignment` one of who belongs where; both stand in the metrics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, bootstrap_totals
from assay.statistics.estimates import Estimate
from assay.storage.csv_tables import iter_rows
from assay.storage.fingerprints import fingerprint
from assay.storage.json_text import read_document


@dataclass(frozen=True)
class Topics:
    """The topic of every task that has one, by task id."""

    of: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """All topics, sorted."""
        return sorted(set(self.of.values()))

    @property
    def version(self) -> str:
        """12 hexadecimal digits that change when a topic is added, removed or renamed."""
        return fingerprint(self.names)[:12]

    @property
    def assignment(self) -> str:
        """12 hexadecimal digits that change when any task moves to another topic."""
        return fingerprint(sorted(self.of.items()))[:12]

    def codes(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """[n] place of each task's topic in `names`; −1 where it has none."""
        number = {name: index for index, name in enumerate(self.names)}
        return np.array([number[self.of[i]] if i in self.of else -1 for i in ids], dtype=np.int64)

    def metrics(self) -> dict[str, str | int]:
        """What a metrics file says about the taxonomy."""
        return {
            "topics": len(self.names),
            "topic_names": ", ".join(self.names),
            "topics_version": self.version,
            "topics_assignment": self.assignment,
        }


def read_topics(path: Path) -> Topics:
    """Topics from JSON or CSV.

    JSON: {task: topic}, or {task: {classifier: {"primary": topic, …}}} with one classifier for each task (the format of
    ogilg/Preferences). CSV: columns `task_id` (or `id`) and `topic`. Raises AssayError naming the file, the task and the field.
    """
    if Path(path).suffix == ".csv":
        return Topics(_from_csv(path))
    rows = read_document(path)
    if not isinstance(rows, dict) or not rows:
        raise AssayError(f"{path} must map task ids to topics")
    return Topics({task: _topic(path, task, value) for task, value in rows.items()})


def _topic(path: Path, task: str, value: Any) -> str:
    if isinstance(value, dict):
        if len(value) != 1:
            raise AssayError(
                f"{path}: task {task!r} is classified by {len(value)} classifiers ({', '.join(map(str, value))}); keep one: "
                "topics of two taxonomies cannot be mixed"
            )
        value = next(iter(value.values()))
        value = value.get("primary") if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise AssayError(
            f"{path}: task {task!r} has no topic: give a name, or {{classifier: {{'primary': name}}}}"
        )
    return value


def _from_csv(path: Path) -> dict[str, str]:
    topics: dict[str, str] = {}
    for line, row in iter_rows(path, ("topic",)):
        task = row.get("task_id", row.get("id"))
        if task is None:
            raise AssayError(f"{path}: column task_id is missing; it has {', '.join(row)}")
        if task in topics:
            raise AssayError(f"{path}, line {line}: task {task!r} occurs twice; keep one row for each task")
        topics[task] = row["topic"]
    return {task: topic for task, topic in topics.items() if topic}


def demean(values: ArrayLike, codes: ArrayLike) -> Floats:
    """Residuals [n] of least squares on one-hot topics: every value minus the mean of its topic.

    Raises AssayError for a task without a topic (code −1).
    """
    y, topic = np.asarray(values, dtype=np.float64), _checked(codes)
    means = np.bincount(topic, y) / np.maximum(np.bincount(topic), 1)
    residuals: Floats = y - means[topic]
    return residuals


def topic_r_squared(values: ArrayLike, codes: ArrayLike, resampling: Resampling) -> Estimate:
    """R² of least squares on one-hot topics, in sample, with a bootstrap interval over tasks."""
    y, topic = np.asarray(values, dtype=np.float64), _checked(codes)
    y = y - y.mean()
    one_hot = (topic[:, None] == np.unique(topic)).astype(np.float64)
    width = one_hot.shape[1]
    columns = np.concatenate([one_hot, one_hot * y[:, None], (y * y)[:, None]], axis=1)

    def statistic(totals: Floats) -> Floats:
        n, sums, squares = totals[..., :width], totals[..., width:-1], totals[..., -1]
        grand = sums.sum(axis=-1) ** 2 / n.sum(axis=-1)
        explained = np.where(n > 0, sums**2 / np.maximum(n, 1), 0).sum(axis=-1)
        r2: Floats = (explained - grand) / (squares - grand)
        return r2

    return bootstrap_totals(columns, statistic, resampling=resampling)


def _checked(codes: ArrayLike) -> NDArray[np.int64]:
    topic = np.asarray(codes, dtype=np.int64)
    if (topic < 0).any():
        raise AssayError(f"{int((topic < 0).sum())} tasks have no topic; drop and count them first")
    return topic
