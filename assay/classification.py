"""How well scores tell two classes apart: confusion counts, balanced accuracy and AUROC, with clustered intervals.

A score above zero says "positive" (log-odds of a probe). Items may share a cluster (a document, a prompt).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import AssayError
from assay.estimates import (
    Estimate,
    Floats,
    Resampling,
    bootstrap_totals,
    bootstrap_weights,
    paired_difference,
)


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


def balanced_accuracy(data: BinaryScores, resampling: Resampling) -> Estimate:
    """Mean of the accuracy on positives and on negatives."""
    return bootstrap_totals(_columns(data), _balanced, resampling=resampling, clusters=data.clusters)


def positive_accuracy(data: BinaryScores, resampling: Resampling) -> Estimate:
    """Share of positives that are said to be positive (recall); n counts positives."""
    return _class_accuracy(data, data.labels, resampling)


def negative_accuracy(data: BinaryScores, resampling: Resampling) -> Estimate:
    """Share of negatives that are said to be negative (specificity); n counts negatives."""
    return _class_accuracy(data, ~data.labels, resampling)


def balanced_accuracy_difference(
    first: BinaryScores, second: BinaryScores, resampling: Resampling
) -> Estimate:
    """Balanced accuracy of `first` minus that of `second` on the same items, clusters resampled together."""
    if not np.array_equal(first.labels, second.labels):
        raise AssayError("a paired difference needs the same items in the same order on both sides")
    return paired_difference(
        _columns(first), _columns(second), _balanced, resampling=resampling, clusters=first.clusters
    )


def auroc(data: BinaryScores, resampling: Resampling) -> Estimate:
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

    return bootstrap_weights(len(data.labels), of_weights, resampling=resampling, clusters=data.clusters)


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


def _class_accuracy(data: BinaryScores, members: NDArray[np.bool_], resampling: Resampling) -> Estimate:
    right = (data.scores > 0)[members] == data.labels[members]
    columns = np.stack([right.astype(np.float64), np.ones(len(right))], axis=1)
    clusters = None if data.clusters is None else data.clusters[members]
    return bootstrap_totals(
        columns, lambda t: t[..., 0] / t[..., 1], resampling=resampling, clusters=clusters
    )
