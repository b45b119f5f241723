"""The last digits of a smooth minimum within bounds: Newton's method on the free parameters (Bertsekas 1982)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg

Floats = NDArray[np.float64]

_SUFFICIENT = 1e-4  # Armijo's share of the predicted decrease
_SHORTEST = 2.0**-30  # step


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
        held = ((x <= bounds[:, 0]) & (gradient > 0)) | ((x >= bounds[:, 1]) & (gradient < 0))
        direction = _newton_direction(hessian(x), gradient, ~held, accuracy=min(0.1, largest))
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


def _newton_direction(
    hessian: csr_array, gradient: Floats, free: NDArray[np.bool_], *, accuracy: float
) -> Floats:
    """[k] an approximate Newton step on the free parameters, or the scaled gradient where the curvature is not positive."""
    matrix = hessian[free][:, free]
    scale = np.abs(matrix.diagonal())
    scaling = LinearOperator(matrix.shape, matvec=lambda v: v / scale, dtype=np.float64)
    inner, _ = cg(matrix, -gradient[free], rtol=accuracy, maxiter=500, M=scaling)
    if not np.isfinite(inner).all() or inner @ gradient[free] >= 0:
        inner = -gradient[free] / scale
    direction = np.zeros_like(gradient)
    direction[free] = inner
    return direction
