"""The penalised negative log-likelihood of Thurstonian utilities, with its gradient and its Hessian."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.special import log_ndtr

from assay.arrays import Floats, Ints
from assay.statistics.choices import Refusals
from assay.studies.preferences.utilities.comparisons import Comparisons

_LOG_ROOT_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True, eq=False)
class Objective:
    """L(p) = −Σ_k count_k · log Φ(z_k) + Σ_i (log σ_i)², z_k = (μ_winner − μ_loser) / √(σ_winner² + σ_loser²).

    Parameters p are [μ_1 … μ_{n−1}, log σ_0 … log σ_{n−1}] with μ_0 = 0.

    Attributes:
        n_tasks: n.
        winner: [k] task numbers.
        loser: [k] task numbers.
        count: [k] float64, how often the one was chosen over the other.
        floor: probabilities are clipped to [floor, 1 − floor], where the gradient is 0; None leaves them as they are.
    """

    n_tasks: int
    winner: Ints
    loser: Ints
    count: Floats
    floor: float | None = None

    @classmethod
    def of(
        cls,
        comparisons: Comparisons,
        refusals: Refusals,
        *,
        floor: float | None = None,
        smoothing: float = 0.0,
    ) -> Self:
        """The objective of all choices; equal (winner, loser) pairs are summed.

        `smoothing` choices are added in each direction of every pair that was asked, in whatever order and however often.
        """
        n = len(comparisons.ids)
        first_wins, second_wins = comparisons.wins(refusals)
        first, second = comparisons.first, comparisons.second
        pairs = np.unique(np.minimum(first, second) * n + np.maximum(first, second))
        low, high = np.divmod(pairs, n)
        keys = np.concatenate([first * n + second, second * n + first, low * n + high, high * n + low])
        unique, row = np.unique(keys, return_inverse=True)
        wins = np.concatenate([first_wins, second_wins, np.full(2 * len(pairs), smoothing)])
        count = np.asarray(np.bincount(row, wins, len(unique)), np.float64)
        winner, loser = np.divmod(unique[count > 0], n)
        return cls(n, winner, loser, count[count > 0], floor)

    def split(self, parameters: Floats) -> tuple[Floats, Floats]:
        """μ [n] and log σ [n] of parameters [2n − 1]."""
        n = self.n_tasks
        return np.concatenate([[0.0], parameters[: n - 1]]), parameters[n - 1 :]

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Value, and gradient [2n − 1]."""
        n, winner, loser = self.n_tasks, self.winner, self.loser
        mu, log_sigma = self.split(parameters)
        variance = np.exp(2 * log_sigma)
        spread = np.sqrt(variance[winner] + variance[loser])
        z = (mu[winner] - mu[loser]) / spread
        log_p = log_ndtr(z)
        slope = self.count * np.exp(-0.5 * z * z - _LOG_ROOT_2PI - log_p) / spread
        if self.floor is not None:
            low, high = np.log(self.floor), np.log1p(-self.floor)
            slope[(log_p <= low) | (log_p >= high)] = 0.0
            log_p = np.clip(log_p, low, high)
        by_mu = np.bincount(loser, slope, n) - np.bincount(winner, slope, n)
        slope *= z / spread
        by_log_sigma = (np.bincount(winner, slope, n) + np.bincount(loser, slope, n)) * variance
        value = -float(self.count @ log_p) + float(log_sigma @ log_sigma)
        return value, np.concatenate([by_mu[1:], by_log_sigma + 2 * log_sigma])

    def hessian(self, parameters: Floats) -> csr_array:
        """[2n, 2n] second derivatives by all μ (the pinned one too) and all log σ; clipping is ignored.

        Adding a constant to every μ changes nothing, so the vector (1 … 1, 0 … 0) is in the null space.
        """
        n, winner, loser = self.n_tasks, self.winner, self.loser
        mu, log_sigma = self.split(parameters)
        variance = np.exp(2 * log_sigma)
        spread = np.sqrt(variance[winner] + variance[loser])
        z = (mu[winner] - mu[loser]) / spread
        mills = np.exp(-0.5 * z * z - _LOG_ROOT_2PI - log_ndtr(z))
        share = np.stack([variance[winner], variance[loser]]) / spread**2  # [2, k]; sums to 1
        sign = np.array([1.0, -1.0])
        first = np.concatenate([sign[:, None] / spread, -z * share])  # ∂z by μ_w, μ_l, log σ_w, log σ_l
        second = np.zeros((4, 4, len(z)))  # ∂²z
        for i in range(2):
            for j in range(2):
                second[i, 2 + j] = second[2 + j, i] = -sign[i] * share[j] / spread
                second[2 + i, 2 + j] = z * share[i] * (3 * share[j] - 2 * (i == j))
        blocks = self.count * (mills * (z + mills) * first[:, None] * first[None] - mills * second)
        places = np.stack([winner, loser, n + winner, n + loser])
        rows, columns = np.broadcast_arrays(places[:, None], places[None])
        diagonal = np.arange(n, 2 * n)
        return coo_array(
            (
                np.concatenate([blocks.ravel(), np.full(n, 2.0)]),
                (
                    np.concatenate([rows.ravel(), diagonal]),
                    np.concatenate([columns.ravel(), diagonal]),
                ),
            ),
            shape=(2 * n, 2 * n),
        ).tocsr()
