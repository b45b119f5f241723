import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.statistics.classification import (
    auroc,
    balanced_accuracy,
    balanced_accuracy_difference,
    binary_scores,
    confusion,
    negative_accuracy,
    point_balanced_accuracy,
    positive_accuracy,
)
from assay.statistics.estimates import wilson
from assay.statistics.jackknife import rate

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
    assert balanced_accuracy(data).value == pytest.approx(metrics.balanced_accuracy_score(labels, scores > 0))
    assert positive_accuracy(data).value == pytest.approx(metrics.recall_score(labels, scores > 0))
    assert negative_accuracy(data).value == pytest.approx(metrics.recall_score(~labels, scores <= 0))
    assert auroc(data).value == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert positive_accuracy(data).n == labels.sum()


def left_out(statistic, clusters):
    """The statistic of the items that lie in all clusters but one, for each."""
    return np.array([statistic(clusters != name) for name in np.unique(clusters)])


def jackknife_error(left):
    return np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())


def freedom(clusters):
    sizes = np.unique(clusters, return_counts=True)[1]
    return sizes.sum() ** 2 / (sizes**2).sum() - 1


def test_the_interval_of_auroc_leaves_out_clusters_in_log_odds(items):
    scores, labels, clusters = items
    left = left_out(lambda kept: metrics.roc_auc_score(labels[kept], scores[kept]), clusters)
    centre = special.logit(metrics.roc_auc_score(labels, scores))
    half = stats.t.ppf(0.975, freedom(clusters)) * jackknife_error(special.logit(left))
    found = auroc(binary_scores(scores, labels, clusters))
    assert [found.lower, found.upper] == pytest.approx(
        special.expit([centre - half, centre + half]), abs=0.002
    )


def test_the_interval_of_balanced_accuracy_adds_those_of_both_classes(items):
    scores, labels, clusters = items
    right = (scores > 0) == labels
    positives, negatives = (rate(right[side], clusters[side]) for side in (labels, ~labels))
    left = [
        left_out(lambda kept, side=side: right[kept & side].mean(), clusters) for side in (labels, ~labels)
    ]
    shared = np.corrcoef(left)[0, 1]
    below, above = (
        np.sqrt(x**2 + y**2 + 2 * shared * x * y) / 2
        for x, y in (
            (positives.value - positives.lower, negatives.value - negatives.lower),
            (positives.upper - positives.value, negatives.upper - negatives.value),
        )
    )
    found = balanced_accuracy(binary_scores(scores, labels, clusters))
    assert [found.lower, found.upper] == pytest.approx([found.value - below, found.value + above], abs=0.005)


def test_classes_have_the_rates_of_their_own_clusters(items):
    scores, labels, clusters = items
    data = binary_scores(scores, labels, clusters)
    assert positive_accuracy(data) == rate(scores[labels] > 0, clusters[labels])
    assert negative_accuracy(data) == rate(scores[~labels] <= 0, clusters[~labels])
    assert positive_accuracy(binary_scores(scores, labels)) == wilson(
        int((scores[labels] > 0).sum()), int(labels.sum())
    )


@pytest.mark.parametrize(("positives", "negatives"), [(5, 5), (30, 10), (3, 100)])
def test_classes_that_do_not_overlap_have_the_score_interval(positives, negatives):
    """Its end is where the standard error of Hanley and McNeil, counts pooled, lies 1.96 times away from 1."""
    labels = np.arange(positives + negatives) < positives
    found = auroc(binary_scores(labels - 0.5, labels))
    a, rest = found.lower, (positives + negatives) / 2 - 1
    variance = a * (1 - a) * (1 + rest * (1 - a) / (2 - a) + rest * a / (1 + a)) / (positives * negatives)
    assert (1 - a) / np.sqrt(variance) == pytest.approx(stats.norm.ppf(0.975), rel=1e-6)
    assert (found.value, found.upper) == (1, 1)
    turned = auroc(binary_scores(0.5 - labels, labels))
    assert (turned.value, turned.lower, turned.upper) == (0, 0, pytest.approx(1 - a))


def test_copies_of_classes_that_do_not_overlap_add_no_information():
    labels = np.arange(12) < 6
    single = auroc(binary_scores(labels - 0.5, labels))
    copied = auroc(binary_scores(np.tile(labels - 0.5, 9), np.tile(labels, 9), np.tile(np.arange(12), 9)))
    assert (copied.lower, copied.upper, copied.n) == (single.lower, single.upper, 108)


@pytest.mark.parametrize("clusters", [None, np.arange(40)])
def test_one_pair_short_of_perfect_has_an_interval(clusters):
    """Without the one item that is out of order the AUROC is 1, whose log-odds have no value."""
    labels = np.arange(40) < 20
    scores = np.where(labels, 2.0, 1.0)
    scores[0] = 0.5
    found = auroc(binary_scores(scores, labels, clusters))
    assert 0.5 < found.lower < found.value == 0.95 < found.upper < 1


def test_a_difference_is_paired(items):
    scores, labels, clusters = items
    first, second = binary_scores(scores, labels, clusters), binary_scores(scores - 0.2, labels, clusters)
    found = balanced_accuracy_difference(first, second, PLAIN)
    assert found.value == pytest.approx(balanced_accuracy(first).value - balanced_accuracy(second).value)
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
