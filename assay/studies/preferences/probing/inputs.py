"""From measurements to the tasks that a probe study is about; what is left out is counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import AssayError
from assay.statistics.choices import NO_CHOICES, Choices
from assay.studies.preferences.probing.readout import Tasks
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.topics import Topics
from assay.studies.preferences.utilities.utility_files import UtilityTable


@dataclass(frozen=True)
class Kept:
    """Tasks of one set, and how many were left out and why."""

    tasks: Tasks
    counts: Mapping[str, int]


def keep_tasks(
    utilities: UtilityTable,
    topics: Topics,
    available: Sequence[set[str]],
    choices: Comparisons | None = None,
    *,
    held_in: str = "activations",
) -> Kept:
    """Tasks with a utility, a topic and features in every source (`available`: the ids of each, `held_in`: its word).

    The order is that of the utilities. Raises AssayError when no task is left.
    """
    held = set.intersection(*available)
    measured = dict(zip(utilities.ids, utilities.mu.tolist(), strict=True))
    with_rows = [task for task in measured if task in held]
    ids = [task for task in with_rows if task in topics.of]
    if not ids:
        raise AssayError(
            f"no task has a utility, a topic and {held_in}; check that the files name tasks alike"
        )
    between, counts = _choices_between(choices, ids)
    mu = np.array([measured[task] for task in ids])
    left_out = {
        "tasks": len(ids),
        f"tasks_without_{held_in}": len(measured) - len(with_rows),
        "tasks_without_topic": len(with_rows) - len(ids),
    }
    return Kept(Tasks(ids, mu, topics.codes(ids), between), {**left_out, **counts})


def _choices_between(choices: Comparisons | None, ids: Sequence[str]) -> tuple[Choices, dict[str, int]]:
    """Choices between `ids`, counted by unordered pair; refusals and answers about other tasks are counted and left out."""
    if choices is None:
        return NO_CHOICES, {}
    place = {task: number for number, task in enumerate(ids)}
    known = choices.renumbered(np.array([place.get(task, -1) for task in choices.ids], np.int64))
    pairs = known.by_pair()
    return pairs, {
        "choices": pairs.n_choices,
        "choices_refused": int(known.refusals.sum()),
        "choices_elsewhere": int(choices.answers.sum() - known.answers.sum()),
    }
