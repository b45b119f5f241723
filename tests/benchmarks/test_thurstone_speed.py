"""Thurstonian utilities of 10,000 tasks: seconds for the fit, and a gradient against autograd and finite differences."""

import time

import numpy as np
import torch
from benchmarks.timing import interleave
from scipy.special import ndtr

from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.thurstone import fit_thurstone
from assay.studies.preferences.utilities.thurstone_objective import Objective

TASKS, PAIRS, SAMPLES, SECONDS = 10_000, 70_000, 5, 5.0


def choices() -> Comparisons:
    """350,000 choices, mostly between tasks of like utility, as active learning asks them."""
    rng = np.random.default_rng(0)
    mu, sigma = rng.normal(0, 3, TASKS), np.exp(rng.normal(0, 0.4, TASKS))
    order, rank = np.argsort(mu), np.argsort(np.argsort(mu))
    one = rng.integers(0, TASKS, 2 * PAIRS)
    step = np.round(rng.normal(0, TASKS / 10, 2 * PAIRS)).astype(int)
    other = order[np.clip(rank[one] + step, 0, TASKS - 1)]
    keys = np.minimum(one, other) * TASKS + np.maximum(one, other)
    pairs = rng.permutation(np.unique(keys[one != other]))[:PAIRS]
    first, second = np.divmod(pairs, TASKS)
    wins = rng.binomial(SAMPLES, ndtr((mu[first] - mu[second]) / np.hypot(sigma[first], sigma[second])))
    return Comparisons(first, second, wins, SAMPLES - wins, 0 * wins, ids=tuple(map(str, range(TASKS))))


def autograd(objective: Objective):
    """The same value and gradient by torch's autograd."""
    winner, loser = torch.from_numpy(objective.winner), torch.from_numpy(objective.loser)
    count = torch.from_numpy(objective.count)

    def value_and_gradient(parameters):
        p = torch.from_numpy(parameters).requires_grad_()
        mu = torch.cat([torch.zeros(1, dtype=torch.float64), p[: objective.n_tasks - 1]])
        log_sigma = p[objective.n_tasks - 1 :]
        variance = torch.exp(2 * log_sigma)
        z = (mu[winner] - mu[loser]) / torch.sqrt(variance[winner] + variance[loser])
        value = -(count * torch.special.log_ndtr(z)).sum() + (log_sigma**2).sum()
        (gradient,) = torch.autograd.grad(value, p)
        return float(value.detach()), gradient.numpy()

    return value_and_gradient


def test_a_fit_of_ten_thousand_tasks(report):
    comparisons = choices()
    began = time.perf_counter()
    found = fit_thurstone(comparisons, errors=False)
    seconds = time.perf_counter() - began
    report.add(
        f"Thurstonian fit of {TASKS:,} tasks, {PAIRS * SAMPLES:,} choices, against {SECONDS:.0f} s",
        SECONDS / seconds,
        "ratio",
        1.0,
        f"{seconds:.2f} s to a projected gradient of {found.projected_gradient:.0e}, {found.evaluations} evaluations",
    )
    assert found.converged


def test_the_gradient_against_autograd_and_finite_differences(report):
    objective = Objective.of(choices(), "drop")
    x = np.random.default_rng(1).normal(0, 0.5, 2 * TASKS - 1)
    rival = autograd(objective)
    np.testing.assert_allclose(objective(x)[1], rival(x)[1], rtol=1e-8, atol=1e-8)
    seconds = interleave(
        {"ours": lambda: objective(x), "autograd": lambda: rival(x), "value": lambda: objective(x)[0]},
        repeats=9,
    )
    report.add(
        "Thurstonian value and gradient against torch's autograd",
        seconds["autograd"] / seconds["ours"],
        "ratio",
        detail=f"{1e3 * seconds['autograd']:.1f} ms / {1e3 * seconds['ours']:.1f} ms",
    )
    report.add(
        "Thurstonian value and gradient against forward differences",
        2 * TASKS * seconds["value"] / seconds["ours"],
        "ratio",
        detail=f"{2 * TASKS:,} values for one gradient (computed from the time of one)",
    )
