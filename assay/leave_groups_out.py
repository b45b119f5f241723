"""Ridge on all groups but k, read out on those k, for every choice of k groups.

The penalty of a fold is chosen inside its training groups: each of them is left out in turn as well, and the penalty with
the highest mean Pearson r on the left-out ones is taken. Leaving out outer groups H and inner group g trains on the same
rows as any other split of H ∪ {g}, so every set of k + 1 groups is solved once and serves k + 1 folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.correlations import point_pearson
from assay.errors import AssayError
from assay.logistic import Floats
from assay.ridge import GroupedRidge

Groups = tuple[int, ...]


@dataclass(frozen=True)
class Fold:
    """One set of held-out groups.

    Attributes:
        held_out: the group numbers, ascending.
        rows: [m] row numbers of the held-out groups, ascending.
        alphas: [k] the penalty chosen for each target.
        scores: [m, k] predictions for the held-out rows.
        n_train: rows that trained it.
    """

    held_out: Groups
    rows: NDArray[np.intp]
    alphas: Floats
    scores: Floats
    n_train: int


def foldable_groups(groups: ArrayLike, minimum: int) -> list[int]:
    """Groups with at least `minimum` rows; r on fewer is noise, so smaller ones always stay in training."""
    codes = np.asarray(groups)
    return [int(group) for group in np.unique(codes) if (codes == group).sum() >= minimum]


def leave_groups_out(
    X: ArrayLike, Y: ArrayLike, groups: ArrayLike, *, alphas: ArrayLike, size: int = 1, minimum: int = 10
) -> list[Fold]:
    """All folds of `size` held-out groups, in ascending order of their numbers.

    Args:
        X: features [n, d].
        Y: targets [n, k] or [n].
        groups: group numbers from 0 [n].
        alphas: penalties to choose from.
        size: groups held out together.
        minimum: groups with fewer rows are never held out.

    Raises AssayError when fewer than `size` + 2 groups can be held out: nothing would be left to choose α on.
    """
    Y = np.asarray(Y, dtype=np.float64)
    Y = Y[:, None] if Y.ndim == 1 else Y
    codes, grid = np.asarray(groups), np.asarray(alphas, dtype=np.float64)
    candidates = foldable_groups(codes, minimum)
    if size < 1 or len(candidates) < size + 2:
        raise AssayError(
            f"leaving {size} groups out needs at least {size + 2} groups of {minimum} or more items, found "
            f"{len(candidates)}; give more items, larger groups or a smaller hold-out"
        )
    ridge = GroupedRidge(X, Y, codes)
    X = np.asarray(X, dtype=np.float64)
    inner = _inner_correlations(ridge, X, Y, codes, grid, candidates, size)
    return [_fold(ridge, X, codes, grid, held, inner[held]) for held in combinations(candidates, size)]


def _inner_correlations(
    ridge: GroupedRidge,
    X: Floats,
    Y: Floats,
    codes: NDArray[np.int64],
    alphas: Floats,
    candidates: Sequence[int],
    size: int,
) -> dict[Groups, Floats]:
    """For every outer fold the mean r over inner left-out groups, [a, k]."""
    found: dict[Groups, list[Floats]] = {held: [] for held in combinations(candidates, size)}
    for left_out in combinations(candidates, size + 1):
        path = ridge.fit(alphas, left_out)
        for group in left_out:
            rows = codes == group
            r = point_pearson(path.predict(X[rows]).transpose(0, 2, 1), Y[rows].T)
            found[tuple(g for g in left_out if g != group)].append(np.nan_to_num(r))
    return {held: np.mean(values, axis=0) for held, values in found.items()}


def _fold(
    ridge: GroupedRidge, X: Floats, codes: NDArray[np.int64], alphas: Floats, held: Groups, inner: Floats
) -> Fold:
    rows = np.flatnonzero(np.isin(codes, held))
    best = inner.argmax(axis=0)
    scores = ridge.fit(alphas, held).predict(X[rows])[best, :, np.arange(inner.shape[1])].T
    return Fold(held, rows, alphas[best], scores, len(codes) - len(rows))
