"""Utilities of held-out topics: what the folds of one layer, or of layers chosen inside each fold, say about them."""

from collections.abc import Sequence

from assay.probes.fold_statistics import FoldScores, mean_accuracy, mean_correlation, mean_rank_correlation
from assay.probes.held_out_groups import Fold
from assay.statistics.choices import MINIMUM_PAIRS, Choices
from assay.statistics.estimates import Estimate
from assay.studies.preferences.probing.readout import DEMEANED, RAW, SHUFFLED, Design, shuffle_controls


def topic_scores(folds: Sequence[Fold], design: Design, target: int) -> FoldScores:
    """Predictions for held-out topics, to be compared with the raw utilities."""
    return FoldScores.of_target(folds, target, design.train.mu, design.train.topics)


def has_choices(folds: FoldScores, choices: Choices) -> bool:
    """Whether enough pairs lie within held-out topics for an interval of their accuracy."""
    return sum(len(choices.within(rows, len(folds.truth))) for rows in folds.rows) >= MINIMUM_PAIRS


def topic_estimates(folds: Sequence[Fold], design: Design) -> dict[str, Estimate]:
    """Everything about held-out topics: means over folds, unweighted and weighted, and the shuffled controls."""
    resampling, choices = design.settings.resampling, design.train.choices
    raw, demeaned = topic_scores(folds, design, RAW), topic_scores(folds, design, DEMEANED)
    found = {
        "topic_r": mean_correlation(raw, resampling, weighted=False),
        "topic_r_weighted": mean_correlation(raw, resampling, weighted=True),
        "topic_spearman": mean_rank_correlation(raw, resampling),
        "topic_demeaned_r": mean_correlation(demeaned, resampling, weighted=False),
    }
    if has_choices(raw, choices):
        found["topic_accuracy"] = mean_accuracy(raw, choices, resampling, weighted=False)
        found["topic_accuracy_weighted"] = mean_accuracy(raw, choices, resampling, weighted=True)
    if design.settings.shuffles > 1:
        drawn = [
            topic_scores(folds, design, SHUFFLED + draw).correlations().mean()
            for draw in range(design.settings.shuffles)
        ]
        found |= {f"topic_{name}": control for name, control in shuffle_controls(drawn).items()}
    return found
