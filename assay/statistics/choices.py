"""Choices between two items, and how often a score predicts them.

Accuracy is the share of choices in which the item with the higher score won; a tie of scores counts one half. Choices are
counted, so a pair that was asked five times weighs five. A refusal is an answer but no choice.

A pair belongs to two items, so neither pairs nor choices are independent. Intervals resample items: a pair counts in a
resample as often as its two items were drawn, multiplied (the pigeonhole bootstrap, Owen 2007,
doi:10.1214/07-AOAS122, which errs on the wide side). About two pairs in five survive a resample, so fewer than
`MINIMUM_PAIRS` give no interval worth having.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, bootstrap_weights
from assay.statistics.estimates import Estimate

MINIMUM_PAIRS = 30
Refusals = Literal["drop", "as-b"]
"""What a refusal counts as: nothing (`drop`), or a win of the item presented second (`as-b`, ogilg/Preferences' convention)."""

Counts = Ints | Floats
"""Whole numbers ≥ 0; float64 where they are weighted in long sums."""


@dataclass(frozen=True, eq=False)
class Choices:
    """What was answered to pairs of items, which are numbers from 0.

    All arrays are [p], item numbers int64; row k says that of the items `first[k]` and `second[k]` the first one was chosen `first_wins[k]`
    times, the second one `second_wins[k]` times, and that both were refused `refusals[k]` times. A row may have no answer
    at all (every sample failed). Where it matters who was shown first, that is `first`. Anything that becomes such arrays
    is accepted; AssayError for shapes that differ, negative counts or an item beside itself.
    """

    first: Ints
    second: Ints
    first_wins: Counts
    second_wins: Counts
    refusals: Counts

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            column = np.asarray(getattr(self, name))
            if (column != np.floor(column)).any():
                raise AssayError(f"choices: '{name}' must hold integers, found {column.tolist()[:3]}")
            if name in _NUMBERS or column.dtype != np.float64 or not column.size:
                column = column.astype(np.int64)
            object.__setattr__(self, name, column)
        shapes = {column.shape for column in self.columns}
        if len(shapes) != 1 or self.first.ndim != 1:
            raise AssayError(f"choices need five columns of one length, found shapes {sorted(shapes)}")
        if any((column < 0).any() for column in self.columns):
            raise AssayError("choices hold a negative item number or count")
        if (self.first == self.second).any():
            raise AssayError(f"item {self.first[self.first == self.second][0]} is compared with itself")

    def __len__(self) -> int:
        return len(self.first)

    @property
    def columns(self) -> tuple[Ints, Ints, Counts, Counts, Counts]:
        """The five arrays, in the order of the fields."""
        return self.first, self.second, self.first_wins, self.second_wins, self.refusals

    @property
    def answers(self) -> Ints:
        """[p] answers of every kind."""
        return np.asarray(self.first_wins + self.second_wins + self.refusals, np.int64)

    @property
    def made(self) -> Floats:
        """[p] choices of each row, refusals left out; float64, to be weighted."""
        return (self.first_wins + self.second_wins).astype(np.float64)

    @property
    def n_choices(self) -> int:
        """All choices, of all rows."""
        return int(self.first_wins.sum() + self.second_wins.sum())

    def wins(self, refusals: Refusals) -> tuple[Ints, Ints]:
        """Wins of the first and of the second item, [p] each, under one reading of refusals."""
        first, second = np.asarray(self.first_wins, np.int64), np.asarray(self.second_wins, np.int64)
        if refusals == "drop":
            return first, second
        if refusals == "as-b":
            return first, second + np.asarray(self.refusals, np.int64)
        raise AssayError(f"refusals are either 'drop' or 'as-b', not {refusals!r}")

    def take(self, rows: Ints | NDArray[np.bool_]) -> "Choices":
        """The rows that `rows` numbers or marks."""
        counts = (column[rows] for column in self.columns[2:])
        return Choices(self.first[rows], self.second[rows], *counts)

    def renumbered(self, numbers: Ints) -> "Choices":
        """Rows whose two items have a new number ≥ 0 in `numbers` [items], under these; the others are left out."""
        first, second = numbers[self.first], numbers[self.second]
        kept = (first >= 0) & (second >= 0)
        return Choices(first[kept], second[kept], *(column[kept] for column in self.columns[2:]))

    def within(self, items: Ints, n_items: int) -> "Choices":
        """Rows with both items among `items`, numbered by their place there; `n_items` is how many there are in all."""
        numbers = np.full(n_items, -1, dtype=np.int64)
        numbers[items] = np.arange(len(items))
        return self.renumbered(numbers)

    def by_pair(self) -> "Choices":
        """Both orders of a pair as one row, the lower number first, rows sorted; float64 counts of choices, refusals left out."""
        made = self.take(self.made > 0)
        low, high = np.minimum(made.first, made.second), np.maximum(made.first, made.second)
        base = int(high.max(initial=0)) + 1
        keys, row = np.unique(low * base + high, return_inverse=True)
        upright = made.first == low
        counts = np.zeros((len(keys), 2))
        np.add.at(counts[:, 0], row, np.where(upright, made.first_wins, made.second_wins))
        np.add.at(counts[:, 1], row, np.where(upright, made.second_wins, made.first_wins))
        return Choices(*np.divmod(keys, base), counts[:, 0], counts[:, 1], np.zeros(len(keys)))


_NUMBERS = ("first", "second")
_COLUMNS = tuple(field.name for field in fields(Choices))
NO_CHOICES = Choices(*np.zeros((5, 0), np.int64))


def join(parts: Sequence[Choices]) -> Choices:
    """The rows of all parts, in order."""
    return Choices(*map(np.concatenate, zip(*(part.columns for part in (NO_CHOICES, *parts)), strict=True)))


def correct_choices(scores: ArrayLike, choices: Choices) -> Floats:
    """[p] how many choices of each pair the scores [items] predict; half of them where the scores tie."""
    values = np.asarray(scores, dtype=np.float64)
    share = 0.5 + 0.5 * np.sign(values[choices.first] - values[choices.second])
    correct: Floats = share * choices.first_wins + (1 - share) * choices.second_wins
    return correct


def accuracy(
    scores: ArrayLike, choices: Choices, resampling: Resampling, *, strata: ArrayLike | None = None
) -> Estimate:
    """Pairwise accuracy of scores [items]; items are resampled, within strata where given. `n` counts choices.

    Raises AssayError when there is no choice.
    """
    n_items = len(np.asarray(scores))
    if not choices.n_choices:
        raise AssayError("there is no choice between these items; give choices that were made between them")
    correct, made = correct_choices(scores, choices), choices.made

    def statistic(weights: Floats) -> Floats:
        pair_weights = weights[:, choices.first] * weights[:, choices.second]
        share: Floats = (pair_weights @ correct) / (pair_weights @ made)
        return share

    estimate = bootstrap_weights(n_items, statistic, resampling=resampling, strata=strata)
    return Estimate(estimate.value, estimate.lower, estimate.upper, choices.n_choices)
