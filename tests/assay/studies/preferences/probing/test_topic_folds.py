"""Topics held out by number or by name, and what a ridge without them says of them."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.errors import AssayError
from assay.probes.held_out_groups import leave_groups_out
from assay.probes.ridge import GroupedRidge
from assay.statistics.bootstrap import Resampling
from assay.studies.preferences.probing.content_study import content_estimates
from assay.studies.preferences.probing.topic_folds import parse_hold_out
from assay.studies.preferences.utilities.topics import Topics

TOPICS = Topics({f"t{i}": ("art", "law", "maths", "news, sport", "verse")[i % 5] for i in range(100)})
CODES = TOPICS.codes([f"t{i}" for i in range(100)])


def test_a_number_or_names():
    assert parse_hold_out(["3"], TOPICS, CODES) == (3, None)
    assert parse_hold_out(["maths, art", "law", "news, sport"], TOPICS, CODES) == (1, [(0, 2), (1,), (3,)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["2", "art"], "takes one number from 1, or names of topics"),
        (["0"], "takes one number from 1"),
        (["9" * 5000], "takes one number from 1"),
        (["art,chess"], "no task has the topic 'chess'; there are art, law, maths"),
        (["art,art"], "names a topic twice"),
        ([""], "no task has the topic ''"),
    ],
)
def test_what_is_neither_is_named(words, message):
    with pytest.raises(AssayError, match=message):
        parse_hold_out(words, TOPICS, CODES)


@pytest.fixture
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 8))
    return X, X @ rng.normal(size=8) + CODES + rng.normal(size=100)


def test_chosen_folds_are_those_of_all_combinations(regression):
    X, y = regression
    ridge, alphas = GroupedRidge(X, y, CODES), np.logspace(-1, 3, 5)
    every = leave_groups_out(ridge, alphas=alphas, size=2)
    chosen = leave_groups_out(ridge, alphas=alphas, chosen=[(1, 3), (0, 4)])
    by_groups = {fold.held_out: fold for fold in every}
    assert list(by_groups) == list(combinations(range(5), 2))
    for fold in chosen:
        same = by_groups[fold.held_out]
        assert fold.alphas == same.alphas
        np.testing.assert_allclose(fold.inner, same.inner)
        np.testing.assert_allclose(fold.scores, same.scores)
    with pytest.raises(AssayError, match="leaves 1 large enough to choose a penalty on"):
        leave_groups_out(ridge, alphas=alphas, chosen=[(0, 1, 2, 3)])


def test_the_published_recipe_has_one_penalty_for_all_folds(regression):
    """Standardised on the training topics, r on the topics left out, mean and spread over folds: by scikit-learn."""
    X, y = regression
    found = content_estimates(
        X, y, CODES, alphas=[0.1, 10.0, 1000.0], folds=5, minimum_topic=10, resampling=Resampling(0, 50),
        chosen=[(0, 2), (1,)],
    )  # fmt: skip
    model = make_pipeline(StandardScaler(), Ridge(alpha=found["cv_standardised_alpha"]))
    r = []
    for held in ((0, 2), (1,)):
        rows = np.isin(CODES, held)
        r.append(np.corrcoef(model.fit(X[~rows], y[~rows]).predict(X[rows]), y[rows])[0, 1])
    assert found["topic_fixed_r"].value == pytest.approx(np.mean(r), abs=1e-9)
    assert found["topic_fixed_r_sd"] == pytest.approx(np.std(r), abs=1e-9)
    assert found["topic_folds"] == 2
