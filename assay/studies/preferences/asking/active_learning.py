"""Which pairs to ask next: active learning after Mazeika et al. 2025 (arXiv:2502.08640, appendix B).

Start from a random regular graph; then prefer pairs whose utilities look alike and whose tasks were compared least. Every draw is
seeded and nothing iterates over a hash table, so that the same answers give the same questions in every process; and which of the
pairs that qualify are taken is drawn for each by itself, so that answers which differ by rounding give almost the same questions.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.statistics.choices import Choices, Refusals, join
from assay.statistics.draws import key_draws
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.thurstone import fit_thurstone

EXACT_PAIRS = 500_000  # up to so many pairs (1,000 tasks) all are scored; beyond, random chunks of them
RELAXATION = 1.5  # both quantiles grow by this factor while too few pairs qualify
CHUNK_PER_PAIR, MIN_CHUNK = 15, 75_000


@dataclass(frozen=True)
class ActiveLearningSettings:
    """How pairs are chosen, and when to stop.

    Attributes:
        degree: partners of each task in the initial graph.
        batch: pairs per iteration after the first.
        max_iterations: iterations at most, the initial graph's included.
        samples: how often each pair is asked (the measuring loop's part; it does not change the selection).
        threshold: stop when the Spearman correlation of utilities between iterations reaches it.
        quantile: a pair qualifies when |Δμ| and the sum of degrees are both within this quantile.
        seed: of the graph and of all selections.
        pair_order_seed: of which task of a pair is shown first.
        refusals: what a refusal counts as in the fits between iterations.
        tolerance: of those fits, see `fit_thurstone`.
        picks: how a batch is drawn from the pairs that qualify, and which task comes first: "own" by a random number of each pair,
            "shuffled" as in the reference, where one pair more or less makes another batch.
    """

    degree: int = 5
    batch: int = 1000
    max_iterations: int = 10
    samples: int = 5
    threshold: float = 0.99
    quantile: float = 0.3
    seed: int = 42
    pair_order_seed: int = 42
    refusals: Refusals = "drop"
    tolerance: Literal["converged", "reference"] = "converged"
    picks: Literal["own", "shuffled"] = "own"

    def __post_init__(self) -> None:
        for name in ("degree", "batch", "max_iterations", "samples"):
            if getattr(self, name) < 1:
                raise AssayError(f"active learning: '{name}' must be at least 1, not {getattr(self, name)}")
        if not 0 < self.quantile <= 1:
            raise AssayError(f"active learning: 'quantile' must lie in (0, 1], not {self.quantile}")
        if not -1 <= self.threshold <= 1:
            raise AssayError(f"active learning: 'threshold' is a rank correlation, not {self.threshold}")


class ActiveLearning:
    """The selection rule as a deterministic machine: `propose` a batch, `record` its outcomes, until `finished`.

    Tasks are numbers 0 … n_tasks − 1; their order matters (it seeds the graph, and task 0 is pinned in the fits). Memory grows
    with the pairs asked, not with all pairs.

    Attributes:
        n_tasks: number of tasks.
        settings: how pairs are chosen.
        rank_correlations: one per recorded iteration; the first is 0.0, and so is an undefined one (constant utilities).
        mu: [n_tasks] utilities of the latest fit; None before the first.
    """

    def __init__(self, n_tasks: int, settings: ActiveLearningSettings) -> None:
        if n_tasks < 2:
            raise AssayError(f"active learning needs at least two tasks, found {n_tasks}")
        self.n_tasks = n_tasks
        self.settings = settings
        self.rank_correlations: list[float] = []
        self.mu: Floats | None = None
        self._rng = np.random.default_rng(settings.seed)
        self._degree = np.zeros(n_tasks, np.int64)
        self._asked = np.empty(0, np.int64)  # sorted keys of pairs with at least one answer
        self._outcomes: list[Choices] = []
        self._proposal: Ints | None = None
        self._undefined = False

    @property
    def iteration(self) -> int:
        """Iterations recorded so far."""
        return len(self.rank_correlations)

    @property
    def converged(self) -> bool:
        """Whether the latest rank correlation reached the threshold."""
        return self.iteration > 1 and self.rank_correlations[-1] >= self.settings.threshold

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be asked: converged, out of iterations or of pairs, or utilities without any order."""
        return (
            self.converged
            or self._undefined
            or self.iteration >= self.settings.max_iterations
            or len(self._asked) == self._n_pairs
        )

    @property
    def unique_pairs(self) -> int:
        """Unordered pairs with at least one answer."""
        return len(self._asked)

    def propose(self) -> Ints:
        """The next batch, int64 [m, 2]: column 0 is the task to show first.

        The same batch again until its outcomes are recorded. Raises AssayError once finished.
        """
        if self.finished:
            raise AssayError("active learning has finished; there is no further pair to propose")
        if self._proposal is None:
            pairs = self._initial_graph() if self.iteration == 0 else self._select()
            flips = self._flips(pairs)
            self._proposal = np.where(flips[:, None], pairs[:, ::-1], pairs)
        return self._proposal.copy()

    def record(self, outcomes: Choices) -> None:
        """Take the outcomes of the proposed batch, in any order and presentation, and refit.

        A proposed pair that is missing, or has no answer, stays unasked and may be proposed again. Raises AssayError for a
        pair that was not proposed, and when nothing was ever answered.
        """
        proposal = self.propose()
        keys = self._keys(outcomes.first, outcomes.second)
        strange = np.flatnonzero(~np.isin(keys, self._keys(proposal[:, 0], proposal[:, 1])))
        if len(strange):
            pair = outcomes.first[strange[0]], outcomes.second[strange[0]]
            raise AssayError(
                f"outcomes of the pair {pair[0]}, {pair[1]} were recorded, which was not proposed"
            )
        new = np.setdiff1d(keys[outcomes.answers > 0], self._asked)
        if not len(new) and not len(self._asked):
            raise AssayError("no pair of the first batch was answered; there is nothing to fit")
        self._asked = np.union1d(self._asked, new)
        for side in np.divmod(new, self.n_tasks):
            self._degree += np.bincount(side, minlength=self.n_tasks)
        self._outcomes.append(outcomes)
        self._proposal = None
        self._refit()

    def comparisons(self, ids: tuple[str, ...] | None = None) -> Comparisons:
        """Everything recorded so far, in order; tasks are named by `ids`, else by their number."""
        names = ids or tuple(map(str, range(self.n_tasks)))
        return Comparisons(*join(self._outcomes).columns, ids=names)

    def _refit(self) -> None:
        previous = self.mu
        settings = self.settings
        self.mu = fit_thurstone(
            self.comparisons(), refusals=settings.refusals, tolerance=settings.tolerance, errors=False
        ).mu
        correlation = 0.0
        if previous is not None:
            self._undefined = bool(np.ptp(previous) == 0 or np.ptp(self.mu) == 0)
            correlation = 0.0 if self._undefined else float(spearmanr(self.mu, previous).statistic)
        self.rank_correlations.append(correlation)

    @property
    def _n_pairs(self) -> int:
        return self.n_tasks * (self.n_tasks - 1) // 2

    def _keys(self, one: Ints, other: Ints) -> Ints:
        """[m] a number for each unordered pair; divmod by n_tasks gives the smaller and the larger task."""
        keys: Ints = np.minimum(one, other) * self.n_tasks + np.maximum(one, other)
        return keys

    def _pairs(self, keys: Ints) -> Ints:
        """[m, 2] the tasks of pair numbers."""
        return np.stack(np.divmod(keys, self.n_tasks), axis=1)

    def _initial_graph(self) -> Ints:
        """[m, 2] edges of a random graph in which every task has `degree` partners, or as nearly as chance allows.

        Each step shuffles the tasks that still need partners and joins the first two that are not joined yet.
        """
        n, degree = self.n_tasks, self.settings.degree
        if degree >= n:
            return self._unasked()
        partners: list[set[int]] = [set() for _ in range(n)]
        needy = np.arange(n)
        edges: list[tuple[int, int]] = []
        for _ in range(10 * n * degree):
            if not len(needy):
                break
            shuffled = needy.copy()
            self._rng.shuffle(shuffled)
            edge = _first_free(shuffled.tolist(), partners)
            if edge is None:
                continue
            edges.append((min(edge), max(edge)))
            for task, other in (edge, edge[::-1]):
                partners[task].add(other)
                if len(partners[task]) == degree:
                    needy = np.delete(needy, np.searchsorted(needy, task))
        return np.array(edges, np.int64).reshape(-1, 2)

    def _select(self) -> Ints:
        """[m, 2] the next batch, the smaller task number first."""
        batch = self.settings.batch
        if self._n_pairs <= EXACT_PAIRS:
            unasked = self._unasked()
            return unasked if len(unasked) <= batch else self._select_exactly(unasked)
        if self._n_pairs - len(self._asked) <= batch:
            return self._unasked()
        return self._select_from_chunks()

    def _unasked(self) -> Ints:
        """[m, 2] pairs without an answer, in lexicographic order."""
        n = self.n_tasks
        parts = [
            np.setdiff1d(task * n + np.arange(task + 1, n), self._asked, assume_unique=True)
            for task in range(n - 1)
        ]
        return self._pairs(np.concatenate(parts))

    def _scores(self, pairs: Ints) -> tuple[Floats, Ints]:
        """|Δμ| and the sum of degrees, [m] each."""
        assert self.mu is not None
        one, other = pairs.T
        return np.abs(self.mu[one] - self.mu[other]), self._degree[one] + self._degree[other]

    def _select_exactly(self, unasked: Ints) -> Ints:
        batch, quantile = self.settings.batch, self.settings.quantile
        difference, degrees = self._scores(unasked)
        while True:
            qualifies = _within(difference, quantile) & _within(degrees, quantile)
            candidates = unasked[qualifies]
            if len(candidates) >= batch:
                return self._in_turn(candidates)[:batch]
            quantile = min(1.0, quantile * RELAXATION)
            if quantile >= 1:
                remaining = self._in_turn(unasked[~qualifies])
                return np.concatenate([candidates, remaining[: batch - len(candidates)]])

    def _in_turn(self, pairs: Ints) -> Ints:
        """[m, 2] the same pairs in random order.

        By default each has its own random number in this iteration: where utilities that another processor rounds otherwise let one
        pair more qualify, that pair may enter the batch, and a shuffle would make it another batch.
        """
        if self.settings.picks == "shuffled":
            shuffled = pairs.copy()
            self._rng.shuffle(shuffled)
            return shuffled
        turns = key_draws(self.settings.seed, f"turn {self.iteration}", self._keys(*pairs.T))
        return pairs[np.argsort(turns)]

    def _flips(self, pairs: Ints) -> NDArray[np.bool_]:
        """[m] whether the larger task of a pair is shown first."""
        seed = self.settings.pair_order_seed
        if self.settings.picks == "shuffled":
            return np.random.default_rng(seed).random(len(pairs)) < 0.5
        return np.asarray(key_draws(seed, "order", self._keys(*pairs.T)) < 0.5)

    def _select_from_chunks(self) -> Ints:
        """The same from random pairs, so that memory holds one chunk; quantiles are those of the chunk."""
        batch, quantile = self.settings.batch, self.settings.quantile
        chosen = np.empty(0, np.int64)
        size = max(CHUNK_PER_PAIR * batch, MIN_CHUNK)
        while True:
            one = self._rng.integers(0, self.n_tasks, size=size)
            other = self._rng.integers(0, self.n_tasks, size=size)
            keys = self._keys(one, other)[one != other]
            difference, degrees = self._scores(self._pairs(keys))
            keys = keys[_within(difference, quantile) & _within(degrees, quantile)]
            chosen = self._extended(chosen, keys)
            if len(chosen) >= batch:
                return self._pairs(chosen)
            quantile = min(1.0, quantile * RELAXATION)
            if quantile >= 1:
                return self._pairs(self._filled(chosen))

    def _filled(self, chosen: Ints) -> Ints:
        """`chosen` and random unasked pairs up to a whole batch; draws at most 80 per missing pair."""
        batch = self.settings.batch
        left = 80 * (batch - len(chosen))
        while len(chosen) < batch and left > 0:
            size = min(4 * (batch - len(chosen)), left)
            left -= size
            drawn = self._rng.integers(0, self.n_tasks, size=(size, 2))
            drawn = drawn[drawn[:, 0] != drawn[:, 1]]
            chosen = self._extended(chosen, self._keys(drawn[:, 0], drawn[:, 1]))
        return chosen

    def _extended(self, chosen: Ints, keys: Ints) -> Ints:
        """`chosen` and those of `keys` that are neither in it nor asked, in their order, up to a whole batch."""
        _, start = np.unique(keys, return_index=True)
        fresh = keys[np.sort(start)]
        fresh = fresh[~np.isin(fresh, self._asked) & ~np.isin(fresh, chosen)]
        return np.concatenate([chosen, fresh])[: self.settings.batch]


def _within(values: Floats | Ints, quantile: float) -> NDArray[np.bool_]:
    """[m] whether a value is at most the quantile of all of them (linear interpolation)."""
    return np.asarray(values <= np.percentile(values, quantile * 100))


def _first_free(tasks: list[int], partners: list[set[int]]) -> tuple[int, int] | None:
    """The lexicographically first two positions in `tasks` whose tasks are not partners; None when all are."""
    for position, task in enumerate(tasks):
        for other in tasks[position + 1 :]:
            if other not in partners[task]:
                return task, other
    return None
