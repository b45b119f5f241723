"""Mean-difference directions: the mean activation of one class of records less that of the other, layer by layer.

Marks & Tegmark 2023 (arXiv:2310.06824) and Panickssery et al. 2023 (arXiv:2312.06681) use it; its threshold-free reading is
the projection. How well it reads is measured on records that it was not made of, beside directions made of shuffled labels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.activations.gathering import gather
from assay.arrays import Floats, Ints
from assay.errors import AssayError
from assay.models.loading import LoadedModel
from assay.models.sites import Site
from assay.prompts.records import PromptRecord
from assay.statistics.classification import auroc, binary_scores
from assay.statistics.draws import item_draws
from assay.statistics.estimates import Estimate, range_of_replicates

RecordPooling = Literal["mean", "last", "max"]
Labels = NDArray[np.bool_]
N_FOLDS = 5


@dataclass(frozen=True)
class Separation:
    """How well one layer's direction tells held-out records apart, and directions of shuffled labels the same records."""

    auroc: Estimate
    shuffled: Estimate


def read_pooled(
    loaded: LoadedModel,
    records: Sequence[PromptRecord],
    *,
    site: Site,
    layers: Sequence[int],
    tokens: str,
    pooling: RecordPooling,
    token_budget: int = 4096,
) -> Floats:
    """Activations [records, layers, width] float64, each record's tokens pooled."""
    read = gather(
        loaded.model, loaded.architecture, loaded.tokenizer, records,
        site=site, layers=layers, position=tokens, token_budget=token_budget,
    )  # fmt: skip
    return np.stack([_pool(one.rows.astype(np.float64), pooling) for one in read])


def mean_difference(rows: Floats, labels: Labels) -> Floats:
    """Activations [records, ..., width] of both classes → [..., width]: mean of the positive less mean of the negative."""
    difference: Floats = rows[labels].mean(axis=0) - rows[~labels].mean(axis=0)
    return difference


def folds_of(labels: Labels, groups: Sequence[str], seed: int) -> Ints:
    """A fold for each record [n]: groups are kept whole, and each class's are dealt out in turn, after shuffling.

    Raises AssayError where a class has fewer than two groups, so that nothing could be held out.
    """
    names = np.asarray(groups)
    folds = np.zeros(len(labels), dtype=np.int64)
    dealt: dict[str, int] = {}
    for wanted in (True, False):
        own = list(dict.fromkeys(names[labels == wanted].tolist()))
        if len(own) < 2:
            raise AssayError(
                f"the {'positive' if wanted else 'negative'} class has {len(own)} group(s); two or more are needed to hold one out"
            )
        order = item_draws(seed, f"folds {wanted}").permutation(len(own))
        new = [own[place] for place in order if own[place] not in dealt]
        dealt |= {name: number % N_FOLDS for number, name in enumerate(new)}
    for place, name in enumerate(names.tolist()):
        folds[place] = dealt[name]
    return folds


def held_out(labels: Labels, folds: Ints) -> Iterator[tuple[Labels, Labels]]:
    """(train, test) masks [n] of every fold whose train part holds both classes."""
    for fold in np.unique(folds):
        test = folds == fold
        if labels[~test].any() and not labels[~test].all():
            yield ~test, test


def projections(rows: Floats, labels: Labels, splits: Sequence[tuple[Labels, Labels]]) -> Floats:
    """Projection [n] of each held-out record (activations [n, width]) on the unit direction of its train part.

    It is measured from the middle between the train part's class means, so that folds can be compared; NaN where a
    record is never held out.
    """
    found = np.full(len(rows), np.nan)
    for train, test in splits:
        direction = mean_difference(rows[train], labels[train])
        middle = (rows[train & labels].mean(axis=0) + rows[train & ~labels].mean(axis=0)) / 2
        length = np.linalg.norm(direction)
        found[test] = (rows[test] - middle) @ (direction / length if length else direction)
    return found


def separation(
    rows: Floats,
    labels: Labels,
    splits: Sequence[tuple[Labels, Labels]],
    *,
    clusters: Ints | None,
    shuffles: int,
    seed: int,
) -> Separation:
    """AUROC of held-out projections, and that of directions made of train labels in random order.

    The interval of the control is where one more shuffle would fall, cut at 0 and 1.
    """
    tested = np.any([test for _, test in splits], axis=0)
    own = None if clusters is None else clusters[tested]
    value = auroc(binary_scores(projections(rows, labels, splits)[tested], labels[tested], own))
    drawn = [
        _shuffled(rows, labels, splits, item_draws(seed, f"shuffle {n}"), tested) for n in range(shuffles)
    ]
    null = range_of_replicates(drawn)
    return Separation(value, Estimate(null.value, max(0.0, null.lower), min(1.0, null.upper), null.n))


def _shuffled(
    rows: Floats,
    labels: Labels,
    splits: Sequence[tuple[Labels, Labels]],
    draws: np.random.Generator,
    tested: Labels,
) -> float:
    found = np.full(len(rows), np.nan)
    for train, test in splits:
        mixed = labels.copy()
        mixed[train] = draws.permutation(labels[train])
        found[test] = projections(rows, mixed, [(train, test)])[test]
    return _point_auroc(found[tested], labels[tested])


def _point_auroc(scores: Floats, labels: Labels) -> float:
    """Share of (positive, negative) pairs in which the positive one is higher; a tie counts half."""
    above = scores[labels][:, None] - scores[~labels][None, :]
    return float(((above > 0) + (above == 0) / 2).mean())


def _pool(rows: Floats, pooling: RecordPooling) -> Floats:
    """[tokens, layers, width] → [layers, width]."""
    if pooling == "last":
        last: Floats = rows[-1]
        return last
    pooled: Floats = rows.mean(axis=0) if pooling == "mean" else rows.max(axis=0)
    return pooled
