"""Standard errors of Thurstonian utilities from the observed information, the Hessian of the penalised objective.

The quantity is μ_i minus the mean of all μ. Its covariance is that of the pinned fit, centred, and equals the pseudo-inverse
of the Hessian, whose null space is the shift of all μ: no task is special.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky
from scipy.linalg.lapack import dtrtri

from assay.arrays import Floats
from assay.studies.preferences.utilities.thurstone_objective import Objective


def standard_errors(objective: Objective, parameters: Floats, at_bound: NDArray[np.bool_]) -> Floats:
    """[n] standard errors of the centred μ at a minimum.

    Args:
        objective: what was minimised.
        parameters: [2n − 1] the minimum.
        at_bound: [2n − 1] which parameters lie at a bound. Such a log σ counts as known; such a μ keeps its curvature, so that
            others are not thought more certain than they are, but gets NaN itself.

    All are NaN where the information is not positive definite: at no minimum. Dense: memory 32 n² bytes and 3 n³ operations,
    so 1,000 tasks take a fraction of a second and 10,000 some minutes and 3.2 GB.
    """
    n = objective.n_tasks
    free = n + np.flatnonzero(~at_bound[n - 1 :])
    order = np.concatenate(
        [free, np.arange(n)]
    )  # μ last: its block of the inverse needs its block of the factor alone
    information = objective.hessian(parameters)[order][:, order].toarray(order="F")
    information[len(free) :, len(free) :] += 1 / n  # gives the shift of all μ the eigenvalue 1
    try:
        factor = cholesky(information, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return np.full(n, np.nan)
    inverse, _ = dtrtri(factor[len(free) :, len(free) :], lower=1)
    variance = (np.tril(inverse) ** 2).sum(axis=0) - 1 / n
    errors = np.sqrt(np.where(variance > 0, variance, np.nan))
    errors[1:][at_bound[: n - 1]] = np.nan
    return errors
