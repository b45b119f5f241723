import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from assay.errors import AssayError
from assay.probes.linear import fit_probes, shuffled_labels
from assay.probes.logistic import solve_logistic


def make(n, d, *, spread=0.0, rate=0.5, noise=1.0, seed=0):
    """Correlated features whose scales span 10^spread, shifted far from zero, and labels that follow them."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, d))
    X = (
        hidden @ (rng.normal(size=(d, d)) * np.logspace(0, -spread, d)[:, None]) * np.logspace(0, spread, d)
        + 30
    )
    logits = hidden @ rng.normal(size=d) + noise * rng.logistic(size=n)
    return X, logits > np.quantile(logits, 1 - rate)


def sklearn_fit(X, y, *, weight_decay, weights):
    scaler = StandardScaler().fit(X)
    model = LogisticRegression(
        C=1 / (weight_decay * weights.sum()), tol=1e-11, max_iter=20_000, solver="lbfgs"
    )
    return scaler, model.fit(scaler.transform(X), y, sample_weight=weights)


CASES = {
    "plain": {"n": 400, "d": 20},
    "ill conditioned": {"n": 400, "d": 20, "spread": 4},
    "more features than rows": {"n": 60, "d": 150},
    "tiny positive class": {"n": 400, "d": 10, "rate": 0.01},
    "separable": {"n": 300, "d": 30, "noise": 0.0},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weight_decay", [1e-2, 1e-4])
def test_coefficients_are_scikit_learns(case, weight_decay):
    X, y = make(**CASES[case])
    weights = np.where(y, np.clip((~y).sum() / y.sum(), 1, 5.0), 1.0)
    (probe,) = fit_probes(X, y, weight_decay=weight_decay, positive_weight_cap=5.0)
    scaler, model = sklearn_fit(X, y, weight_decay=weight_decay, weights=weights)
    assert probe.converged
    np.testing.assert_allclose(probe.weight * scaler.scale_, model.coef_[0], atol=1e-4)
    np.testing.assert_allclose(
        probe.decision_function(X), model.decision_function(scaler.transform(X)), atol=2e-3
    )


def test_sample_weights_are_repetitions():
    X, y = make(120, 6)
    copies = np.random.default_rng(1).integers(1, 4, 120)
    scaled = (X - X.mean(0)) / X.std(0)
    weighted = solve_logistic(scaled, y[:, None], copies[:, None].astype(float), weight_decay=1e-3)
    rows = np.repeat(np.arange(120), copies)
    repeated = solve_logistic(scaled[rows], y[rows, None], np.ones((len(rows), 1)), weight_decay=1e-3)
    np.testing.assert_allclose(weighted.weights, repeated.weights, atol=1e-6)
    np.testing.assert_allclose(weighted.intercepts, repeated.intercepts, atol=1e-6)


def test_columns_fitted_together_equal_columns_fitted_alone():
    X, y = make(500, 15)
    labels = np.column_stack([y, shuffled_labels(y, 4, seed=0)])
    together = fit_probes(X, labels)
    for column, probe in enumerate(together):
        (alone,) = fit_probes(X, labels[:, column])
        np.testing.assert_allclose(probe.weight, alone.weight, atol=1e-6)
        assert probe.bias == pytest.approx(alone.bias, abs=1e-5)


@pytest.mark.parametrize("spread", [0, 3, 6])
def test_conditioning_costs_no_iterations(spread):
    X, y = make(1000, 30, spread=spread)
    scaled = (X - X.mean(0)) / X.std(0)
    solution = solve_logistic(scaled, y[:, None], np.ones((1000, 1)), weight_decay=1e-4)
    assert solution.converged.all()
    assert solution.iterations <= 60


def test_weights_read_raw_activations_and_constant_features_are_harmless():
    X, y = make(300, 8)
    with_constant = np.column_stack([X, np.full(300, 1234.567), np.zeros(300)]).astype(np.float32)
    (probe,) = fit_probes(with_constant, y)
    (without,) = fit_probes(X.astype(np.float32), y)
    np.testing.assert_allclose(probe.weight[:8], without.weight, atol=1e-6)
    np.testing.assert_allclose(probe.weight[8:], 0, atol=1e-12)
    np.testing.assert_allclose(
        probe.decision_function(with_constant), with_constant.astype(float) @ probe.weight + probe.bias
    )
    assert probe.scale == pytest.approx(probe.decision_function(with_constant).std())


def test_a_probe_reads_like_a_scikit_learn_classifier():
    X, y = make(200, 5)
    (probe,) = fit_probes(X, y)
    assert probe.coef_.shape == (1, 5)
    assert probe.intercept_.shape == (1,)
    assert probe.classes_.tolist() == [0, 1]
    assert (probe.predict(X) == (probe.predict_proba(X)[:, 1] > 0.5)).all()
    np.testing.assert_allclose(probe.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(AssayError, match=r"\[n, 5\]"):
        probe.predict(X[:, :4])


def test_the_positive_weight_is_capped_and_can_be_turned_off():
    X, y = make(400, 6, rate=0.02)
    for cap, expected in ((5.0, 5.0), (1.0, 1.0), (1000.0, (~y).sum() / y.sum())):
        (probe,) = fit_probes(X, y, positive_weight_cap=cap, weight_decay=1e-3)
        scaler, model = sklearn_fit(X, y, weight_decay=1e-3, weights=np.where(y, expected, 1.0))
        np.testing.assert_allclose(probe.weight * scaler.scale_, model.coef_[0], atol=1e-4)


def test_a_fit_that_runs_out_of_iterations_says_so():
    X, y = make(300, 30, noise=0.0)
    assert not fit_probes(X, y, weight_decay=1e-6, max_iterations=2)[0].converged


def test_the_same_input_gives_the_same_bits():
    X, y = make(300, 12)
    first, second = fit_probes(X, y)[0], fit_probes(X, y)[0]
    assert first.weight.tobytes() == second.weight.tobytes()
    assert shuffled_labels(y, 3, seed=1).tobytes() == shuffled_labels(y, 3, seed=1).tobytes()
    assert (shuffled_labels(y, 3, seed=1).sum(axis=0) == y.sum()).all()


def test_bad_input_names_the_fault():
    X, y = make(50, 4)
    broken = X.copy()
    broken[7, 2] = np.nan
    with pytest.raises(AssayError, match=r"1 of 50 activation rows.*row 7"):
        fit_probes(broken, y)
    with pytest.raises(AssayError, match="positive class is empty"):
        fit_probes(X, np.zeros(50))
    with pytest.raises(AssayError, match="negative class is empty"):
        fit_probes(X, np.ones(50))
    with pytest.raises(AssayError, match="must be 0 or 1"):
        fit_probes(X, np.arange(50))
    with pytest.raises(AssayError, match=r"\(50, 4\) and \(49, 1\)"):
        fit_probes(X, y[:-1])
    with pytest.raises(AssayError, match="weight_decay"):
        fit_probes(X, y, weight_decay=0.0)
    with pytest.raises(AssayError, match="sample_weight"):
        fit_probes(X, y, sample_weight=-np.ones(50))
