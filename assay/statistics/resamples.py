"""Bootstrap resamples as counts: how often each cluster was drawn.

A study asks for dozens of statistics of the same items, layer after layer. Equal seeds give equal resamples, and drawing
them costs more than most statistics, so the latest ones are kept as long as they are small.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from assay.arrays import Floats

_KEPT_CELLS = 2_000_000  # resample × cluster cells that are kept: 16 MB
_KEPT_SETS = 4


def resampled_counts(
    sizes: tuple[int, ...], seed: int, resamples: int, batch: int
) -> Sequence[Floats] | Iterator[Floats]:
    """Counts [b, clusters] of at most `batch` resamples at a time; not to be written to.

    `sizes` says how many clusters each stratum has; a resample draws as many of each, with replacement. The draws are those of
    `scipy.stats.bootstrap` with one sample per stratum, the same batch and `numpy.random.default_rng(seed)`.
    """
    if resamples * sum(sizes) <= _KEPT_CELLS:
        return _kept(sizes, seed, resamples, batch)
    return _drawn(sizes, seed, resamples, batch)


@lru_cache(maxsize=_KEPT_SETS)
def _kept(sizes: tuple[int, ...], seed: int, resamples: int, batch: int) -> list[Floats]:
    kept = list(_drawn(sizes, seed, resamples, batch))
    for counts in kept:
        counts.flags.writeable = False
    return kept


def _drawn(sizes: tuple[int, ...], seed: int, resamples: int, batch: int) -> Iterator[Floats]:
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *sizes[:-1]])
    for done in range(0, resamples, batch):
        rows = min(batch, resamples - done)
        drawn = [
            start + rng.integers(0, size, (rows, size)) for start, size in zip(starts, sizes, strict=True)
        ]
        yield count_draws(np.concatenate(drawn, axis=1), sum(sizes))


def count_draws(drawn: NDArray[np.int64], n: int) -> Floats:
    """Numbers below `n` [b, draws] → how often each occurs in its row [b, n]."""
    flat = (drawn + n * np.arange(len(drawn))[:, None]).ravel()
    counts = np.bincount(flat, minlength=len(drawn) * n).reshape(len(drawn), n)
    return counts.astype(np.float64)
