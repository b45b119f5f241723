"""The last digits of a smooth minimum within bounds: Newton's method on the free parameters (Bertsekas 1982).

A vanishing gradient may be a saddle: `escape` leaves it along a direction of negative curvature.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, cg, eigsh

from assay.arrays import Floats

_SUFFICIENT = 1e-4  # Armijo's share of the predicted decrease
_SHORTEST = 2.0**-30  # step
_DENSE, _LANCZOS = 400, 300  # parameters up to which eigenvalues are exact; restarts beyond
NEGATIVE = 1e-6


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the descent ended: parameters [k], value, gradient [k], iterations, evaluations."""

    x: Floats
    value: float
    gradient: Floats
    iterations: int
    evaluations: int


def projected_gradient(x: Floats, gradient: Floats, bounds: Floats) -> Floats:
    """[k] the gradient as far as a step against it stays within bounds [k, 2]; 0 at a constrained minimum."""
    projected: Floats = x - np.clip(x - gradient, bounds[:, 0], bounds[:, 1])
    return projected


def descend(
    objective: Callable[[Floats], tuple[float, Floats]],
    hessian: Callable[[Floats], csr_array],
    start: Floats,
    *,
    bounds: Floats,
    tolerance: float,
    max_iterations: int = 100,
) -> Minimum:
    """Go down from `start` [k] until no coordinate of the projected gradient exceeds `tolerance`.

    Each step solves for the parameters that are not held by a bound, by conjugate gradients, and is halved until the value
    falls. Ends early where rounding hides any further decrease; the caller judges the projected gradient.
    """
    x = start
    value, gradient = objective(x)
    evaluations = 1
    for iteration in range(max_iterations):
        largest = np.abs(projected_gradient(x, gradient, bounds)).max()
        if largest <= tolerance:
            return Minimum(x, value, gradient, iteration, evaluations)
        free = _free(x, gradient, bounds)
        direction = _newton_direction(hessian(x), gradient, free, accuracy=min(0.1, largest))
        step = 1.0
        while True:
            moved = np.clip(x + step * direction, bounds[:, 0], bounds[:, 1])
            new_value, new_gradient = objective(moved)
            evaluations += 1
            slack = 4 * np.finfo(np.float64).eps * abs(value)
            if new_value <= value + _SUFFICIENT * float(gradient @ (moved - x)) + slack:
                break
            step /= 2
            if step < _SHORTEST:
                return Minimum(x, value, gradient, iteration, evaluations)
        x, value, gradient = moved, new_value, new_gradient
    return Minimum(x, value, gradient, max_iterations, evaluations)


def escape(
    objective: Callable[[Floats], tuple[float, Floats]],
    hessian: Callable[[Floats], csr_array],
    minimum: Minimum,
    *,
    bounds: Floats,
) -> Floats | None:
    """[k] a lower point beside a stationary one that is a saddle; None where no direction of negative curvature is found.

    Directions are those of the free parameters, each scaled by its own curvature; one counts as negative below −NEGATIVE.
    """
    free = _free(minimum.x, minimum.gradient, bounds)
    matrix = hessian(minimum.x)[free][:, free]
    scale = 1 / np.sqrt(_curvatures(matrix))
    value, vector = _smallest_eigenpair((diags_array(scale) @ matrix @ diags_array(scale)).tocsr())
    if value >= -NEGATIVE:
        return None
    direction = np.zeros_like(minimum.x)
    direction[free] = scale * vector
    step = 1.0
    while step >= _SHORTEST:
        for sign in (1, -1):
            moved = np.clip(minimum.x + sign * step * direction, bounds[:, 0], bounds[:, 1])
            if objective(moved)[0] < minimum.value:
                return moved
        step /= 2
    return None


def _free(x: Floats, gradient: Floats, bounds: Floats) -> NDArray[np.bool_]:
    """[k] whether a parameter is not held by a bound that the descent pushes against."""
    held = ((x <= bounds[:, 0]) & (gradient > 0)) | ((x >= bounds[:, 1]) & (gradient < 0))
    return np.asarray(~held)


def _curvatures(matrix: csr_array) -> Floats:
    """[k] |diagonal|, 1 where it is 0."""
    diagonal = np.abs(matrix.diagonal())
    return np.where(diagonal > 0, diagonal, 1.0)


def _smallest_eigenpair(matrix: csr_array) -> tuple[float, Floats]:
    """The smallest eigenvalue of a symmetric matrix and its vector [k]; a Lanczos estimate for large ones."""
    if matrix.shape[0] <= _DENSE:
        values, vectors = eigh(matrix.toarray(), subset_by_index=[0, 0])
    else:
        start = np.random.default_rng(0).normal(size=matrix.shape[0])
        try:
            values, vectors = eigsh(matrix, k=1, which="SA", tol=1e-2, v0=start, maxiter=_LANCZOS)
        except ArpackNoConvergence:
            return 0.0, start  # crowded at the lower end, as where all curvatures are positive
    return float(values[0]), vectors[:, 0]


def _newton_direction(
    hessian: csr_array, gradient: Floats, free: NDArray[np.bool_], *, accuracy: float
) -> Floats:
    """[k] an approximate Newton step on the free parameters, or the scaled gradient where the curvature is not positive."""
    matrix = hessian[free][:, free]
    scale = _curvatures(matrix)
    scaling = LinearOperator(matrix.shape, matvec=lambda v: v / scale, dtype=np.float64)
    inner, _ = cg(matrix, -gradient[free], rtol=accuracy, maxiter=500, M=scaling)
    if not np.isfinite(inner).all() or inner @ gradient[free] >= 0:
        inner = -gradient[free] / scale
    direction = np.zeros_like(gradient)
    direction[free] = inner
    return direction
