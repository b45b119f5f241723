import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from assay.directions.contrast import folds_of, held_out, mean_difference, projections, separation
from assay.errors import AssayError

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 2 == 0
GROUPS = [f"pair {n // 2}" for n in range(60)]
SHIFTED = RNG.normal(size=(60, 8)) + 1.5 * LABELS[:, None] * np.eye(8)[0]


def test_the_difference_of_means_points_where_the_classes_differ():
    found = mean_difference(SHIFTED, LABELS)
    assert np.allclose(found, SHIFTED[::2].mean(0) - SHIFTED[1::2].mean(0))
    assert int(np.abs(found).argmax()) == 0


def test_groups_are_whole_and_every_record_is_held_out_once():
    folds = folds_of(LABELS, GROUPS, seed=1)
    assert all(len(set(folds[2 * n : 2 * n + 2])) == 1 for n in range(30))
    tests = [test for _, test in held_out(LABELS, folds)]
    assert np.array_equal(np.sum(tests, axis=0), np.ones(60))
    with pytest.raises(AssayError, match="needed to hold one out"):
        folds_of(LABELS, ["one"] * 60, seed=1)


def test_auroc_is_that_of_projections_on_directions_of_other_records():
    splits = list(held_out(LABELS, folds_of(LABELS, GROUPS, seed=1)))
    by_hand = np.zeros(60)
    for train, test in splits:
        means = [SHIFTED[train & wanted].mean(0) for wanted in (LABELS, ~LABELS)]
        unit = (means[0] - means[1]) / np.linalg.norm(means[0] - means[1])
        by_hand[test] = SHIFTED[test] @ unit - np.mean([mean @ unit for mean in means])
    assert np.allclose(projections(SHIFTED, LABELS, splits), by_hand)
    found = separation(SHIFTED, LABELS, splits, clusters=None, shuffles=20, seed=0)
    assert found.auroc.value == pytest.approx(roc_auc_score(LABELS, by_hand))
    assert found.shuffled.lower < 0.5 < found.shuffled.upper < found.auroc.value


def test_noise_is_not_read():
    noise = RNG.normal(size=(60, 8))
    splits = list(held_out(LABELS, folds_of(LABELS, GROUPS, seed=1)))
    found = separation(noise, LABELS, splits, clusters=None, shuffles=20, seed=0)
    assert found.auroc.lower < 0.5 < found.auroc.upper + 0.1
