import numpy as np
import pytest
from sklearn import metrics

from assay.bootstrap import Resampling
from assay.classification import (
    auroc,
    balanced_accuracy,
    balanced_accuracy_difference,
    binary_scores,
    confusion,
    negative_accuracy,
    point_balanced_accuracy,
    positive_accuracy,
)
from assay.errors import AssayError

PLAIN = Resampling(seed=0, resamples=1500)


@pytest.fixture
def items():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 30, 400)
    labels = rng.random(400) < 0.3
    scores = rng.normal(size=400) + 1.2 * labels - 0.5 + 0.4 * rng.normal(size=30)[clusters]
    return scores, labels, clusters


@pytest.mark.parametrize("ties", [False, True])
def test_values_are_scikit_learns(items, ties):
    scores, labels, clusters = items
    scores = scores.round(0) + 0.5 if ties else scores
    data = binary_scores(scores, labels, clusters)
    counts = confusion(data)
    assert [[counts.tn, counts.fp], [counts.fn, counts.tp]] == metrics.confusion_matrix(
        labels, scores > 0
    ).tolist()
    assert balanced_accuracy(data, PLAIN).value == pytest.approx(
        metrics.balanced_accuracy_score(labels, scores > 0)
    )
    assert positive_accuracy(data, PLAIN).value == pytest.approx(metrics.recall_score(labels, scores > 0))
    assert negative_accuracy(data, PLAIN).value == pytest.approx(metrics.recall_score(~labels, scores <= 0))
    assert auroc(data, PLAIN).value == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert positive_accuracy(data, PLAIN).n == labels.sum()


def test_intervals_are_those_of_the_slow_loop(items):
    scores, labels, clusters = items
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(500):
        rows = np.concatenate([np.flatnonzero(clusters == c) for c in rng.integers(0, 30, 30)])
        drawn.append(
            (
                metrics.balanced_accuracy_score(labels[rows], scores[rows] > 0),
                metrics.roc_auc_score(labels[rows], scores[rows]),
            )
        )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    data = binary_scores(scores, labels, clusters)
    for found, lower, upper in zip(
        (balanced_accuracy(data, PLAIN), auroc(data, PLAIN)), low, high, strict=True
    ):
        np.testing.assert_allclose([found.lower, found.upper], [lower, upper], atol=0.2 * (upper - lower))


def test_a_difference_is_paired(items):
    scores, labels, clusters = items
    first, second = binary_scores(scores, labels, clusters), binary_scores(scores - 0.2, labels, clusters)
    found = balanced_accuracy_difference(first, second, PLAIN)
    assert found.value == pytest.approx(
        balanced_accuracy(first, PLAIN).value - balanced_accuracy(second, PLAIN).value
    )
    same = balanced_accuracy_difference(first, first, PLAIN)
    assert (same.lower, same.value, same.upper) == (0, 0, 0)
    with pytest.raises(AssayError, match="same items"):
        balanced_accuracy_difference(first, binary_scores(scores, ~labels, clusters), PLAIN)


def test_a_probe_that_always_says_one_class_is_called_out(items):
    _, labels, _ = items
    assert confusion(binary_scores(np.ones(400), labels)).one_class == "positive"
    assert confusion(binary_scores(-np.ones(400), labels)).one_class == "negative"
    assert confusion(binary_scores(labels - 0.5, labels)).one_class is None


def test_many_score_vectors_at_once(items):
    scores, labels, _ = items
    many = np.stack([scores, scores - 1], axis=1)
    expected = [metrics.balanced_accuracy_score(labels, many[:, i] > 0) for i in range(2)]
    np.testing.assert_allclose(point_balanced_accuracy(many, labels), expected)


def test_bad_scores_are_refused():
    with pytest.raises(AssayError, match="one class"):
        binary_scores([1.0, 2.0], [1, 1])
    with pytest.raises(AssayError, match="1 of 2 scores"):
        binary_scores([1.0, np.nan], [1, 0])
    with pytest.raises(AssayError, match="one value per item"):
        binary_scores([1.0], [1, 0])
