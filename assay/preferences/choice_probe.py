"""A Bradley–Terry probe of one layer: fitted to the choices themselves, judged like the ridge probes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from assay.bradley_terry import choose_penalty, fit_bradley_terry
from assay.correlations import pearson
from assay.estimates import Estimate
from assay.fold_statistics import FoldScores, mean_accuracy, mean_correlation
from assay.logistic import Floats
from assay.pairwise import MINIMUM_PAIRS, Pairs, accuracy
from assay.preferences.readout import Design, Readout, has_choices
from assay.probes import UtilityProbe


def read_choices_out(
    train: ArrayLike, evaluation: ArrayLike, readout: Readout, design: Design, penalties: Sequence[float]
) -> tuple[UtilityProbe, dict[str, Estimate]]:
    """The probe fitted to the choices between training tasks, and `bt_r`, `bt_accuracy`, `bt_topic_r`, `bt_topic_accuracy`.

    The penalty is chosen on folds of training tasks, for held-out topics on folds of the tasks of training topics. The topic
    folds are those of `readout`. Accuracies are left out where too few pairs were compared (`MINIMUM_PAIRS`).
    """
    X, others = np.asarray(train, dtype=np.float64), np.asarray(evaluation, dtype=np.float64)
    resampling, pairs = design.settings.resampling, design.train.pairs
    probe = _fit(X, pairs, penalties, design.settings.seed)
    scores = probe.predict(others[design.final])
    found = {"bt_r": pearson(scores, design.evaluation.mu[design.final], resampling)}
    if len(design.final_pairs) >= MINIMUM_PAIRS:
        found["bt_accuracy"] = accuracy(scores, design.final_pairs, resampling)
    folds = _topic_folds(X, readout, design, penalties)
    found["bt_topic_r"] = mean_correlation(folds, resampling, weighted=False)
    if has_choices(folds, pairs):
        found["bt_topic_accuracy"] = mean_accuracy(folds, pairs, resampling, weighted=False)
    return probe, found


def _topic_folds(X: Floats, readout: Readout, design: Design, penalties: Sequence[float]) -> FoldScores:
    rows = [fold.rows for fold in readout.folds]
    scores = []
    for held_out in rows:
        kept = np.setdiff1d(np.arange(len(X)), held_out)
        inside = design.train.pairs.within(kept, len(X))
        scores.append(_fit(X[kept], inside, penalties, design.settings.seed).predict(X[held_out]))
    return FoldScores(rows, scores, design.train.mu, design.train.topics)


def _fit(X: Floats, pairs: Pairs, penalties: Sequence[float], seed: int) -> UtilityProbe:
    return fit_bradley_terry(X, pairs, penalty=choose_penalty(X, pairs, penalties, seed=seed))
