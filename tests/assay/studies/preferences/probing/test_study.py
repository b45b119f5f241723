"""Layers that differ in what carries over, and controls that must read nothing, on arrays made here."""

import numpy as np
import pytest

from assay.probes.ridge import GroupedRidge
from assay.statistics.choices import NO_CHOICES
from assay.statistics.correlations import point_pearson
from assay.studies.preferences.probing.readout import (
    RAW,
    SHUFFLED,
    Design,
    ReadoutSettings,
    Tasks,
    held_out_estimates,
    read_out,
)
from assay.studies.preferences.probing.study import layer_table, study_features, summary, topic_table
from assay.studies.preferences.utilities.topics import demean

N_TOPICS = 6
WITHIN, SHARED, NOISE = 3, 7, 9  # layers


def tasks(prefix, mu, topics):
    return Tasks(
        [f"{prefix}{number:03}" for number in range(len(mu))],
        mu,
        topics,
        NO_CHOICES,
    )


def make(seed, n_train=240, n_eval=120, signal=True, **changes):
    """(design, read): layer WITHIN writes the utility along a direction of each topic's own, nearly without noise; layer SHARED
    along one direction for all, with noise; layer NOISE not at all."""
    rng = np.random.default_rng(seed)
    n = n_train + n_eval
    topics = np.arange(n) % N_TOPICS
    mu = rng.normal(size=n)
    layers = {layer: rng.normal(size=(n, 2 * N_TOPICS)) for layer in (WITHIN, SHARED, NOISE)}
    if signal:
        layers[WITHIN][np.arange(n), topics] += 6 * mu
        layers[SHARED][:, 0] += 1.2 * mu
    settings = ReadoutSettings(**({"alphas": [1.0, 100.0, 10000.0], "hold_out": 1, "minimum_topic": 10, "shuffles": 8, "seed": seed, "resamples": 100} | changes))  # fmt: skip
    design = Design.of(
        tasks("t", mu[:n_train], topics[:n_train]), tasks("e", mu[n_train:], topics[n_train:]), settings
    )
    return design, lambda layer: (layers[layer][:n_train], layers[layer][n_train:])


@pytest.fixture(scope="module")
def study():
    design, read = make(0)
    return design, study_features("chat", read, [WITHIN, SHARED, NOISE], design, penalties=[0.1])


def test_each_question_chooses_its_own_layer(study):
    design, found = study
    assert found.layers.best_layer == WITHIN
    assert found.topics.chosen == {SHARED: N_TOPICS}
    numbers = summary([found], design)
    assert (numbers["chat_layer"], numbers["chat_topic_layer"], numbers["chat_topic_layer_mode"]) == (
        WITHIN,
        SHARED,
        SHARED,
    )
    assert (numbers["chat_topic_layer_mode_folds"], numbers["chat_topic_folds"]) == (N_TOPICS, N_TOPICS)
    at_shared = found.row(SHARED)
    for name in ("topic_r", "topic_spearman", "topic_r_weighted", "topic_r_sd"):
        assert numbers[f"chat_{name}"] == pytest.approx(at_shared[name])
    assert numbers["chat_topic_r_lo"] > 0.6 > 0.3 > found.row(WITHIN)["topic_r"]
    assert numbers["chat_heldout_r"] > 0.9


def test_tables_say_which_layer_each_fold_chose(study):
    design, found = study
    layers = layer_table([found]).set_index("layer")
    assert layers["chosen_folds"].to_dict() == {WITHIN: 0, SHARED: N_TOPICS, NOISE: 0}
    assert (layers["nested_topic_r"] == layers.loc[SHARED, "topic_r"]).all()
    topics = topic_table([found], design, [f"topic {number}" for number in range(N_TOPICS)])
    assert (topics["layer"] == SHARED).all()
    assert topics["r"].mean() == pytest.approx(layers.loc[SHARED, "topic_r"])
    assert (topics["inner_r"] > 0.5).all()


def test_a_fixed_layer_is_fixed_for_both_questions(study):
    design, found = study
    numbers = summary([found], design, layer=WITHIN)
    assert numbers["chat_at_layer_layer"] == WITHIN
    assert numbers["chat_at_layer_topic_r"] == found.row(WITHIN)["topic_r"]


def test_topics_are_read_at_chance_without_signal():
    """Three layers to choose from, true utilities that no layer knows: mean over studies."""
    found = []
    for seed in range(60):
        design, read = make(seed, n_train=120, n_eval=40, signal=False, shuffles=0, resamples=20)
        study = study_features("chat", read, [WITHIN, SHARED, NOISE], design, penalties=[0.1])
        found.append(study.topics.estimates["topic_r"].value)
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error < 0.05


def controls(seed, signal):
    """Tasks that differ along few directions. Where there is `signal`, the first of them is most of the utility."""
    rng = np.random.default_rng(seed)
    n_train, topics = 60, np.arange(100) % 4
    few = rng.normal(size=(100, 3)) * [4, 2, 1]
    mu = (few[:, 0] if signal else 0) + rng.normal(size=100)
    X = few @ rng.normal(size=(3, 12)) + 0.5 * rng.normal(size=(100, 12))
    settings = ReadoutSettings([0.1, 10.0, 1000.0, 100000.0], 1, 10, 12, seed, 20)
    design = Design.of(
        tasks("t", mu[:n_train], topics[:n_train]), tasks("e", mu[n_train:], topics[n_train:]), settings
    )
    return design, X[:n_train], X[n_train:]


def test_the_interval_of_the_shuffled_control_holds_zero_as_often_as_it_says():
    """Features read true utilities well, so noise scores by chance along the same directions in both halves. An α that suits
    the true utilities of the sweep half lifts the control; one that suits shuffled ones does not."""
    held, means, leaky, n = 0, [], [], 150
    for seed in range(n):
        design, X, others = controls(seed, signal=True)
        readout = read_out(X, others, design)
        control = held_out_estimates(readout, design)["shuffled_r"]
        held += control.holds(0)
        means.append(control.value)
        path = GroupedRidge(X, design.targets).fit(design.settings.alphas)
        sweep, final = (
            path.predict(others[rows]).transpose(0, 2, 1)[:, SHUFFLED:]
            for rows in (design.sweep, design.final)
        )
        best = point_pearson(sweep, design.evaluation.mu[design.sweep]).argmax(axis=0)
        r = point_pearson(final, design.evaluation.mu[design.final])
        leaky.append(r[best, np.arange(len(best))].mean())
    assert 0.89 < held / n < 0.99
    error = np.std(means, ddof=1) / np.sqrt(n)
    assert abs(np.mean(means)) < 3 * error
    assert np.mean(leaky) > 5 * error


def test_the_null_range_holds_what_is_read_without_signal():
    """Utilities that the features do not know are one more shuffle: 95 % of studies fall into their own range."""
    n = 200
    held = 0
    for seed in range(n):
        design, X, others = controls(1000 + seed, signal=False)
        found = held_out_estimates(read_out(X, others, design), design)
        held += found["null_r"].holds(found["heldout_r"].value)
        assert found["null_r"].lower < found["shuffled_r"].lower
    assert 0.9 < held / n < 0.985


def test_what_is_chosen_by_is_shuffled_too():
    design, *_ = controls(0, signal=True)
    mu = design.evaluation.mu
    np.testing.assert_array_equal(design.choosing[RAW], mu[design.sweep])
    np.testing.assert_array_equal(design.choosing[1], demean(mu, design.evaluation.topics)[design.sweep])
    for row in design.choosing[SHUFFLED:]:
        assert sorted(row) == sorted(mu[design.sweep])
        assert row.tolist() != mu[design.sweep].tolist()
    assert len({tuple(row) for row in design.choosing[SHUFFLED:]}) == design.settings.shuffles
