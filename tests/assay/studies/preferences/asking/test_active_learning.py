import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from support.preferences.thurstonian_world import make_world

from assay.errors import AssayError
from assay.statistics.choices import Choices
from assay.statistics.draws import key_draws
from assay.studies.preferences.asking.active_learning import ActiveLearning, ActiveLearningSettings
from assay.studies.preferences.utilities.thurstone import fit_thurstone

ROOT = Path(__file__).parents[5]


def unordered(pairs):
    return [tuple(sorted(pair)) for pair in pairs.tolist()]


def obvious_graph(n, degree, rng):
    """The specification's words as loops over lists."""
    edges, degrees = [], [0] * n
    for _ in range(10 * n * degree):
        needy = [task for task in range(n) if degrees[task] < degree]
        rng.shuffle(needy)
        for one, other in combinations(needy, 2):
            edge = min(one, other), max(one, other)
            if edge not in edges:
                edges.append(edge)
                degrees[one] += 1
                degrees[other] += 1
                break
    return edges


def by_turn(n, pairs, seed, iteration):
    """In the order of each pair's own random number."""
    turns = {
        pair: key_draws(seed, f"turn {iteration}", np.array([pair[0] * n + pair[1]]))[0] for pair in pairs
    }
    return sorted(pairs, key=turns.__getitem__)


def obvious_selection(n, asked, mu, batch, quantile, seed, iteration):
    """The same for a later batch, where all pairs can be listed."""
    unasked = [pair for pair in combinations(range(n), 2) if pair not in asked]
    if len(unasked) <= batch:
        return unasked
    degrees = [sum(task in pair for pair in asked) for task in range(n)]
    differences = [abs(mu[a] - mu[b]) for a, b in unasked]
    sums = [degrees[a] + degrees[b] for a, b in unasked]
    while True:
        limits = np.percentile(differences, 100 * quantile), np.percentile(sums, 100 * quantile)
        candidates = [
            pair
            for pair, difference, total in zip(unasked, differences, sums, strict=True)
            if difference <= limits[0] and total <= limits[1]
        ]
        if len(candidates) >= batch:
            return by_turn(n, candidates, seed, iteration)[:batch]
        quantile *= 1.5
        if quantile >= 1:
            rest = [pair for pair in unasked if pair not in candidates]
            return candidates + by_turn(n, rest, seed, iteration)[: batch - len(candidates)]


@pytest.mark.parametrize(
    ("n", "degree", "batch", "quantile"), [(14, 3, 11, 0.3), (9, 2, 8, 0.1), (20, 4, 20, 0.9)]
)
def test_every_batch_is_the_one_of_the_specification(n, degree, batch, quantile):
    settings = ActiveLearningSettings(
        degree=degree, batch=batch, max_iterations=30, threshold=1.0, quantile=quantile, seed=5
    )
    learning, world = ActiveLearning(n, settings), make_world(n)
    rng, chooser, asked, answers = np.random.default_rng(5), np.random.default_rng(0), set(), []
    expected = obvious_graph(n, degree, rng)
    while not learning.finished:
        proposal = learning.propose()
        assert unordered(proposal) == [tuple(map(int, pair)) for pair in expected]
        keys = np.array([min(pair) * n + max(pair) for pair in proposal.tolist()])
        flips = key_draws(settings.pair_order_seed, "order", keys) < 0.5
        assert [a > b for a, b in proposal.tolist()] == flips.tolist()
        answers.append(world.answer(proposal, 5, chooser))
        learning.record(answers[-1])
        asked.update(expected)
        mu = fit_thurstone(learning.comparisons(), errors=False).mu
        expected = obvious_selection(n, asked, mu, batch, quantile, 5, learning.iteration)
    assert learning.unique_pairs == n * (n - 1) // 2
    assert len(asked) == learning.unique_pairs


def test_utilities_that_differ_by_rounding_ask_almost_the_same_pairs():
    """Before, one pair more that qualifies made another shuffle, and so another batch and other answers."""
    settings = ActiveLearningSettings(degree=4, batch=60, max_iterations=2, seed=5)
    batches = []
    for shift in (0.0, 1e-3):
        learning, world = ActiveLearning(60, settings), make_world(60)
        learning.record(world.answer(learning.propose(), 5, np.random.default_rng(0)))
        learning.mu = learning.mu + shift * np.random.default_rng(1).normal(size=60)
        batches.append({tuple(pair) for pair in learning.propose().tolist()})
    assert len(batches[0] & batches[1]) >= 0.9 * 60


def test_the_first_graph_is_regular():
    degrees = np.bincount(
        ActiveLearning(200, ActiveLearningSettings(degree=5)).propose().ravel(), minlength=200
    )
    assert degrees.sum() == 1000
    assert (degrees == 5).all()
    assert len(set(unordered(ActiveLearning(200, ActiveLearningSettings(degree=5)).propose()))) == 500


def test_few_tasks_are_all_compared():
    learning = ActiveLearning(4, ActiveLearningSettings(degree=5))
    assert sorted(unordered(learning.propose())) == list(combinations(range(4), 2))


def run(n, settings, *, lose=()):
    """Measure to the end; pairs in `lose` fail in the first iteration that asks them."""
    learning, world, rng, batches = ActiveLearning(n, settings), make_world(n), np.random.default_rng(0), []
    pending = set(lose)
    while not learning.finished:
        proposal = learning.propose()
        batches.append(unordered(proposal))
        answered = np.array([tuple(sorted(pair)) not in pending for pair in proposal.tolist()])
        pending -= set(batches[-1])
        learning.record(world.answer(proposal[answered], settings.samples, rng))
    return learning, batches


def test_it_stops_when_ranks_no_longer_change():
    learning, batches = run(60, ActiveLearningSettings(degree=4, batch=60, max_iterations=40, threshold=0.97))
    assert learning.converged
    assert learning.rank_correlations[0] == 0
    assert learning.rank_correlations[-1] >= 0.97 > max(learning.rank_correlations[:-1])
    assert len(batches) == learning.iteration < 40
    asked = [pair for batch in batches for pair in batch]
    assert len(asked) == len(set(asked)) == learning.unique_pairs
    with pytest.raises(AssayError, match="finished"):
        learning.propose()


def test_the_rank_correlation_is_spearmans_of_two_refits():
    learning, _ = run(30, ActiveLearningSettings(degree=4, batch=40, max_iterations=2, threshold=1.0))
    everything = learning.comparisons()
    early = everything.first.size - 40
    first = type(everything)(
        *(
            getattr(everything, name)[:early]
            for name in ("first", "second", "first_wins", "second_wins", "refusals")
        ),
        ids=everything.ids,
    )
    expected = spearmanr(fit_thurstone(everything).mu, fit_thurstone(first).mu).statistic
    assert learning.rank_correlations[1] == pytest.approx(expected, abs=1e-9)


def test_a_pair_that_failed_stays_unasked_and_comes_again():
    lost = unordered(ActiveLearning(12, ActiveLearningSettings(degree=3)).propose())[0]
    learning, batches = run(
        12, ActiveLearningSettings(degree=3, batch=15, max_iterations=50, threshold=1.0), lose=[lost]
    )
    assert sum(lost in batch for batch in batches) == 2
    assert learning.unique_pairs == 66


def test_a_proposal_stays_until_it_is_recorded():
    learning = ActiveLearning(12, ActiveLearningSettings(degree=3))
    np.testing.assert_array_equal(learning.propose(), learning.propose())
    learning.propose()[:] = 0
    assert learning.propose().max() == 11


def test_outcomes_of_other_pairs_are_refused_and_change_nothing():
    learning = ActiveLearning(50, ActiveLearningSettings(degree=3))
    proposal = learning.propose()
    strange = next(p for p in combinations(range(50), 2) if p not in unordered(proposal))
    with pytest.raises(AssayError, match="was not proposed"):
        learning.record(Choices([strange[0]], [strange[1]], [1], [0], [0]))
    with pytest.raises(AssayError, match="nothing to fit"):
        learning.record(Choices(proposal[:, 0], proposal[:, 1], *np.zeros((3, 75), int)))
    assert learning.iteration == 0


def test_refusals_alone_end_it_without_convergence():
    learning = ActiveLearning(30, ActiveLearningSettings(degree=3, batch=20))
    for _ in range(2):
        proposal = learning.propose()
        zero = np.zeros(len(proposal), int)
        learning.record(Choices(proposal[:, 0], proposal[:, 1], zero, zero, zero + 5))
    assert learning.finished
    assert not learning.converged
    assert learning.rank_correlations == [0, 0]


def test_many_tasks_are_selected_from_chunks_without_listing_all_pairs():
    n = 4000  # 8 million pairs
    settings = ActiveLearningSettings(
        degree=2, batch=1500, max_iterations=3, tolerance="reference", samples=2
    )
    _, batches = run(n, settings)
    assert [len(batch) for batch in batches] == [n, 1500, 1500]
    asked = [pair for batch in batches for pair in batch]
    assert len(set(asked)) == len(asked)
    again, repeated = ActiveLearning(n, settings), make_world(n)
    again.record(repeated.answer(again.propose(), 2, np.random.default_rng(0)))
    a, b = np.array(batches[1]).T
    everything = np.abs(np.subtract.outer(again.mu[:1000], again.mu[1000:2000]))
    assert np.abs(again.mu[a] - again.mu[b]).max() <= np.quantile(everything, 0.35)


PROGRAM = f"""
import runpy
run = runpy.run_path({__file__!r})["run"]
from assay.studies.preferences.asking.active_learning import ActiveLearningSettings
learning, batches = run(40, ActiveLearningSettings(degree=3, batch=30, max_iterations=4, threshold=1.0))
print(batches, learning.rank_correlations)
"""


def test_the_hash_seed_of_the_process_does_not_matter():
    outputs = set()
    for seed in ("0", "1", "42"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            env=environment,
            cwd=ROOT,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop()) > 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [({"batch": 0}, "'batch'"), ({"quantile": 0}, "'quantile'"), ({"threshold": 2}, "'threshold'")],
)
def test_impossible_settings(change, message):
    with pytest.raises(AssayError, match=message):
        ActiveLearningSettings(**change)
    with pytest.raises(AssayError, match="two tasks"):
        ActiveLearning(1, ActiveLearningSettings())
