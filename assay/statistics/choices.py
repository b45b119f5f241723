"""Choices between two items, and how often a score predicts them.

Accuracy is the share of choices in which the item with the higher score won; a tie of scores counts one half. Choices are
counted, so a pair that was asked five times weighs five. Refusals are not choices and never get here.

A pair belongs to two items, so neither pairs nor choices are independent. Intervals resample items: a pair counts in a
resample as often as its two items were drawn, multiplied (the pigeonhole bootstrap, Owen 2007,
doi:10.1214/07-AOAS122, which errs on the wide side). About two pairs in five survive a resample, so fewer than
`MINIMUM_PAIRS` give no interval worth having.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, bootstrap_weights
from assay.statistics.estimates import Estimate

MINIMUM_PAIRS = 30


@dataclass(frozen=True)
class Pairs:
    """Counted choices between items that are numbered from 0.

    Attributes:
        first, second: [p] int64 item numbers.
        first_wins, second_wins: [p] how often each was chosen, ≥ 0.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_wins: Floats
    second_wins: Floats

    def __post_init__(self) -> None:
        columns = (self.first, self.second, self.first_wins, self.second_wins)
        if len({np.shape(column) for column in columns}) != 1 or np.ndim(self.first) != 1:
            raise AssayError(f"columns of pairs differ in shape: {[np.shape(column) for column in columns]}")
        if (self.first == self.second).any() or (self.first_wins < 0).any() or (self.second_wins < 0).any():
            raise AssayError("a pair needs two different items and counts that are not negative")

    def __len__(self) -> int:
        return len(self.first)

    @property
    def n_choices(self) -> int:
        """All choices, of all pairs."""
        return int(self.first_wins.sum() + self.second_wins.sum())

    def take(self, chosen: NDArray[np.bool_]) -> "Pairs":
        """The pairs that `chosen` [p] marks."""
        return Pairs(
            self.first[chosen], self.second[chosen], self.first_wins[chosen], self.second_wins[chosen]
        )

    def renumbered(self, numbers: NDArray[np.int64]) -> "Pairs":
        """Pairs whose two items have a new number ≥ 0 in `numbers` [items], under these; the others are left out."""
        first, second = numbers[self.first], numbers[self.second]
        kept = (first >= 0) & (second >= 0)
        return Pairs(first[kept], second[kept], self.first_wins[kept], self.second_wins[kept])

    def within(self, items: NDArray[np.int64], n_items: int) -> "Pairs":
        """Pairs with both items among `items`, numbered by their place there; `n_items` is how many there are in all."""
        numbers = np.full(n_items, -1, dtype=np.int64)
        numbers[items] = np.arange(len(items))
        return self.renumbered(numbers)


def correct_choices(scores: ArrayLike, pairs: Pairs) -> Floats:
    """[p] how many choices of each pair the scores [items] predict; half of them where the scores tie."""
    values = np.asarray(scores, dtype=np.float64)
    share = 0.5 + 0.5 * np.sign(values[pairs.first] - values[pairs.second])
    correct: Floats = share * pairs.first_wins + (1 - share) * pairs.second_wins
    return correct


def accuracy(
    scores: ArrayLike, pairs: Pairs, resampling: Resampling, *, strata: ArrayLike | None = None
) -> Estimate:
    """Pairwise accuracy of scores [items]; items are resampled, within strata where given. `n` counts choices.

    Raises AssayError when there is no choice.
    """
    n_items = len(np.asarray(scores))
    if not pairs.n_choices:
        raise AssayError("there is no choice between these items; give choices that were made between them")
    correct, made = correct_choices(scores, pairs), pairs.first_wins + pairs.second_wins

    def statistic(weights: Floats) -> Floats:
        pair_weights = weights[:, pairs.first] * weights[:, pairs.second]
        share: Floats = (pair_weights @ correct) / (pair_weights @ made)
        return share

    estimate = bootstrap_weights(n_items, statistic, resampling=resampling, strata=strata)
    return Estimate(estimate.value, estimate.lower, estimate.upper, pairs.n_choices)
