"""Probes of true and shuffled labels at all layers: time of a scikit-learn loop over time of `fit_probes`."""

import time
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from assay.probes.linear import fit_probes, shuffled_labels

ROWS, SHUFFLES, WEIGHT_DECAY = 8000, 20, 1e-4
SOLVERS = ("lbfgs", "newton-cholesky")


def activations(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows like a residual stream: a few directions of large variance, a mean far from zero, one informative direction."""
    rng = np.random.default_rng(0)
    labels = rng.random(ROWS) < 0.5
    X = rng.normal(size=(ROWS, d)) @ (
        rng.normal(size=(d, d)) * np.logspace(0, -3, d)[:, None]
    ) + 5 * rng.normal(size=d)
    X += 0.3 * labels[:, None] * X.std(axis=0) * rng.normal(size=d) / np.sqrt(d) * 8
    return X.astype(np.float32), np.column_stack([labels, shuffled_labels(labels, SHUFFLES, seed=0)])


@pytest.mark.parametrize("d", [96, 640])
@pytest.mark.parametrize("solver", SOLVERS)
def test_against_a_scikit_learn_loop(d, solver, report):
    X, labels = activations(d)
    start = time.perf_counter()
    probes = fit_probes(X, labels, weight_decay=WEIGHT_DECAY)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    scaled = StandardScaler().fit_transform(X.astype(np.float64))
    deviations = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for column in (0, 1):  # one true and one shuffled column; the others cost what the shuffled one does
            began = time.perf_counter()
            model = LogisticRegression(C=1 / (WEIGHT_DECAY * ROWS), solver=solver, max_iter=2000, tol=1e-6)
            model.fit(scaled, labels[:, column])
            cost = time.perf_counter() - began
            deviations.append(
                (cost, np.abs(probes[column].decision_function(X) - model.decision_function(scaled)).max())
            )
    theirs = deviations[0][0] + SHUFFLES * deviations[1][0]
    report.add(
        f"probes, d={d}, against a loop over scikit-learn's {solver}",
        theirs / ours,
        "ratio",
        detail=f"1 + {SHUFFLES} label columns of {ROWS} rows: {theirs:.2f} s / {ours:.2f} s; logits differ by at most "
        f"{max(difference for _, difference in deviations):.1e}",
    )
    assert all(probe.converged for probe in probes)
