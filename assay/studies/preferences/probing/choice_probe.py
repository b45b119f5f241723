"""A Bradley–Terry probe: fitted to the choices themselves, at the layers of the ridge probes and judged like them."""

from collections.abc import Sequence

import numpy as np

from assay.arrays import Floats
from assay.probes.bradley_terry import choose_penalty, fit_bradley_terry
from assay.probes.fold_statistics import FoldScores, mean_accuracy, mean_correlation
from assay.probes.layer_choice import LayeredFold
from assay.probes.linear import UtilityProbe
from assay.statistics.choices import MINIMUM_PAIRS, Choices, accuracy
from assay.statistics.correlations import pearson
from assay.statistics.estimates import Estimate
from assay.studies.preferences.probing.readout import RAW, Design, ReadLayer
from assay.studies.preferences.probing.topic_readout import has_choices


def read_choices_out(
    read: ReadLayer,
    layer: int,
    topics: Sequence[LayeredFold],
    design: Design,
    penalties: Sequence[float],
) -> tuple[UtilityProbe, dict[str, Estimate]]:
    """The probe fitted to the choices between training tasks, and `bt_r`, `bt_accuracy`, `bt_topic_r`, `bt_topic_accuracy`.

    The probe reads `layer`; held-out topics are read at the layer that the ridge chose inside each fold. The penalty is chosen
    on folds of training tasks, for held-out topics on folds of the tasks of training topics. Accuracies are left out where
    too few pairs were compared (`MINIMUM_PAIRS`).
    """
    X, others = (np.asarray(rows, dtype=np.float64) for rows in read(layer))
    resampling, choices = design.settings.resampling, design.train.choices
    probe = _fit(X, choices, penalties, design.settings.seed)
    scores = probe.predict(others[design.final])
    found = {"bt_r": pearson(scores, design.evaluation.mu[design.final])}
    if len(design.final_choices) >= MINIMUM_PAIRS:
        found["bt_accuracy"] = accuracy(scores, design.final_choices, resampling)
    folds = _topic_folds(read, topics, design, penalties)
    found["bt_topic_r"] = mean_correlation(folds, resampling, weighted=False)
    if has_choices(folds, choices):
        found["bt_topic_accuracy"] = mean_accuracy(folds, choices, resampling, weighted=False)
    return probe, found


def _topic_folds(
    read: ReadLayer, topics: Sequence[LayeredFold], design: Design, penalties: Sequence[float]
) -> FoldScores:
    scores = []
    for fold in topics:
        X = np.asarray(read(int(fold.layers[RAW]))[0], dtype=np.float64)
        kept = np.setdiff1d(np.arange(len(X)), fold.rows)
        inside = design.train.choices.within(kept, len(X))
        scores.append(_fit(X[kept], inside, penalties, design.settings.seed).predict(X[fold.rows]))
    return FoldScores([fold.rows for fold in topics], scores, design.train.mu, design.train.topics)


def _fit(X: Floats, choices: Choices, penalties: Sequence[float], seed: int) -> UtilityProbe:
    return fit_bradley_terry(X, choices, penalty=choose_penalty(X, choices, penalties, seed=seed))
