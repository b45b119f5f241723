"""From files to the tasks that a probe study is about; what is left out is counted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from assay.errors import AssayError
from assay.pairwise import Pairs
from assay.preferences.readout import Tasks
from assay.preferences.topics import Topics

_CHOICES = ("a", "b", "refusal")


@dataclass(frozen=True)
class Kept:
    """Tasks of one set, and how many were left out and why."""

    tasks: Tasks
    counts: Mapping[str, int]


def keep_tasks(
    utilities: Mapping[str, float],
    topics: Topics,
    available: Sequence[set[str]],
    choices: pd.DataFrame | None = None,
    *,
    held_in: str = "activations",
) -> Kept:
    """Tasks with a utility, a topic and features in every source (`available`: the ids of each, `held_in`: its word).

    `choices` has columns task_a, task_b and choice; None stands for no choices. Raises AssayError when no task is left.
    """
    held = set.intersection(*available)
    with_rows = [task for task in utilities if task in held]
    ids = [task for task in with_rows if task in topics.of]
    if not ids:
        raise AssayError(
            f"no task has a utility, a topic and {held_in}; check that the files name tasks alike"
        )
    pairs, dropped = _pairs(choices, ids)
    mu = np.array([utilities[task] for task in ids])
    counts = {
        "tasks": len(ids),
        f"tasks_without_{held_in}": len(utilities) - len(with_rows),
        "tasks_without_topic": len(with_rows) - len(ids),
        **dropped,
    }
    return Kept(Tasks(ids, mu, topics.codes(ids), pairs), counts)


def read_choices(path: Path) -> pd.DataFrame:
    """Choices, one per row, from Parquet or JSONL: columns task_a, task_b and choice (a, b or refusal).

    Raises AssayError naming the file and the row or column that is wrong.
    """
    try:
        table = (
            pd.read_parquet(path)
            if Path(path).suffix == ".parquet"
            else pd.DataFrame(
                [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
            )
        )
    except (OSError, ValueError) as error:
        raise AssayError(f"cannot read choices from {path}: {error}") from error
    lacking = [name for name in ("task_a", "task_b", "choice") if name not in table]
    if lacking:
        raise AssayError(f"{path} lacks the column {lacking[0]!r}; choices need task_a, task_b and choice")
    wrong = ~table["choice"].isin(_CHOICES).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise AssayError(
            f"{path}, row {row + 1}: choice is {table['choice'].iloc[row]!r}; it must be one of {', '.join(_CHOICES)}"
        )
    return table[["task_a", "task_b", "choice"]]


def _pairs(choices: pd.DataFrame | None, ids: Sequence[str]) -> tuple[Pairs, dict[str, int]]:
    """Choices between `ids`, counted by pair; refusals and choices about other tasks are counted and left out."""
    if choices is None:
        nothing = np.zeros(0)
        return Pairs(nothing.astype(np.int64), nothing.astype(np.int64), nothing, nothing), {}
    number = pd.Series(np.arange(len(ids)), index=list(ids))
    first, second = (choices[side].map(number).to_numpy(dtype=np.float64) for side in ("task_a", "task_b"))
    known = np.isfinite(first) & np.isfinite(second)
    refused = (choices["choice"] == "refusal").to_numpy()
    used = known & ~refused
    wins = (choices["choice"] == "a").to_numpy()[used]
    ends = np.sort(np.stack([first[used], second[used]], axis=1).astype(np.int64), axis=1)
    lower_wins = wins == (first[used] < second[used])
    keys, inverse = np.unique(ends[:, 0] * len(ids) + ends[:, 1], return_inverse=True)
    low = np.bincount(inverse, lower_wins, len(keys))
    made = np.bincount(inverse, minlength=len(keys))
    pairs = Pairs(keys // len(ids), keys % len(ids), low.astype(np.float64), (made - low).astype(np.float64))
    return pairs, {
        "choices": pairs.n_choices,
        "choices_refused": int((refused & known).sum()),
        "choices_elsewhere": int((~known).sum()),
    }
