"""Tasks with known utilities, and choices drawn by Thurstone's law."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from assay.statistics.choices import Choices
from assay.studies.preferences.utilities.comparisons import Comparisons


@dataclass(frozen=True)
class World:
    mu: np.ndarray
    sigma: np.ndarray

    @property
    def ids(self):
        return tuple(f"task {i}" for i in range(len(self.mu)))

    def answer(self, pairs, samples, rng, *, refuse=0.0):
        """Choices of pairs [m, 2], each asked `samples` times."""
        first, second = np.asarray(pairs).T
        refusals = rng.binomial(samples, refuse, len(first))
        p = ndtr((self.mu[first] - self.mu[second]) / np.hypot(self.sigma[first], self.sigma[second]))
        wins = rng.binomial(samples - refusals, p)
        return Choices(first, second, wins, samples - refusals - wins, refusals)

    def comparisons(self, pairs, samples, rng, *, refuse=0.0):
        found = self.answer(pairs, samples, rng, refuse=refuse)
        return Comparisons(
            found.first, found.second, found.first_wins, found.second_wins, found.refusals, ids=self.ids
        )


def make_world(n, seed=0, *, spread=2.0):
    rng = np.random.default_rng(seed)
    return World(rng.normal(0, spread, n), np.exp(rng.normal(0, 0.3, n)))


def random_pairs(n, count, seed=0):
    """[count, 2] different unordered pairs, oriented by chance."""
    rng = np.random.default_rng(seed)
    every = np.stack(np.triu_indices(n, 1), axis=1)
    pairs = every[rng.permutation(len(every))[:count]]
    return np.where(rng.random(len(pairs))[:, None] < 0.5, pairs, pairs[:, ::-1])
