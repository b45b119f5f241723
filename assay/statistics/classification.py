"""How well scores tell two classes apart: confusion counts, balanced accuracy and AUROC, with clustered intervals.

A score above zero says "positive" (log-odds of a probe). Items may share a cluster (a document, a prompt).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from assay.arrays import Floats
from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, paired_difference
from assay.statistics.clusters import cluster_codes
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import Rates, balanced_rate, jackknife_weights, rate


@dataclass(frozen=True)
class Confusion:
    """Counts of (truth, said)."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def one_class(self) -> str | None:
        """The class that is always said, "positive" or "negative"; None when both are said."""
        if self.tp + self.fp == 0:
            return "negative"
        return "positive" if self.tn + self.fn == 0 else None


@dataclass(frozen=True)
class BinaryScores:
    """Scores of n items with their labels (bool) and clusters, checked once; every estimate below reads it."""

    scores: Floats
    labels: NDArray[np.bool_]
    clusters: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or self.scores.shape != self.labels.shape:
            raise AssayError(
                f"scores {self.scores.shape} and labels {self.labels.shape} must be one value per item"
            )
        if self.labels.all() or not self.labels.any():
            raise AssayError(
                f"all {len(self.labels)} items are of one class; both are needed to tell them apart"
            )
        if not np.isfinite(self.scores).all():
            raise AssayError(
                f"{int((~np.isfinite(self.scores)).sum())} of {len(self.scores)} scores are NaN or infinite"
            )


def binary_scores(scores: ArrayLike, labels: ArrayLike, clusters: ArrayLike | None = None) -> BinaryScores:
    """Scores [n], labels [n] (0/1 or bool) and optional clusters [n] (any labels) as one checked value."""
    codes = (
        None if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1].astype(np.int64)
    )
    return BinaryScores(np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool), codes)


def confusion(data: BinaryScores) -> Confusion:
    """TP, FP, TN, FN at score > 0."""
    said = data.scores > 0
    return Confusion(
        tp=int((said & data.labels).sum()),
        fp=int((said & ~data.labels).sum()),
        tn=int((~said & ~data.labels).sum()),
        fn=int((~said & data.labels).sum()),
    )


def balanced_accuracy(data: BinaryScores) -> Estimate:
    """Mean of the accuracy on positives and on negatives."""
    codes, n_clusters = cluster_codes(data.clusters, len(data.labels))
    right = ((data.scores > 0) == data.labels).astype(np.float64)
    positives, negatives = (
        Rates(right[members], codes[members], n_clusters) for members in (data.labels, ~data.labels)
    )
    return balanced_rate(positives, negatives)


def positive_accuracy(data: BinaryScores) -> Estimate:
    """Share of positives that are said to be positive (recall); n counts positives."""
    return _class_accuracy(data, data.labels)


def negative_accuracy(data: BinaryScores) -> Estimate:
    """Share of negatives that are said to be negative (specificity); n counts negatives."""
    return _class_accuracy(data, ~data.labels)


def balanced_accuracy_difference(
    first: BinaryScores, second: BinaryScores, resampling: Resampling
) -> Estimate:
    """Balanced accuracy of `first` minus that of `second` on the same items, clusters resampled together."""
    if not np.array_equal(first.labels, second.labels):
        raise AssayError("a paired difference needs the same items in the same order on both sides")
    return paired_difference(
        _columns(first), _columns(second), _balanced, resampling=resampling, clusters=first.clusters
    )


def auroc(data: BinaryScores) -> Estimate:
    """Chance that a random positive scores above a random negative, ties counting half."""
    negatives = np.flatnonzero(~data.labels)
    negatives = negatives[np.argsort(data.scores[negatives], kind="stable")]
    positives = np.flatnonzero(data.labels)
    below, not_above = (
        np.searchsorted(data.scores[negatives], data.scores[positives], side=side)
        for side in ("left", "right")
    )
    ties = bool((below != not_above).any())

    def of_weights(weights: Floats) -> Floats:
        sums = np.zeros((len(weights), len(negatives) + 1))  # [b, i]: weight of the i lowest negatives
        np.cumsum(weights[:, negatives], axis=1, out=sums[:, 1:])
        beaten = (sums[:, below] + sums[:, not_above]) / 2 if ties else sums[:, below]
        of_positives = weights[:, positives]
        value: Floats = (of_positives * beaten).sum(axis=1) / (of_positives.sum(axis=1) * sums[:, -1])
        return value

    if float(of_weights(np.ones((1, len(data.labels))))[0]) in (0.0, 1.0):
        return _separated(data, of_weights)
    return jackknife_weights(len(data.labels), of_weights, scale="logit", clusters=data.clusters)


def _separated(data: BinaryScores, of_weights: Callable[[Floats], Floats]) -> Estimate:
    """AUROC of 0 or 1: what leaves clusters out sees no spread, so the other end is a score interval.

    The AUROC whose own standard error (Hanley and McNeil 1982 with the counts pooled, method 5 of Newcombe 2006,
    doi:10.1002/sim.2324) lies 1.96 times between it and what was found, for as many items as there are clusters of each class.
    """
    value = float(of_weights(np.ones((1, len(data.labels))))[0])
    codes, _ = cluster_codes(data.clusters, len(data.labels))
    positives, negatives = (len(np.unique(codes[members])) for members in (data.labels, ~data.labels))
    rest = (positives + negatives) / 2 - 1

    def excess(auc: float) -> float:
        variance = auc * (1 - auc) / (positives * negatives)
        variance *= 1 + rest * (1 - auc) / (2 - auc) + rest * auc / (1 + auc)
        return (1 - auc) ** 2 - stats.norm.ppf(0.975) ** 2 * variance

    end = float(optimize.brentq(excess, 1e-9, 1 - 1e-12))
    lower, upper = (end, 1.0) if value else (0.0, 1 - end)
    return Estimate(value, lower, upper, len(data.labels))


def point_balanced_accuracy(scores: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Balanced accuracy of many score vectors [n, k] without intervals → [k]; for selecting on validation data."""
    said = scores > 0
    value: Floats = (said[labels].mean(axis=0) + (~said[~labels]).mean(axis=0)) / 2
    return value


def _columns(data: BinaryScores) -> Floats:
    """[n, 4]: is positive, positive and right, is negative, negative and right."""
    right = (data.scores > 0) == data.labels
    return np.stack(
        [data.labels, data.labels & right, ~data.labels, ~data.labels & right],
        axis=1,
        dtype=np.float64,
        casting="unsafe",
    )


def _balanced(totals: Floats) -> Floats:
    value: Floats = (totals[..., 1] / totals[..., 0] + totals[..., 3] / totals[..., 2]) / 2
    return value


def _class_accuracy(data: BinaryScores, members: NDArray[np.bool_]) -> Estimate:
    right = (data.scores > 0)[members] == data.labels[members]
    return rate(right, None if data.clusters is None else data.clusters[members])
