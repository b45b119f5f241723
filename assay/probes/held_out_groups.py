"""Ridge on all groups but k, read out on those k, for every choice of k groups.

The penalty of a fold is chosen inside its training groups: each of them is left out in turn as well, and the penalty with
the highest mean criterion (by default Pearson r) on the left-out ones is taken. Leaving out outer groups H and inner group g trains on the same
rows as any other split of H ∪ {g}, so every set of k + 1 groups is solved once and serves k + 1 folds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.ridge import GroupedRidge
from assay.statistics.correlations import point_pearson

Groups = tuple[int, ...]
Criterion = Callable[[Floats, Floats], Floats]
"""(predictions [..., m], true values [..., m]) → value [...]; higher is better."""


@dataclass(frozen=True)
class Fold:
    """One set of held-out groups.

    Attributes:
        held_out: the group numbers, ascending.
        rows: [m] row numbers of the held-out groups, ascending.
        alphas: [k] the penalty chosen for each target.
        inner: [k] the mean criterion that it reached on the inner left-out groups; nothing held out is in it.
        scores: [m, k] predictions for the held-out rows.
        n_train: rows that trained it.
    """

    held_out: Groups
    rows: NDArray[np.intp]
    alphas: Floats
    inner: Floats
    scores: Floats
    n_train: int


def foldable_groups(groups: ArrayLike, minimum: int) -> list[int]:
    """Groups with at least `minimum` rows; r on fewer is noise, so smaller ones always stay in training."""
    codes = np.asarray(groups)
    return [int(group) for group in np.unique(codes) if (codes == group).sum() >= minimum]


def leave_groups_out(
    ridge: GroupedRidge,
    *,
    alphas: ArrayLike,
    size: int = 1,
    minimum: int = 10,
    criterion: Criterion = point_pearson,
    chosen: Sequence[Groups] | None = None,
) -> list[Fold]:
    """All folds of `size` held-out groups of the rows of `ridge`, in ascending order of the group numbers, or those `chosen`.

    Args:
        ridge: features, targets [n, k] and groups.
        alphas: penalties to choose from.
        size: groups held out together.
        minimum: groups with fewer rows are never held out.
        criterion: what the chosen penalty maximises, averaged over inner left-out groups; NaN counts as 0.
        chosen: sets of group numbers, each a fold of its own size, instead of all sets of `size`.

    Raises AssayError when fewer than `size` + 2 groups can be held out: nothing would be left to choose α on.
    """
    grid = np.asarray(alphas, dtype=np.float64)
    candidates = foldable_groups(ridge.groups, minimum)
    if chosen is not None:
        return [_chosen_fold(ridge, grid, held, candidates, criterion) for held in chosen]
    if size < 1 or len(candidates) < size + 2:
        raise AssayError(
            f"leaving {size} groups out needs at least {size + 2} groups of {minimum} or more items, found "
            f"{len(candidates)}; give more items, larger groups or a smaller hold-out"
        )
    inner = _inner_values(ridge, grid, candidates, size, criterion)
    return [_fold(ridge, grid, held, inner[held]) for held in combinations(candidates, size)]


def _chosen_fold(
    ridge: GroupedRidge, alphas: Floats, held: Groups, candidates: Sequence[int], criterion: Criterion
) -> Fold:
    """The fold of these groups; its penalty is chosen on every candidate that is not among them."""
    rest = [group for group in candidates if group not in held]
    if len(rest) < 2:
        raise AssayError(
            f"leaving {len(held)} groups out leaves {len(rest)} large enough to choose a penalty on; hold fewer out"
        )
    inner = [_criterion_on(ridge, alphas, (*held, group), group, criterion) for group in rest]
    return _fold(ridge, alphas, tuple(sorted(held)), np.mean(inner, axis=0))


def _criterion_on(
    ridge: GroupedRidge, alphas: Floats, left_out: Groups, group: int, criterion: Criterion
) -> Floats:
    """The criterion [a, k] on one of the left-out groups."""
    rows = ridge.groups == group
    path = ridge.fit(alphas, sorted(left_out))
    value = criterion(path.predict(ridge.X[rows]).transpose(0, 2, 1), ridge.Y[rows].T)
    return np.nan_to_num(value)


def _inner_values(
    ridge: GroupedRidge, alphas: Floats, candidates: Sequence[int], size: int, criterion: Criterion
) -> dict[Groups, Floats]:
    """For every outer fold the mean criterion over inner left-out groups, [a, k]."""
    found: dict[Groups, list[Floats]] = {held: [] for held in combinations(candidates, size)}
    for left_out in combinations(candidates, size + 1):
        path = ridge.fit(alphas, left_out)
        for group in left_out:
            rows = ridge.groups == group
            value = criterion(path.predict(ridge.X[rows]).transpose(0, 2, 1), ridge.Y[rows].T)
            found[tuple(g for g in left_out if g != group)].append(np.nan_to_num(value))
    return {held: np.mean(values, axis=0) for held, values in found.items()}


def _fold(ridge: GroupedRidge, alphas: Floats, held: Groups, inner: Floats) -> Fold:
    rows = np.flatnonzero(np.isin(ridge.groups, held))
    best, targets = inner.argmax(axis=0), np.arange(inner.shape[1])
    scores = ridge.fit(alphas, held).predict(ridge.X[rows])[best, :, targets].T
    return Fold(held, rows, alphas[best], inner[best, targets], scores, len(ridge.X) - len(rows))
