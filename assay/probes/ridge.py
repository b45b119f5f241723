"""Standardised ridge regression for many penalties, many targets and many sets of held-out rows of one feature matrix.

For training rows T with feature means m and population standard deviations s, minimises for every target column y

    Σ_T (yᵢ − b − w·(xᵢ − m) / s)²  +  α ‖w‖²

which is scikit-learn's `make_pipeline(StandardScaler(), Ridge(alpha))`, and folds m and s back into raw features. With
`standardise=False` s is 1: scikit-learn's plain `Ridge(alpha)`.

How the work is shared. Rows carry a group. XᵀX, XᵀY and the sums of every group are formed once; the sums over the
training rows of a fold are the total minus the held-out groups, and the fold's own standardisation is applied to them
analytically. One Householder reduction to tridiagonal form then serves all penalties and targets of the fold: with
A = Q T Qᵀ, (A + αI)⁻¹ b = Q (T + αI)⁻¹ Qᵀ b, and T + αI is solved in O(d). With fewer training rows than features the
same is done on the n × n matrix of inner products. Everything is float64 and deterministic.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack

from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.linear import standardisation

_GRAM_BYTES = (
    2_000_000_000  # XᵀX of all groups are kept below this; above it, held-out ones are formed when needed
)


@dataclass(frozen=True)
class RidgePath:
    """Solutions on raw features for a grid of penalties.

    Attributes:
        alphas: [a].
        weights: [a, d, k] float64 for k targets.
        biases: [a, k].
    """

    alphas: Floats
    weights: Floats
    biases: Floats

    def predict(self, X: ArrayLike) -> Floats:
        """Predictions for raw features [n, d] → [a, n, k]."""
        a, d, k = self.weights.shape
        flat = np.asarray(X, dtype=np.float64) @ self.weights.transpose(1, 0, 2).reshape(d, a * k)
        scores: Floats = flat.reshape(-1, a, k).transpose(1, 0, 2) + self.biases[:, None, :]
        return scores


class GroupedRidge:
    """Ridge on all rows but those of held-out groups, for any choice of groups, from one pass over the features."""

    def __init__(
        self, X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None = None, *, standardise: bool = True
    ) -> None:
        """Prepare features [n, d], targets [n, k] (or [n]) and group numbers ≥ 0 [n] (None: all rows are group 0).

        Raises AssayError for values that are not finite or shapes that do not fit.
        """
        self.X, self.Y, self.groups = _checked(X, Y, groups)
        self.standardise = standardise
        # of all rows: what is left is well conditioned, so sums may be subtracted from one another
        self.centre, deviation = standardisation(self.X)
        self.unit = deviation if standardise else np.ones_like(deviation)
        self.Z = (self.X - self.centre) / self.unit
        self.n_groups = int(self.groups.max()) + 1
        self._members = [np.flatnonzero(self.groups == group) for group in range(self.n_groups)]
        self._sums = np.stack([self._moments(rows) for rows in self._members])
        self._cross = np.stack([self.Z[rows].T @ self.Y[rows] for rows in self._members])
        self._grams: dict[int, Floats] = {}
        self._total_gram: Floats | None = None  # formed at the first primal fit
        self._keeps_grams = self.n_groups * 8 * self.Z.shape[1] ** 2 <= _GRAM_BYTES

    def fit(self, alphas: ArrayLike, held_out: Collection[int] = ()) -> RidgePath:
        """Solutions for penalties `alphas` [a] on the rows whose group is not in `held_out`.

        Raises AssayError for a penalty that is not positive, or fewer than two training rows.
        """
        penalties = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
        if not len(penalties) or not (np.isfinite(penalties) & (penalties > 0)).all():
            raise AssayError(f"ridge penalties must be positive numbers, found {penalties.tolist()}")
        kept = ~np.isin(np.arange(self.n_groups), list(held_out))
        n = sum(len(self._members[group]) for group in np.flatnonzero(kept))
        if n < 2:
            raise AssayError(f"ridge needs at least two training rows, found {n} outside the held-out groups")
        sums = self._sums[kept].sum(axis=0) / n
        mean, mean_square, target = np.split(sums, [self.Z.shape[1], 2 * self.Z.shape[1]])
        shrink = self._shrink(mean_square - mean**2)
        if n < self.Z.shape[1]:
            weights = self._dual(penalties, kept, mean, shrink, target)
        else:
            weights = self._primal(penalties, kept, n, mean, shrink, target)
        raw = weights * (shrink / self.unit)[:, None]
        biases = target - np.einsum("d,adk->ak", mean * self.unit + self.centre, raw)
        return RidgePath(penalties, raw, biases)

    def _shrink(self, variance: Floats) -> Floats:
        """What each feature is multiplied by: 0 for one that is constant in the training rows."""
        if not self.standardise:
            return np.ones_like(variance)
        varies = variance > 1e-12  # of the variance over all rows
        return np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)

    def _primal(
        self,
        alphas: Floats,
        kept: NDArray[np.bool_],
        n: int,
        mean: Floats,
        shrink: Floats,
        target: Floats,
    ) -> Floats:
        gram = self._training_gram(kept)
        gram -= n * np.outer(mean, mean)
        gram *= shrink[:, None]
        gram *= shrink
        right = (self._cross[kept].sum(axis=0) - n * np.outer(mean, target)) * shrink[:, None]
        return solve_shifted(gram, right, alphas)

    def _dual(
        self, alphas: Floats, kept: NDArray[np.bool_], mean: Floats, shrink: Floats, target: Floats
    ) -> Floats:
        rows = kept[self.groups]
        standardised = (self.Z[rows] - mean) * shrink
        coefficients = solve_shifted(standardised @ standardised.T, self.Y[rows] - target, alphas)
        weights: Floats = np.einsum("nd,ank->adk", standardised, coefficients, optimize=True)
        return weights

    def _training_gram(self, kept: NDArray[np.bool_]) -> Floats:
        if self._total_gram is None:
            self._total_gram = self._gram_of_all()
        gram = self._total_gram.copy()
        for group in np.flatnonzero(~kept):
            gram -= self._gram(int(group))
        return gram

    def _gram_of_all(self) -> Floats:
        if not self._keeps_grams:
            everything: Floats = self.Z.T @ self.Z
            return everything
        total = np.zeros((self.Z.shape[1], self.Z.shape[1]))
        for group in range(self.n_groups):
            total += self._gram(group)
        return total

    def _gram(self, group: int) -> Floats:
        if group in self._grams:
            return self._grams[group]
        rows = self.Z[self._members[group]]
        gram: Floats = rows.T @ rows
        if self._keeps_grams:
            self._grams[group] = gram
        return gram

    def _moments(self, rows: NDArray[np.intp]) -> Floats:
        """Sums of features, of their squares and of targets: [2 d + k]."""
        Z = self.Z[rows]
        return np.concatenate([Z.sum(axis=0), np.einsum("nd,nd->d", Z, Z), self.Y[rows].sum(axis=0)])


def solve_shifted(A: Floats, B: Floats, alphas: Floats) -> Floats:
    """(A + αI)⁻¹ B for every α > 0 → [a, m, k]; A [m, m] symmetric and positive semi-definite, B [m, k]. Overwrites A."""
    m, k = B.shape
    if m == 1:
        only: Floats = B[None] / (A[0, 0] + alphas)[:, None, None]
        return only
    work = int(lapack.dsytrd_lwork(m, lower=1)[0])
    columns = A.T  # in the order LAPACK wants without a copy: A is symmetric
    reflectors, diagonal, off, tau, info = lapack.dsytrd(columns, lower=1, lwork=work, overwrite_a=1)
    assert info == 0
    householder = np.asfortranarray(reflectors[1:, :-1])
    rotated = _apply_reflectors(householder, tau, np.asfortranarray(B), "T")
    solved = np.empty((m, len(alphas), k), order="F")
    for index, alpha in enumerate(alphas):
        _, _, solution, info = lapack.dptsv(diagonal + alpha, off, rotated)
        assert info == 0
        solved[:, index] = solution
    back = _apply_reflectors(householder, tau, solved.reshape(m, -1, order="F"), "N")
    return np.ascontiguousarray(back.reshape((m, len(alphas), k), order="F").transpose(1, 0, 2))


def _apply_reflectors(householder: Floats, tau: Floats, C: Floats, transpose: str) -> Floats:
    """Q C or Qᵀ C for the Q of `dsytrd` (lower): its first row and column are those of the identity."""
    work = max(1, C.shape[1]) * 64
    lower, _, info = lapack.dormqr("L", transpose, householder, tau, np.asfortranarray(C[1:]), work)
    assert info == 0
    product: Floats = np.concatenate([C[:1], lower])
    return product


def _checked(
    X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    features, targets = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    targets = targets[:, None] if targets.ndim == 1 else targets
    codes = np.zeros(len(features), np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
    if features.ndim != 2 or targets.ndim != 2 or not len(features) == len(targets) == len(codes):
        raise AssayError(
            f"expected features [n, d], targets [n, k] and groups [n], found {features.shape}, {targets.shape} and "
            f"{codes.shape}"
        )
    if not len(features) or codes.min() < 0:
        raise AssayError("ridge needs at least one row and group numbers from 0")
    for name, values in (("feature", features), ("target", targets)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise AssayError(
                f"{len(bad)} of {len(values)} {name} rows hold NaN or infinity (first: row {bad[0]}); extract or fit "
                "them again, or drop and count these rows"
            )
    return features, targets, codes
