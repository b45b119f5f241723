"""Standard errors of Thurstonian utilities from the observed information, the Hessian of the penalised objective.

The quantity is μ_i minus the mean of all μ. Its covariance is that of the pinned fit, centred, and equals the pseudo-inverse
of the Hessian, whose null space is the shift of all μ: no task is special.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg

from assay.preferences.thurstone_objective import Floats, Objective

EXACT_TASKS = 1500  # up to here a dense factorisation of [2n, 2n]; beyond, PROBES random vectors
PROBES = 100  # relative error of a variance about 0.3 / √PROBES on graphs of degree 10


def standard_errors(objective: Objective, parameters: Floats, at_bound: NDArray[np.bool_]) -> Floats:
    """[n] standard errors of the centred μ at a minimum.

    Args:
        objective: what was minimised.
        parameters: [2n − 1] the minimum.
        at_bound: [2n − 1] which parameters lie at a bound. Such a log σ counts as known; such a μ keeps its curvature, so that
            others are not thought more certain than they are, but gets NaN itself.

    All are NaN where the information is not positive definite: at no minimum. Exact up to EXACT_TASKS tasks; beyond, a
    stochastic estimate of the diagonal with a fixed seed (Bekas, Kokiopoulou & Saad 2007, doi:10.1016/j.apnum.2007.01.003),
    within about 2 % of the exact error.
    """
    n = objective.n_tasks
    free = np.concatenate([np.full(n, True), ~at_bound[n - 1 :]])
    information = objective.hessian(parameters)[free][:, free]
    variance = _exact(information, n) if n <= EXACT_TASKS else _probed(information, n)
    errors = np.sqrt(np.where(variance > 0, variance, np.nan))
    errors[1:][at_bound[: n - 1]] = np.nan
    return errors


def _exact(information: csr_array, n: int) -> Floats:
    """[n] diagonal of the pseudo-inverse, μ part; NaN where the matrix has another non-positive direction."""
    dense = information.toarray()
    dense[:n, :n] += 1 / n  # gives the shift of all μ the eigenvalue 1
    try:
        factor = cho_factor(dense, lower=True, overwrite_a=True)
    except LinAlgError:
        return np.full(n, np.nan)
    unit = np.eye(len(dense), n)
    variance: Floats = np.einsum("ii->i", cho_solve(factor, unit, overwrite_b=True)[:n]) - 1 / n
    return variance


def _probed(information: csr_array, n: int) -> Floats:
    """The same by random signs v: the mean of v ∘ (information⁻¹ v) tends to the diagonal."""
    size = information.shape[0]
    diagonal = information.diagonal()
    if (diagonal <= 0).any():
        return np.full(n, np.nan)

    def times(vector: Floats) -> Floats:
        product: Floats = information @ vector
        product[:n] += vector[:n].mean()
        return product

    matrix = LinearOperator((size, size), matvec=times, dtype=np.float64)
    scaling = LinearOperator((size, size), matvec=lambda v: v / diagonal, dtype=np.float64)
    rng = np.random.default_rng(0)
    total = np.zeros(n)
    for _ in range(PROBES):
        signs = np.where(rng.random(size) < 0.5, -1.0, 1.0)
        solution, failed = cg(matrix, signs, rtol=1e-4, maxiter=2000, M=scaling)
        if failed:
            return np.full(n, np.nan)
        total += (signs * solution)[:n]
    return total / PROBES - 1 / n
