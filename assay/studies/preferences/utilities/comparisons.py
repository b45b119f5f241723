"""Choices between tasks that have names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from assay.errors import AssayError
from assay.statistics.choices import Choices, Refusals

Choice = Literal["a", "b", "refusal"]
CHOICES: tuple[Choice, ...] = ("a", "b", "refusal")


@dataclass(frozen=True, eq=False)
class Comparisons(Choices):
    """Choices between named tasks, one row per ordered pair as it was presented: `ids[k]` is the name of task k.

    The utility of the first one is pinned in a fit.
    """

    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.ids)) != len(self.ids):
            raise AssayError("the task ids of comparisons repeat; every task needs its own")
        if len(self) and max(self.first.max(), self.second.max()) >= len(self.ids):
            raise AssayError(f"comparisons name a task beyond the {len(self.ids)} ids")

    @classmethod
    def from_choices(cls, ids: Sequence[str], first: ArrayLike, second: ArrayLike, choice: ArrayLike) -> Self:
        """Count single choices.

        Args:
            ids: task names.
            first: [k] task number shown first.
            second: [k] task number shown second.
            choice: [k] index into CHOICES: 0 the first task, 1 the second, 2 a refusal.

        Rows come in the order in which their pair occurred first.
        """
        shown = np.stack([np.asarray(first, np.int64), np.asarray(second, np.int64)], axis=1)
        keys = shown[:, 0] * max(len(ids), 1) + shown[:, 1]
        _, start, row = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(start)
        counts = np.zeros((len(start), len(CHOICES)), np.int64)
        np.add.at(counts, (np.argsort(order)[row], np.asarray(choice, np.int64)), 1)
        pairs = shown[start[order]]
        a, b, refused = counts.T
        return cls(pairs[:, 0], pairs[:, 1], a, b, refused, ids=tuple(ids))

    def compared(self, refusals: Refusals) -> Self:
        """The same counts without tasks that no choice was about (see `wins`), which would get a utility from nothing."""
        first_wins, second_wins = self.wins(refusals)
        rows = first_wins + second_wins > 0
        used = np.unique(np.concatenate([self.first[rows], self.second[rows]]))
        if len(used) == len(self.ids):
            return self
        number = np.full(len(self.ids), -1)
        number[used] = np.arange(len(used))
        rows = (number[self.first] >= 0) & (number[self.second] >= 0)
        return type(self)(
            number[self.first[rows]],
            number[self.second[rows]],
            self.first_wins[rows],
            self.second_wins[rows],
            self.refusals[rows],
            ids=tuple(self.ids[task] for task in used),
        )

    def one_sided(self, refusals: Refusals) -> list[str]:
        """Tasks that won, or lost, every choice that was about them: choices alone give them no finite utility."""
        won, lost = np.zeros(len(self.ids), np.int64), np.zeros(len(self.ids), np.int64)
        first_wins, second_wins = self.wins(refusals)
        for task, own, other in (
            (self.first, first_wins, second_wins),
            (self.second, second_wins, first_wins),
        ):
            np.add.at(won, task, own)
            np.add.at(lost, task, other)
        return [self.ids[task] for task in np.flatnonzero((won == 0) != (lost == 0))]

    def groups(self, refusals: Refusals) -> list[list[str]]:
        """Tasks that choices connect, the largest group first; utilities of different groups cannot be compared."""
        first_wins, second_wins = self.wins(refusals)
        rows = first_wins + second_wins > 0
        n = len(self.ids)
        edges = csr_array((np.ones(rows.sum()), (self.first[rows], self.second[rows])), shape=(n, n))
        count, group = connected_components(edges, directed=False)
        members = [[self.ids[task] for task in np.flatnonzero(group == number)] for number in range(count)]
        return sorted(members, key=len, reverse=True)

    def reordered(self, ids: Sequence[str]) -> Self:
        """The same counts with tasks numbered as in `ids`, which may name more tasks. Raises AssayError if one is missing."""
        number = {name: index for index, name in enumerate(ids)}
        missing = [name for name in self.ids if name not in number]
        if missing:
            raise AssayError(
                f"{len(missing)} compared tasks are not in the given order of tasks (first: {missing[0]!r})"
            )
        new = np.array([number[name] for name in self.ids], np.int64)
        return type(self)(
            new[self.first],
            new[self.second],
            self.first_wins,
            self.second_wins,
            self.refusals,
            ids=tuple(ids),
        )
