"""System prompts that may change preferences, and which tasks to compare under them.

Under each condition some target tasks meet the same anchors; a target's behavioural delta is how much more often it is chosen
than under the baseline prompt. Half of the targets are tasks that the condition is about, where that is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from assay.errors import AssayError
from assay.storage.csv_tables import parse_boolean, read_table

BASELINE = "baseline"


@dataclass(frozen=True)
class SystemPrompt:
    """A condition; `kind` says what it is about, `trained` whether the model saw it in training (False if unknown)."""

    id: str
    kind: str
    text: str
    trained: bool


@dataclass(frozen=True)
class Comparison:
    """`targets` meet `anchors` under the condition, and under the baseline."""

    condition: SystemPrompt
    targets: tuple[str, ...]


def read_conditions(path: Path) -> list[SystemPrompt]:
    """Conditions of a CSV with id, kind, system_prompt and optionally trained (true, yes or 1, or not).

    Raises AssayError naming file and column.
    """
    table = read_table(path, ("id", "kind", "system_prompt"))
    if table["id"].duplicated().any():
        raise AssayError(f"{path}: condition {table['id'][table['id'].duplicated()].iloc[0]!r} occurs twice")
    if (table["id"] == BASELINE).any():
        raise AssayError(
            f"{path}: the name {BASELINE!r} is taken by the neutral prompt; rename the condition"
        )
    trained = table["trained"] if "trained" in table else pd.Series("False", index=table.index)
    return [
        SystemPrompt(name, kind, text, parse_boolean(f"{path}, condition {name!r}, field 'trained'", seen))
        for name, kind, text, seen in zip(
            table["id"], table["kind"], table["system_prompt"], trained, strict=True
        )
    ]


def read_shifts(path: Path, topics: Mapping[str, str] | None = None) -> dict[tuple[str, str], float]:
    """What (condition, task) adds to the utility, from a CSV with condition_id, task_id, shift; pairs not named: 0.

    A CSV with the column topic in place of task_id gives it for every task of a topic, by `topics` (task → topic). Raises
    AssayError naming file and column, and for a topic that no task has.
    """
    columns = ("condition_id", "shift")
    table = read_table(path, columns)
    try:
        values = [float(value) for value in table["shift"]]
    except ValueError as error:
        raise AssayError(f"{path}: column 'shift': {error}") from error
    if "task_id" in table or "topic" not in table:
        named = read_table(path, (*columns, "task_id"))["task_id"]
        return dict(zip(zip(table["condition_id"], named, strict=True), values, strict=True))
    members: dict[str, list[str]] = {}
    for task, topic in (topics or {}).items():
        members.setdefault(topic, []).append(task)
    if unknown := [topic for topic in table["topic"] if topic not in members]:
        raise AssayError(f"{path}: no task has the topic {unknown[0]!r}; give a topic of the tasks")
    rows = zip(table["condition_id"], table["topic"], values, strict=True)
    return {(condition, task): shift for condition, topic, shift in rows for task in members[topic]}


def choose_conditions(
    conditions: Sequence[SystemPrompt], count: int, rng: np.random.Generator
) -> list[SystemPrompt]:
    """At most `count` conditions of every kind, trained and novel ones counted apart, at random."""
    groups: dict[tuple[str, bool], list[SystemPrompt]] = {}
    for condition in conditions:
        groups.setdefault((condition.kind, condition.trained), []).append(condition)
    return [members[i] for members in groups.values() for i in sorted(rng.permutation(len(members))[:count])]


def compare(
    conditions: Sequence[SystemPrompt],
    tasks: Sequence[str],
    shifts: Mapping[tuple[str, str], float],
    *,
    targets: int,
    rng: np.random.Generator,
) -> list[Comparison]:
    """For each condition up to half of `targets` among the tasks it shifts, the rest from those of other conditions.

    Other conditions' targets are asked under the baseline anyway, so they cost nothing there.
    """
    about = {
        c.id: [task for task in _shuffled(tasks, rng) if shifts.get((c.id, task))][: targets // 2]
        for c in conditions
    }
    pool = list(dict.fromkeys(task for own in about.values() for task in own)) or list(tasks)
    comparisons = []
    for condition in conditions:
        own = about[condition.id]
        rest = [t for t in _shuffled(pool, rng) if t not in own and not shifts.get((condition.id, t))]
        comparisons.append(Comparison(condition, (*own, *rest[: targets - len(own)])))
    return comparisons


def choose_anchors(
    tasks: Sequence[str], topics: Mapping[str, str], count: int, rng: np.random.Generator
) -> list[str]:
    """Tasks that every target meets, from as many topics as there are. Raises AssayError when there are too few."""
    if count > len(tasks):
        raise AssayError(f"{count} anchors of {len(tasks)} tasks; lower preferences.ood.anchors")
    shuffled = _shuffled(tasks, rng)
    seen: dict[str, int] = {}
    rank = {}
    for task in shuffled:
        topic = topics.get(task, "")
        rank[task] = seen[topic] = seen.get(topic, -1) + 1
    return sorted(shuffled, key=lambda task: rank[task])[:count]


def _shuffled(tasks: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [tasks[i] for i in rng.permutation(len(tasks))]
