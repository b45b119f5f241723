import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from assay.errors import AssayError
from assay.probes.bradley_terry import choose_penalty, fit_bradley_terry, log_loss
from assay.statistics.choices import Choices


@pytest.fixture
def data():
    """60 items with 5 features that matter and 40 that do not; 900 pairs asked 3 times."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 45)) * np.logspace(0, 1, 45) + 20
    utility = (X[:, :5] - 20) @ rng.normal(size=5)
    first = rng.integers(0, 60, 900)
    second = (first + rng.integers(1, 60, 900)) % 60
    wins = rng.binomial(3, 1 / (1 + np.exp(utility[second] - utility[first])))
    return X, Choices(first, second, wins, 3 - wins, 0 * wins)


@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_weights_are_those_of_logistic_regression_on_differences(data, penalty):
    X, pairs = data
    probe = fit_bradley_terry(X, pairs, penalty=penalty)
    scaler = StandardScaler().fit(X)
    Z = scaler.transform(X)
    differences = Z[pairs.first] - Z[pairs.second]
    model = LogisticRegression(
        fit_intercept=False, C=1 / (penalty * pairs.n_choices), solver="newton-cholesky", tol=1e-12
    )
    model.fit(
        np.concatenate([differences, differences]),
        np.repeat([1, 0], len(pairs)),
        np.concatenate([pairs.first_wins, pairs.second_wins]),
    )
    assert probe.converged
    np.testing.assert_allclose(probe.weight * scaler.scale_, model.coef_[0], atol=1e-6)
    assert probe.predict(X).mean() == pytest.approx(0, abs=1e-10)
    assert (probe.scale, probe.penalty) == (pytest.approx(probe.predict(X).std()), penalty)


def test_the_penalty_is_chosen_on_held_out_items(data):
    """Against a loop over the same folds; choices that cross a fold's border are used by neither side."""
    X, pairs = data
    penalties = [1e-4, 1e-2, 1.0]
    losses = np.zeros(3)
    for held_out in np.array_split(np.random.default_rng(0).permutation(60), 5):
        inside = np.isin(np.arange(60), held_out)
        train = pairs.take(~inside[pairs.first] & ~inside[pairs.second])
        test = pairs.take(inside[pairs.first] & inside[pairs.second])
        for index, penalty in enumerate(penalties):
            probe = fit_bradley_terry(X[~inside], train.within(np.flatnonzero(~inside), 60), penalty=penalty)
            losses[index] += log_loss(X @ probe.weight, test)
    assert choose_penalty(X, pairs, penalties) == penalties[int(np.argmin(losses))]


def test_identity_features_cannot_pass_for_skill(data):
    """One-hot features tell every item apart and nothing about another one: held-out items score a coin's loss."""
    _, pairs = data
    one_hot = np.eye(60)
    weak = choose_penalty(one_hot, pairs, [1e-3, 10.0])
    assert weak == 10.0


def test_what_cannot_be_fitted_is_refused(data):
    X, pairs = data
    with pytest.raises(AssayError, match="positive penalty and at least one choice"):
        fit_bradley_terry(X, pairs, penalty=0.0)
    with pytest.raises(AssayError, match="positive penalty and at least one choice"):
        fit_bradley_terry(X, pairs.take(np.zeros(900, bool)), penalty=1.0)
    with pytest.raises(AssayError, match="no choice lies within one of 5 folds"):
        choose_penalty(X, pairs.take(np.arange(900) < 1), [1.0])
