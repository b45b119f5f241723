"""Does the selection rule choose the pairs that a recorded run asked?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.arrays import Ints
from assay.errors import AssayError
from assay.studies.preferences.asking.active_learning import ActiveLearning, ActiveLearningSettings
from assay.studies.preferences.utilities.comparisons import Comparisons


@dataclass(frozen=True)
class Iteration:
    """One replayed iteration.

    Attributes:
        proposed: pairs that the rule chose.
        recorded: those of them that the run recorded at this point.
        oriented: those of them whose recorded presentation is the proposed one.
        rank_correlation: Spearman correlation of the refitted utilities with those of the iteration before; 0 in the first.
    """

    proposed: int
    recorded: int
    oriented: int
    rank_correlation: float


@dataclass(frozen=True)
class Replay:
    """A replayed run: its iterations, and how many different pairs the record holds."""

    iterations: tuple[Iteration, ...]
    recorded_pairs: int

    @property
    def selected_pairs(self) -> int:
        """Recorded pairs that the rule chose when they were asked."""
        return sum(iteration.recorded for iteration in self.iterations)

    @property
    def lost_pairs(self) -> int:
        """Chosen pairs without a record at this point: never answered, or the rule differs."""
        return sum(iteration.proposed for iteration in self.iterations) - self.selected_pairs

    @property
    def oriented_share(self) -> float:
        """Share of recorded presentations that the pair order seed predicts, after the first iteration.

        The order of published first batches depended on the process's hash seed. 0 where there is no second iteration.
        """
        later = self.iterations[1:]
        return sum(i.oriented for i in later) / max(sum(i.recorded for i in later), 1)


def replay(
    comparisons: Comparisons,
    settings: ActiveLearningSettings,
    *,
    tell: Callable[[int, str], None] = lambda _done, _note: None,
) -> Replay:
    """Run active learning on recorded outcomes instead of a model.

    Args:
        comparisons: rows in the order in which their pairs were asked first, tasks in the run's order.
        settings: of the run.
        tell: called after each iteration with their number and a line to show.

    An answer is given only to a pair that was recorded where this iteration stands in the record, so that a pair which failed
    and was asked again later does not come too early.
    """
    pairs = np.sort(np.stack([comparisons.first, comparisons.second], axis=1), axis=1)
    rows = _rows_by_pair(pairs, len(comparisons.ids))
    learning = ActiveLearning(len(comparisons.ids), settings)
    iterations: list[Iteration] = []
    position = 0
    while not learning.finished:
        proposal = learning.propose()
        proposed = {(min(a, b), max(a, b)): a for a, b in proposal.tolist()}
        window = rows[position : position + len(proposal)]
        found = [group for group in window if tuple(pairs[group[0]].tolist()) in proposed]
        if not found and not position:
            raise AssayError(
                "the record holds none of the first batch's pairs: another order of tasks, seed or degree; give the run's own"
            )
        taken = np.array([row for group in found for row in group], np.int64)
        oriented = sum(
            int(comparisons.first[group[0]]) == proposed[tuple(pairs[group[0]].tolist())] for group in found
        )
        learning.record(comparisons.take(taken))
        position += len(found)
        correlation = learning.rank_correlations[-1]
        iterations.append(Iteration(len(proposal), len(found), oriented, correlation))
        tell(len(iterations), f"{len(found)} of {len(proposal)} pairs recorded, ρ {correlation:.5f}")
    return Replay(tuple(iterations), len(rows))


def _rows_by_pair(pairs: Ints, n: int) -> list[list[int]]:
    """Row numbers of each unordered pair, in the order in which pairs occur first."""
    groups: dict[int, list[int]] = {}
    for row, key in enumerate((pairs[:, 0] * n + pairs[:, 1]).tolist()):
        groups.setdefault(key, []).append(row)
    return list(groups.values())
