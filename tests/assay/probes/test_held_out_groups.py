from itertools import combinations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.errors import AssayError
from assay.probes.held_out_groups import leave_groups_out
from assay.probes.ridge import GroupedRidge

ALPHAS = [0.1, 10.0, 1000.0, 100000.0]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), [30, 25, 20, 15, 12, 5])
    X = rng.normal(size=(len(groups), 10)) + groups[:, None] * rng.normal(size=10)
    y = X @ rng.normal(size=10) + 3 * rng.normal(size=len(groups))
    return X, np.stack([y, rng.permutation(y)], axis=1), groups


def slow(X, y, groups, held):
    """The fold by two nested loops over scikit-learn: (α, predictions)."""
    outside = [g for g in range(5) if g not in held]  # group 5 has 5 rows: never held out
    means = []
    for alpha in ALPHAS:
        r = []
        for inner in outside:
            train, test = ~np.isin(groups, [*held, inner]), groups == inner
            model = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X[train], y[train])
            r.append(pearsonr(model.predict(X[test]), y[test]).statistic)
        means.append(np.mean(r))
    alpha = ALPHAS[int(np.argmax(means))]
    train, test = ~np.isin(groups, held), np.isin(groups, held)
    return alpha, make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X[train], y[train]).predict(X[test])


@pytest.mark.parametrize("size", [1, 2])
def test_folds_are_those_of_nested_loops(data, size):
    X, Y, groups = data
    folds = leave_groups_out(GroupedRidge(X, Y, groups), alphas=ALPHAS, size=size)
    assert [fold.held_out for fold in folds] == list(combinations(range(5), size))
    for fold in folds:
        assert fold.rows.tolist() == np.flatnonzero(np.isin(groups, fold.held_out)).tolist()
        assert fold.n_train == len(groups) - len(fold.rows)
        for target in range(2):
            alpha, predicted = slow(X, Y[:, target], groups, fold.held_out)
            assert fold.alphas[target] == alpha
            np.testing.assert_allclose(fold.scores[:, target], predicted, atol=1e-8)


def test_utilities_of_the_held_out_group_are_not_seen(data):
    X, Y, groups = data
    before = leave_groups_out(GroupedRidge(X, Y, groups), alphas=ALPHAS)[2]
    changed = Y.copy()
    changed[groups == 2] = np.random.default_rng(1).normal(size=(20, 2)) * 100
    after = leave_groups_out(GroupedRidge(X, changed, groups), alphas=ALPHAS)[2]
    assert after.alphas.tolist() == before.alphas.tolist()
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-9)


def test_the_criterion_chooses_the_penalty(data):
    """A criterion that prefers small predictions takes the largest penalty, its opposite the smallest."""
    ridge = GroupedRidge(*data)
    for sign, alpha in ((-1, max(ALPHAS)), (1, min(ALPHAS))):
        folds = leave_groups_out(
            ridge,
            alphas=ALPHAS,
            criterion=lambda scores, truth, s=sign: s * scores.var(axis=-1) + 0 * truth[..., 0],
        )
        assert {fold.alphas[0] for fold in folds} == {alpha}


def test_too_few_groups_are_refused(data):
    X, Y, groups = data
    with pytest.raises(AssayError, match="at least 6 groups of 10 or more items, found 5"):
        leave_groups_out(GroupedRidge(X, Y, groups), alphas=ALPHAS, size=4)
