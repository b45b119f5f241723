"""Which tasks are measured: as many of each group as can be, and none that another set holds."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from assay.errors import AssayError


def stratified_sample(groups: Mapping[str, Sequence[str]], n: int, *, seed: int) -> list[str]:
    """Draw `n` task ids, equally many of each group as far as they last.

    A group that holds less than an equal share is taken whole, and what it lacks is shared among the others; a remainder goes
    one each to the groups in their order. The result is shuffled: its order is the order of tasks, and the first one's utility
    is pinned. Raises AssayError for an id that occurs twice, and when the groups hold fewer than `n`.
    """
    ids = [task for tasks in groups.values() for task in tasks]
    if len(set(ids)) < len(ids):
        raise AssayError("a task id occurs twice among the groups to sample from")
    if not 1 <= n <= len(ids):
        raise AssayError(
            f"cannot draw {n} tasks: {len(ids)} are left after exclusion; ask for fewer or add tasks"
        )
    rng = np.random.default_rng(seed)
    chosen: list[str] = []
    for tasks, share in zip(
        groups.values(), _shares([len(tasks) for tasks in groups.values()], n), strict=True
    ):
        order = rng.permutation(len(tasks))
        chosen += [tasks[i] for i in order[:share]]
    return [chosen[i] for i in rng.permutation(n)]


def _shares(sizes: Sequence[int], n: int) -> list[int]:
    """How many to take of groups of these sizes; sums to n ≤ Σ sizes."""
    shares = [0] * len(sizes)
    unfilled = [i for i, size in enumerate(sizes) if size]
    while n:
        equal, remainder = divmod(n, len(unfilled))
        small = [i for i in unfilled if sizes[i] <= equal]
        if not small:
            for rank, i in enumerate(unfilled):
                shares[i] = equal + (rank < remainder)
            return shares
        for i in small:
            shares[i] = sizes[i]
            n -= sizes[i]
            unfilled.remove(i)
    return shares


def read_exclusions(path: Path, tasks: Collection[str]) -> frozenset[str]:
    """Those of `tasks` that a file names, one id on each line, as it is written or less the blanks around it.

    UTF-8 with or without a byte order mark, any line ends; blank lines are passed over. Raises AssayError when the file cannot
    be read or is empty, and for an id that is no task: what was to be excluded would be kept.
    """
    try:
        with open(path, encoding="utf-8-sig") as handle:
            lines = [line.rstrip("\n") for line in handle if line.strip()]
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text: {error}") from error
    if not lines:
        raise AssayError(f"{path} excludes nothing; give a task id on each line, or no file")
    known = {task.strip(): task for task in tasks} | {task: task for task in tasks}
    unknown = [line for line in lines if line not in known and line.strip() not in known]
    if unknown:
        raise AssayError(
            f"{path}: {len(unknown)} of {len(lines)} ids are no tasks (first: {unknown[0][:80]!r}); take them out, or give the "
            "tasks that they name"
        )
    return frozenset(known.get(line, known.get(line.strip(), "")) for line in lines)


def without(ids: Sequence[str], excluded: Collection[str]) -> tuple[list[str], int]:
    """The ids that are not excluded, in their order, and how many were; so that two sets are disjoint."""
    kept = [task for task in ids if task not in excluded]
    return kept, len(ids) - len(kept)
