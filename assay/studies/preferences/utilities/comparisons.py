"""Choices between tasks that have names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from assay.errors import AssayError
from assay.statistics.choices import Choices

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
