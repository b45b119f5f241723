"""Thurstonian utilities: U_i ~ N(μ_i, σ_i²), P(i beats j) = Φ((μ_i − μ_j) / √(σ_i² + σ_j²)).

The fit minimises −Σ wins · log P + Σ (log σ)², with μ of the first task pinned at 0, |μ| ≤ 10 and |log σ| ≤ 2.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr

from assay.preferences.comparisons import Comparisons, Refusals

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Utilities:
    """Fitted utilities."""

    ids: tuple[str, ...]
    mu: Floats
    sigma: Floats


def fit_thurstone(
    comparisons: Comparisons,
    *,
    refusals: Refusals = "drop",
    tolerance: Literal["converged", "reference"] = "converged",
    errors: bool = True,
) -> Utilities:
    """Fit."""
    n = len(comparisons.ids)
    fw, sw = comparisons.wins(refusals)
    w = np.concatenate([comparisons.first, comparisons.second])
    l = np.concatenate([comparisons.second, comparisons.first])
    c = np.concatenate([fw, sw]).astype(float)
    w, l, c = w[c > 0], l[c > 0], c[c > 0]

    def fun(p):
        mu = np.concatenate([[0.0], p[: n - 1]])
        ls = p[n - 1 :]
        v = np.exp(2 * ls)
        S = np.sqrt(v[w] + v[l])
        z = (mu[w] - mu[l]) / S
        lp = np.clip(log_ndtr(z), np.log(1e-10), np.log1p(-1e-10))
        inside = (lp > np.log(1e-10)) & (lp < np.log1p(-1e-10))
        h = -c * np.exp(-z * z / 2 - 0.5 * np.log(2 * np.pi) - lp) * inside
        g = np.bincount(w, h / S, n) - np.bincount(l, h / S, n)
        t = -h * z / S**2
        gs = np.bincount(w, t * v[w], n) + np.bincount(l, t * v[l], n) + 2 * ls
        return -(c * lp).sum() + (ls**2).sum(), np.concatenate([g[1:], gs])

    gtol, ftol = (1.0, 1e-8) if tolerance == "reference" else (1e-5, 1e-14)
    r = minimize(
        fun,
        np.zeros(2 * n - 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-10, 10)] * (n - 1) + [(-2, 2)] * n,
        options=dict(gtol=gtol, ftol=ftol, maxiter=max(2000, 50 * (2 * n - 1)), maxfun=10**7),
    )
    out = Utilities(comparisons.ids, np.concatenate([[0.0], r.x[: n - 1]]), np.exp(r.x[n - 1 :]))
    object.__setattr__(out, "result", r)
    return out
