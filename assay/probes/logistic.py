"""L2-regularised logistic regression for many label vectors of one feature matrix.

Minimises, for each label column, over weights w and an unpenalised intercept b,

    Σ sᵢ log(1 + exp(−yᵢ (w·xᵢ + b))) / Σ sᵢ  +  (weight_decay / 2) ‖w‖²,        yᵢ ∈ {−1, 1}

which is scikit-learn's `LogisticRegression(C = 1 / (weight_decay · Σ sᵢ))` with the same sample weights sᵢ.

Solver: L-BFGS whose initial metric is the fixed curvature bound ¼ XᵀX/n + weight_decay (Böhning & Lindsay 1988,
doi:10.1007/BF00049423), factorised once and shared by all label columns. In that metric the problem is well conditioned
whatever the covariance of the features, so tens of iterations are enough (nearly separable classes, where the true curvature
is far below the bound, take one or two hundred). All columns move together through the same
two matrix products per iteration; a line search costs none. Everything is float64 and deterministic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import expit

from assay.arrays import Floats
from assay.errors import AssayError

_MEMORY = 20  # pairs kept by L-BFGS
_ARMIJO = 1e-4
_HALVINGS = 40


@dataclass(frozen=True)
class Solution:
    """Weights [d, k] and intercepts [k] of k label columns, whether each converged, and the iterations used."""

    weights: Floats
    intercepts: Floats
    converged: NDArray[np.bool_]
    iterations: int


def solve_logistic(
    X: Floats,
    labels: NDArray[np.bool_],
    sample_weights: Floats,
    *,
    weight_decay: float,
    tolerance: float = 1e-8,
    max_iterations: int = 1000,
) -> Solution:
    """Fit every column of `labels` [n, k] on `X` [n, d] with `sample_weights` [n, k].

    `tolerance` bounds the gradient's norm in the whitened metric; the loss is then within about its square of the optimum.
    With more features than rows the problem is solved in the row space, where the optimum lies, at the cost of n features.
    """
    if weight_decay <= 0:
        raise AssayError(
            f"weight_decay must be positive, found {weight_decay}: separable classes have no optimum without it"
        )
    n, d = X.shape
    basis = None
    if d > n:
        basis, triangle = linalg.qr(X.T, mode="economic", check_finite=False)  # X = triangleᵀ basisᵀ
        X = np.asarray(triangle.T, dtype=np.float64)
    problem = _Problem(
        X, labels.astype(np.float64), sample_weights / sample_weights.sum(axis=0), weight_decay
    )
    parameters, converged, iterations = _minimise(problem, tolerance, max_iterations)
    weights = parameters[:-1] if basis is None else basis @ parameters[:-1]
    return Solution(weights, parameters[-1], converged, iterations)


class _Problem:
    """Loss, gradient and curvature bound; parameters are [p + 1, k] with the intercept last."""

    def __init__(self, X: Floats, targets: Floats, weights: Floats, weight_decay: float) -> None:
        self.X = np.concatenate([X, np.ones((len(X), 1))], axis=1)
        self.targets, self.weights = targets, weights  # [n, k]
        self.penalty = np.full((self.X.shape[1], 1), weight_decay)
        self.penalty[-1] = 0.0
        bound = self.X.T @ self.X / (4 * len(X))
        bound[np.diag_indices_from(bound)] += self.penalty[:, 0]
        self.factor = linalg.cho_factor(bound, lower=True, overwrite_a=True, check_finite=False)

    def whiten(self, gradient: Floats) -> Floats:
        solved: Floats = linalg.cho_solve(self.factor, gradient, check_finite=False)
        return solved

    def data_loss(self, logits: Floats, columns: NDArray[np.int64]) -> Floats:
        """Weighted mean loss of the given label columns [k]."""
        losses = np.logaddexp(0.0, logits) - self.targets[:, columns] * logits
        total: Floats = np.einsum("nk,nk->k", self.weights[:, columns], losses)
        return total

    def penalty_loss(self, parameters: Floats) -> Floats:
        total: Floats = 0.5 * (self.penalty * parameters**2).sum(axis=0)
        return total

    def gradient(self, parameters: Floats, logits: Floats, columns: NDArray[np.int64]) -> Floats:
        residual = self.weights[:, columns] * (expit(logits) - self.targets[:, columns])
        total: Floats = self.X.T @ residual + self.penalty * parameters
        return total


def _minimise(
    problem: _Problem, tolerance: float, max_iterations: int
) -> tuple[Floats, NDArray[np.bool_], int]:
    """Move all unconverged columns together; a column leaves when its whitened gradient is small enough."""
    n, k = problem.targets.shape
    best = np.zeros((problem.X.shape[1], k))
    converged = np.zeros(k, dtype=bool)
    columns = np.arange(k)
    parameters, logits = best.copy(), np.zeros((n, k))
    gradient = problem.gradient(parameters, logits, columns)
    memory: list[tuple[Floats, Floats]] = []
    iteration = 0
    for iteration in range(max_iterations + 1):
        whitened = problem.whiten(gradient)
        done = (gradient * whitened).sum(axis=0) <= tolerance**2
        best[:, columns] = parameters
        converged[columns] = done
        if done.all() or iteration == max_iterations:
            break
        if done.any():
            keep = ~done
            columns, parameters, logits, gradient = (
                columns[keep],
                parameters[:, keep],
                logits[:, keep],
                gradient[:, keep],
            )
            memory = [(step[:, keep], change[:, keep]) for step, change in memory]
        direction = _direction(problem, gradient, memory)
        logit_step = problem.X @ direction
        length = _line_search(problem, parameters, direction, logits, logit_step, gradient, columns)
        parameters = parameters + length * direction
        logits = logits + length * logit_step
        previous, gradient = gradient, problem.gradient(parameters, logits, columns)
        memory = [*memory[-(_MEMORY - 1) :], (length * direction, gradient - previous)]
    return best, converged, iteration


def _direction(problem: _Problem, gradient: Floats, memory: list[tuple[Floats, Floats]]) -> Floats:
    """−H⁻¹ gradient by the two-loop recursion, each column with its own history."""
    q = gradient.copy()
    used = []
    for step, change in reversed(memory):
        curvature = (step * change).sum(axis=0)
        inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=curvature > 0)
        alpha = inverse * (step * q).sum(axis=0)
        q -= alpha * change
        used.append((step, change, inverse, alpha))
    r = problem.whiten(q)
    if memory:
        step, change = memory[-1]
        curvature, size = (step * change).sum(axis=0), (change * problem.whiten(change)).sum(axis=0)
        r *= np.divide(curvature, size, out=np.ones_like(size), where=(size > 0) & (curvature > 0))
    for step, change, inverse, alpha in reversed(used):
        r += (alpha - inverse * (change * r).sum(axis=0)) * step
    return -r


def _line_search(
    problem: _Problem,
    parameters: Floats,
    direction: Floats,
    logits: Floats,
    logit_step: Floats,
    gradient: Floats,
    columns: NDArray[np.int64],
) -> Floats:
    """Step length [k] by halving from 1 until the loss falls enough (Armijo), column by column."""
    slope = (gradient * direction).sum(axis=0)
    start = problem.data_loss(logits, columns) + problem.penalty_loss(parameters)
    rounding = 8 * np.finfo(np.float64).eps * (1 + np.abs(start))
    length = np.ones(len(columns))
    for _ in range(_HALVINGS):
        loss = problem.data_loss(logits + length * logit_step, columns)
        loss = loss + problem.penalty_loss(parameters + length * direction)
        short = ~(loss <= start + _ARMIJO * length * slope + rounding)
        if not short.any():
            break
        length = np.where(short, length / 2, length)
    return length
