import dataclasses

import numpy as np
import pytest
from support.preferences.published import THURSTONE, needs_published
from support.preferences.thurstonian_world import make_world

from assay.errors import AssayError
from assay.studies.preferences.asking.active_learning import ActiveLearning, ActiveLearningSettings
from assay.studies.preferences.asking.replay import replay
from assay.studies.preferences.utilities.measurements import read_comparisons
from assay.studies.preferences.utilities.utility_files import read_utilities

SETTINGS = ActiveLearningSettings(degree=3, batch=40, max_iterations=4, threshold=1.0, samples=3)


def record(settings, *, lost=0):
    """A recorded run of 50 tasks; the last `lost` pairs of each batch got no answer."""
    learning, world, rng = ActiveLearning(50, settings), make_world(50), np.random.default_rng(0)
    while not learning.finished:
        proposal = learning.propose()
        learning.record(world.answer(proposal[: len(proposal) - lost], settings.samples, rng, refuse=0.1))
    return learning


@pytest.mark.parametrize("lost", [0, 2])
def test_a_recorded_run_is_chosen_again(lost):
    learning = record(SETTINGS, lost=lost)
    found = replay(learning.comparisons(), SETTINGS)
    assert found.selected_pairs == found.recorded_pairs == learning.unique_pairs
    assert found.lost_pairs == 4 * lost
    assert found.oriented_share == 1
    assert [i.rank_correlation for i in found.iterations] == learning.rank_correlations


def test_another_rule_does_not_choose_the_same():
    comparisons = record(SETTINGS).comparisons()
    other = replay(comparisons, dataclasses.replace(SETTINGS, quantile=0.9))
    assert other.selected_pairs < other.recorded_pairs
    assert other.lost_pairs > 0
    flipped = replay(comparisons, dataclasses.replace(SETTINGS, pair_order_seed=7))
    assert flipped.selected_pairs == flipped.recorded_pairs
    assert flipped.oriented_share < 0.8


def test_a_record_of_something_else_is_refused():
    comparisons = record(SETTINGS).comparisons()
    few = type(comparisons)([0], [1], [1], [0], [0], ids=comparisons.ids)
    unlucky = next(
        dataclasses.replace(SETTINGS, seed=seed)
        for seed in range(50)
        if [0, 1]
        not in np.sort(ActiveLearning(50, dataclasses.replace(SETTINGS, seed=seed)).propose()).tolist()
    )
    with pytest.raises(AssayError, match="none of the first batch's pairs"):
        replay(few, unlucky)


@needs_published
def test_the_rule_chooses_every_published_pair():
    ids = read_utilities(THURSTONE / "thurstonian.csv").ids
    comparisons = read_comparisons(THURSTONE / "measurements.yaml").reordered(ids)
    settings = ActiveLearningSettings(
        degree=5,
        batch=1000,
        max_iterations=6,
        threshold=1.0,
        refusals="as-b",
        tolerance="reference",
        picks="shuffled",
    )
    found = replay(comparisons, settings)
    assert (found.selected_pairs, found.recorded_pairs, found.lost_pairs) == (7496, 7496, 4)
    assert found.oriented_share == 1
    np.testing.assert_allclose(
        [i.rank_correlation for i in found.iterations],
        [0, 0.9415613300144078, 0.9741738093160138, 0.9875166597655292, 0.988528960089698, 0.992780539606351],
        atol=1e-9,
    )
