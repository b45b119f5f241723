import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.errors import AssayError
from assay.probes import ridge
from assay.probes.ridge import GroupedRidge, solve_shifted

ALPHAS = np.logspace(-1, 5, 7)


def problem(n: int, d: int):
    """Correlated features far from zero, one of them constant, one constant outside group 2."""
    rng = np.random.default_rng(n + d)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 50 * rng.normal(size=d)
    groups = rng.integers(0, 5, n)
    X[:, 1] = 7.7
    X[:, 2] = np.where(groups == 2, rng.normal(size=n), 1.25)
    Y = np.stack([X[:, 0] + rng.normal(size=n), rng.normal(size=n)], axis=1)
    return X, Y, groups


@pytest.mark.parametrize(("n", "d"), [(300, 20), (40, 90)], ids=["primal", "dual"])
@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("held_out", [(), (2,), (0, 3)])
def test_every_penalty_and_fold_is_scikit_learns(n, d, standardise, held_out):
    X, Y, groups = problem(n, d)
    path = GroupedRidge(X, Y, groups, standardise=standardise).fit(ALPHAS, held_out)
    train = ~np.isin(groups, held_out)
    predicted = path.predict(X)
    assert predicted.shape == (len(ALPHAS), n, 2)
    for alpha, ours in zip(ALPHAS, predicted, strict=True):
        steps = [StandardScaler()] if standardise else []
        model = make_pipeline(*steps, Ridge(alpha=alpha)).fit(X[train], Y[train])
        # a feature that does not vary in training has weight 0 here and rounding error over a tiny deviation there
        usable = train if 2 in held_out else np.ones(n, bool)
        np.testing.assert_allclose(ours[usable], model.predict(X)[usable], rtol=0, atol=1e-7)


def test_weights_act_on_raw_features():
    X, Y, groups = problem(300, 20)
    path = GroupedRidge(X, Y, groups).fit(ALPHAS)
    by_hand = X @ path.weights[3, :, 1] + path.biases[3, 1]
    np.testing.assert_allclose(path.predict(X)[3, :, 1], by_hand, rtol=1e-10)
    scaler = StandardScaler().fit(X)
    model = Ridge(alpha=ALPHAS[3]).fit(scaler.transform(X), Y[:, 1])
    np.testing.assert_allclose(path.weights[3, :, 1], model.coef_ / scaler.scale_, atol=1e-9)


def test_a_feature_that_is_constant_in_training_is_not_used():
    X, Y, groups = problem(300, 20)
    weights = GroupedRidge(X, Y, groups).fit(ALPHAS, [2]).weights
    assert (weights[:, 1:3] == 0).all()
    assert np.abs(weights[:, 0]).min() > 1e-9


def test_grams_formed_when_needed_change_nothing(monkeypatch):
    X, Y, groups = problem(300, 20)
    kept = GroupedRidge(X, Y, groups).fit(ALPHAS, [1, 4])
    monkeypatch.setattr(ridge, "_GRAM_BYTES", 0)
    formed = GroupedRidge(X, Y, groups)
    np.testing.assert_allclose(formed.fit(ALPHAS, [1, 4]).weights, kept.weights, atol=1e-9)
    assert not formed._grams


@pytest.mark.parametrize("m", [1, 2, 30])
def test_shifted_systems(m):
    rng = np.random.default_rng(m)
    root = rng.normal(size=(m, max(1, m // 2)))  # singular for m > 1
    A, B = root @ root.T, rng.normal(size=(m, 3))
    solved = solve_shifted(A.copy(), B, ALPHAS)
    for alpha, ours in zip(ALPHAS, solved, strict=True):
        np.testing.assert_allclose(ours, np.linalg.solve(A + alpha * np.eye(m), B), rtol=1e-8, atol=1e-12)


def test_bad_input_is_named():
    X, Y, groups = problem(300, 20)
    with pytest.raises(AssayError, match="penalties must be positive"):
        GroupedRidge(X, Y, groups).fit([1.0, 0.0])
    with pytest.raises(AssayError, match="at least two training rows"):
        GroupedRidge(X, Y, groups).fit(ALPHAS, range(5))
    with pytest.raises(AssayError, match="expected features"):
        GroupedRidge(X, Y[:-1], groups)
    X[7, 3] = np.inf
    with pytest.raises(AssayError, match=r"1 of 300 feature rows.*first: row 7"):
        GroupedRidge(X, Y, groups)
