"""Thurstonian utilities: U_i ~ N(μ_i, σ_i²), P(i beats j) = Φ((μ_i − μ_j) / √(σ_i² + σ_j²)).

The fit minimises −Σ wins · log P + Σ (log σ)² with the first task's μ pinned at 0, |μ| ≤ 10 and |log σ| ≤ 2: the objective
of ogilg/Preferences, without which its published utilities cannot be compared.

The objective is convex in μ but not in log σ, and has many local minima: on the published choices of 1,000 tasks twelve random
starts end between 9610.9 and 9633.9, with Spearman correlations of μ above 0.999. Two ways to solve it:

* `converged` first solves the convex problem in μ at σ = 1, then frees σ, and stops where the projected gradient vanishes
  (≤ GRADIENT_TOLERANCE in every coordinate) and no direction of negative curvature is left, so at a minimum and not at a
  saddle. From that start it ends at 9610.7 on the choices above, below all of the random starts.
* `reference` starts at μ = 0, σ = 1 and stops as soon as the projected gradient is ≤ 1, as the published fits did:
  reproducible, and about 0.2 % above a minimum.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.choices import Refusals
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.information import standard_errors
from assay.studies.preferences.utilities.projected_newton import Minimum, descend, escape, projected_gradient
from assay.studies.preferences.utilities.thurstone_objective import Objective

MAX_MU, MAX_LOG_SIGMA = 10.0, 2.0
GRADIENT_TOLERANCE = 1e-6  # nats per unit of μ or log σ
HANDOVER = 0.1  # the projected gradient at which Newton's method takes over from L-BFGS
MAX_ITERATIONS = 20_000
MAX_ESCAPES = 20  # from saddles
REFERENCE_TOLERANCE = 1.0
REFERENCE_FLOOR = 1e-10  # the published fits clip probabilities to [floor, 1 − floor]

Tolerance = Literal["converged", "reference"]


@dataclass(frozen=True, eq=False)
class Utilities:
    """Fitted utilities of n tasks.

    Attributes:
        ids: [n] task ids; the first task's μ is 0 by definition.
        mu: [n] float64, in units in which σ is about 1.
        sigma: [n] float64, standard deviation of the task's utility from choice to choice.
        mu_se: [n] standard error of μ minus the mean of all μ (so it does not depend on which task is pinned); NaN where μ lies
            at its bound, where the information is not positive definite, and where errors were not asked for.
        nll: −Σ wins · log P, nats, with the choices that smoothing adds.
        penalty: Σ (log σ)².
        iterations: of the optimiser.
        evaluations: of objective and gradient.
        gradient_norm: Euclidean norm of the gradient of `objective`, bounds ignored.
        projected_gradient: largest |coordinate| of the gradient after projection on the bounds; 0 at an optimum.
        converged: whether the tolerance asked for was reached.
    """

    ids: tuple[str, ...]
    mu: Floats
    sigma: Floats
    mu_se: Floats
    nll: float
    penalty: float
    iterations: int
    evaluations: int
    gradient_norm: float
    projected_gradient: float
    converged: bool

    @property
    def objective(self) -> float:
        """What was minimised: nll + penalty."""
        return self.nll + self.penalty

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """[n] whether μ lies at its bound: it is at least as extreme."""
        return np.abs(self.mu) >= MAX_MU

    @property
    def at_bound(self) -> int:
        """How many tasks' μ lies at its bound."""
        return int(self.bounded.sum())


def fit_thurstone(
    comparisons: Comparisons,
    *,
    refusals: Refusals = "drop",
    tolerance: Tolerance = "converged",
    smoothing: float = 0.0,
    errors: bool = True,
) -> Utilities:
    """Fit μ and σ to counts of choices.

    Args:
        comparisons: of at least two tasks; a task without any comparison gets μ = 0, σ = 1.
        refusals: what a refusal counts as.
        tolerance: `converged`, or `reference` to reproduce published numbers.
        smoothing: choices added in each direction of every pair that was asked (½ is Haldane's correction): without, a task
            that always wins or always loses has no finite μ and ends at a bound. The published fits have none.
        errors: whether to compute standard errors.
    """
    if len(comparisons.ids) < 2:
        raise AssayError(f"utilities need at least two tasks, found {len(comparisons.ids)}")
    if tolerance not in ("converged", "reference"):
        raise AssayError(f"the tolerance is either 'converged' or 'reference', not {tolerance!r}")
    if smoothing < 0:
        raise AssayError(f"smoothing is {smoothing}; give 0 (none) or a number of choices such as 0.5")
    strict = tolerance == "converged"
    floor = None if strict else REFERENCE_FLOOR
    objective = Objective.of(comparisons, refusals, floor=floor, smoothing=smoothing)
    with threadpool_limits(1, "blas"):  # the vectors are short: threads cost more than they bring
        minimum = _converge(objective) if strict else _follow_reference(objective)
    n, bounds = objective.n_tasks, _bounds(objective.n_tasks)
    mu, log_sigma = objective.split(minimum.x)
    penalty = float(log_sigma @ log_sigma)
    at_bound = np.abs(minimum.x) >= bounds[:, 1]
    largest = float(np.abs(projected_gradient(minimum.x, minimum.gradient, bounds)).max())
    return Utilities(
        ids=comparisons.ids,
        mu=mu,
        sigma=np.exp(log_sigma),
        mu_se=standard_errors(objective, minimum.x, at_bound) if errors else np.full(n, np.nan),
        nll=minimum.value - penalty,
        penalty=penalty,
        iterations=minimum.iterations,
        evaluations=minimum.evaluations,
        gradient_norm=float(np.linalg.norm(minimum.gradient)),
        projected_gradient=largest,
        converged=largest <= (GRADIENT_TOLERANCE if strict else REFERENCE_TOLERANCE),
    )


def _bounds(n: int) -> Floats:
    """[2n − 1, 2] lower and upper bound of each parameter."""
    upper = np.concatenate([np.full(n - 1, MAX_MU), np.full(n, MAX_LOG_SIGMA)])
    return np.stack([-upper, upper], axis=1)


def _converge(objective: Objective) -> Minimum:
    """The convex problem in μ at σ = 1, then all parameters, then Newton's steps."""
    n = objective.n_tasks
    bounds = _bounds(n)
    options = {"gtol": HANDOVER, "ftol": 0.0, "maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS}

    def of_mu(mu: Floats) -> tuple[float, Floats]:
        value, gradient = objective(np.concatenate([mu, np.zeros(n)]))
        return value, gradient[: n - 1]

    def hessian(x: Floats) -> csr_array:
        return objective.hessian(x)[1:][:, 1:]

    convex = _lbfgs(of_mu, np.zeros(n - 1), bounds[: n - 1], options)
    parts = [convex]
    start: Floats | None = np.concatenate([convex.x, np.zeros(n)])
    for _ in range(MAX_ESCAPES):
        assert start is not None
        near = _lbfgs(objective, start, bounds, options)
        end = descend(objective, hessian, near.x, bounds=bounds, tolerance=GRADIENT_TOLERANCE)
        parts += [near, end]
        start = escape(objective, hessian, end, bounds=bounds)
        if start is None:
            break
    return replace(
        end,
        iterations=sum(part.iterations for part in parts),
        evaluations=sum(part.evaluations for part in parts),
    )


def _follow_reference(objective: Objective) -> Minimum:
    """One loose run of L-BFGS-B with the settings of the published fits."""
    n = objective.n_tasks
    iterations = max(2000, 50 * (2 * n - 1))
    options = {"gtol": REFERENCE_TOLERANCE, "ftol": 1e-8, "maxiter": iterations, "maxfun": 50 * iterations}
    return _lbfgs(objective, np.zeros(2 * n - 1), _bounds(n), options)


def _lbfgs(
    function: Callable[[Floats], tuple[float, Floats]], start: Floats, bounds: Floats, options: Any
) -> Minimum:
    result: Any = minimize(
        cast(Any, function), start, jac=True, method="L-BFGS-B", bounds=cast(Any, bounds), options=options
    )
    return Minimum(result.x, float(result.fun), result.jac, int(result.nit), int(result.nfev))
