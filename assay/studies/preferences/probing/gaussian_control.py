"""Utilities read from features that know nothing: Gaussian noise in place of one layer's activations."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from assay.statistics.correlations import point_pearson
from assay.statistics.estimates import Estimate, mean_of_replicates
from assay.studies.preferences.probing.readout import RAW, SHUFFLED, Design, read_out
from assay.studies.preferences.probing.topic_readout import topic_scores


def gaussian_controls(train: ArrayLike, evaluation: ArrayLike, design: Design) -> dict[str, Estimate]:
    """r from Gaussian features with every feature's mean and standard deviation, mean over draws: `gaussian_r` on held-out
    tasks, `topic_gaussian_r` on held-out topics."""
    rows, others = np.asarray(train, dtype=np.float64), np.asarray(evaluation, dtype=np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    rng = np.random.default_rng(design.settings.seed)
    unshuffled = replace(design, targets=design.targets[:, :SHUFFLED], choosing=design.choosing[:SHUFFLED])
    held_out, topic = [], []
    for _ in range(design.settings.shuffles):
        drawn = read_out(
            rng.normal(mean, deviation, rows.shape), rng.normal(mean, deviation, others.shape), unshuffled
        )
        held_out.append(point_pearson(drawn.held_out.scores[RAW], design.truth[RAW]))
        topic.append(topic_scores(drawn.folds, design, RAW).correlations().mean())
    return {"gaussian_r": mean_of_replicates(held_out), "topic_gaussian_r": mean_of_replicates(topic)}
