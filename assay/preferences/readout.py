"""Utilities read from one layer of activations: on held-out tasks, on held-out topics, and from nothing.

Every fit is a standardised ridge. On held-out tasks, α is the one with the highest Pearson r on the sweep half of the
evaluation tasks; the final half is only reported. On held-out topics, α is chosen inside the training topics.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.correlations import point_pearson
from assay.errors import AssayError
from assay.estimates import Estimate, Resampling, mean_of_replicates
from assay.evaluation import judge_scores
from assay.fold_statistics import FoldScores, mean_accuracy, mean_correlation
from assay.leave_groups_out import Fold, leave_groups_out
from assay.logistic import Floats
from assay.pairwise import MINIMUM_PAIRS, Pairs
from assay.preferences.topics import demean
from assay.probes import UtilityProbe
from assay.ridge import GroupedRidge, RidgePath

RAW, DEMEANED, SHUFFLED = 0, 1, 2
"""Target columns of every fit; shuffled utilities are the third column and on."""


@dataclass(frozen=True)
class Tasks:
    """Tasks whose utilities were measured together.

    Attributes:
        ids: [n] names.
        mu: [n] utilities.
        topics: [n] topic numbers ≥ 0.
        pairs: choices between them, numbered by their place; they may be none.
    """

    ids: Sequence[str]
    mu: Floats
    topics: NDArray[np.int64]
    pairs: Pairs


@dataclass(frozen=True)
class Settings:
    """How utilities are read and judged.

    Attributes:
        alphas: ridge penalties to choose from.
        hold_out: topics held out together.
        minimum_topic: topics with fewer training tasks are never held out.
        shuffles: shuffled-utility controls per layer; draws of Gaussian features.
        seed: of the split, the shuffles and the bootstrap.
        resamples: bootstrap resamples of tasks.
    """

    alphas: Sequence[float]
    hold_out: int
    minimum_topic: int
    shuffles: int
    seed: int
    resamples: int

    @property
    def resampling(self) -> Resampling:
        """The bootstrap over tasks."""
        return Resampling(self.seed, self.resamples)


@dataclass(frozen=True)
class Design:
    """Who trains, who chooses and who is reported; the same for all features and layers.

    `sweep` and `final` are places in `evaluation`: halves of a seeded permutation of its sorted ids.
    """

    train: Tasks
    evaluation: Tasks
    sweep: NDArray[np.intp]
    final: NDArray[np.intp]
    settings: Settings
    targets: Floats = field(repr=False)

    @classmethod
    def of(cls, train: Tasks, evaluation: Tasks, settings: Settings) -> "Design":
        """Split the evaluation tasks. Raises AssayError when the two sets share a task or a half is too small."""
        shared = set(train.ids) & set(evaluation.ids)
        if shared:
            raise AssayError(f"{len(shared)} tasks both train and evaluate (first: {min(shared)!r})")
        if len(evaluation.ids) < 20:
            raise AssayError(
                f"evaluation needs at least 20 tasks, 10 in each half; found {len(evaluation.ids)}"
            )
        by_id = np.argsort(np.asarray(evaluation.ids))
        order = by_id[np.random.default_rng(settings.seed).permutation(len(by_id))]
        half = len(order) // 2
        rng = np.random.default_rng(settings.seed)
        shuffled = [rng.permutation(train.mu) for _ in range(settings.shuffles)]
        targets = np.stack([train.mu, demean(train.mu, train.topics), *shuffled], axis=1)
        return cls(train, evaluation, np.sort(order[:half]), np.sort(order[half:]), settings, targets)

    @property
    def final_pairs(self) -> Pairs:
        """Choices between two tasks of the final half, numbered by place in `final`."""
        return self.evaluation.pairs.within(self.final, len(self.evaluation.ids))

    def truth(self, rows: NDArray[np.intp]) -> Floats:
        """[k, rows] what the scores of each target should agree with: shuffles train, true utilities judge."""
        demeaned = demean(self.evaluation.mu, self.evaluation.topics)
        columns = [self.evaluation.mu, demeaned] + [self.evaluation.mu] * self.settings.shuffles
        return np.stack(columns)[:, rows]


@dataclass(frozen=True)
class HeldOut:
    """Probes of one layer and their predictions for held-out tasks.

    Attributes:
        probes: of the raw and of the demeaned utilities.
        sweep_r: [k] Pearson r of every target on the sweep half, at its chosen penalty.
        scores: [k, m] of every target for the final half.
    """

    probes: tuple[UtilityProbe, UtilityProbe]
    sweep_r: Floats
    scores: Floats


@dataclass(frozen=True)
class Readout:
    """One layer: held-out tasks and held-out topics."""

    held_out: HeldOut
    folds: Sequence[Fold]


def read_out(train: ArrayLike, evaluation: ArrayLike, design: Design) -> Readout:
    """Fit all targets on activations [n, d] of the training tasks, read those of the evaluation tasks [m, d]."""
    ridge = GroupedRidge(train, design.targets, design.train.topics)
    settings = design.settings
    folds = leave_groups_out(
        ridge, alphas=settings.alphas, size=settings.hold_out, minimum=settings.minimum_topic
    )
    return Readout(_held_out(ridge, np.asarray(evaluation, dtype=np.float64), design), folds)


def _held_out(ridge: GroupedRidge, evaluation: Floats, design: Design) -> HeldOut:
    path = ridge.fit(design.settings.alphas)
    sweep = path.predict(evaluation[design.sweep]).transpose(0, 2, 1)  # [a, k, m]
    r = np.nan_to_num(point_pearson(sweep, design.truth(design.sweep)))
    best, targets = r.argmax(axis=0), np.arange(r.shape[1])
    final = path.predict(evaluation[design.final])[best, :, targets]
    probes = (_probe(path, int(best[RAW]), RAW, ridge), _probe(path, int(best[DEMEANED]), DEMEANED, ridge))
    return HeldOut(probes, r[best, targets], final)


def _probe(path: RidgePath, alpha: int, target: int, ridge: GroupedRidge) -> UtilityProbe:
    weight = np.ascontiguousarray(path.weights[alpha, :, target])
    scale = float((ridge.X @ weight).std())
    return UtilityProbe(weight, float(path.biases[alpha, target]), scale, penalty=float(path.alphas[alpha]))


def held_out_estimates(readout: Readout, design: Design) -> dict[str, Estimate]:
    """Everything about the final half: `heldout_r`, `demeaned_r`, …, and the shuffled control.

    Accuracies are left out where fewer than `MINIMUM_PAIRS` pairs of final tasks were compared.
    """
    scores, truth = readout.held_out.scores, design.truth(design.final)
    pairs = design.final_pairs if len(design.final_pairs) >= MINIMUM_PAIRS else None
    found: dict[str, Estimate] = {}
    for name, target in (("heldout", RAW), ("demeaned", DEMEANED)):
        judged = judge_scores(scores[target], truth[target], pairs, design.settings.resampling)
        found |= {f"{name}_{metric}": estimate for metric, estimate in judged.items()}
    if design.settings.shuffles > 1:
        found["shuffled_r"] = mean_of_replicates(
            np.nan_to_num(point_pearson(scores[SHUFFLED:], truth[SHUFFLED:]))
        )
    return found


def topic_scores(readout: Readout, design: Design, target: int) -> FoldScores:
    """Predictions for held-out topics, to be compared with the raw utilities."""
    return FoldScores.of_target(readout.folds, target, design.train.mu, design.train.topics)


def has_choices(folds: FoldScores, pairs: Pairs) -> bool:
    """Whether enough pairs lie within held-out topics for an interval of their accuracy."""
    return sum(len(pairs.within(rows, len(folds.truth))) for rows in folds.rows) >= MINIMUM_PAIRS


def topic_estimates(readout: Readout, design: Design) -> dict[str, Estimate]:
    """Everything about held-out topics: means over folds, unweighted and weighted, and the shuffled control."""
    resampling, pairs = design.settings.resampling, design.train.pairs
    raw, demeaned = topic_scores(readout, design, RAW), topic_scores(readout, design, DEMEANED)
    found = {
        "topic_r": mean_correlation(raw, resampling, weighted=False),
        "topic_r_weighted": mean_correlation(raw, resampling, weighted=True),
        "topic_demeaned_r": mean_correlation(demeaned, resampling, weighted=False),
    }
    if has_choices(raw, pairs):
        found["topic_accuracy"] = mean_accuracy(raw, pairs, resampling, weighted=False)
        found["topic_accuracy_weighted"] = mean_accuracy(raw, pairs, resampling, weighted=True)
    if design.settings.shuffles > 1:
        shuffled = [
            topic_scores(readout, design, SHUFFLED + draw).correlations().mean()
            for draw in range(design.settings.shuffles)
        ]
        found["topic_shuffled_r"] = mean_of_replicates(shuffled)
    return found


def gaussian_controls(train: ArrayLike, evaluation: ArrayLike, design: Design) -> dict[str, Estimate]:
    """r from Gaussian features with every feature's mean and standard deviation, mean over draws: `gaussian_r` on held-out
    tasks, `topic_gaussian_r` on held-out topics."""
    rows, others = np.asarray(train, dtype=np.float64), np.asarray(evaluation, dtype=np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    rng = np.random.default_rng(design.settings.seed)
    held_out, topic = [], []
    for _ in range(design.settings.shuffles):
        drawn = read_out(
            rng.normal(mean, deviation, rows.shape), rng.normal(mean, deviation, others.shape), design
        )
        truth = design.truth(design.final)
        held_out.append(point_pearson(drawn.held_out.scores[RAW], truth[RAW]))
        topic.append(topic_scores(drawn, design, RAW).correlations().mean())
    return {"gaussian_r": mean_of_replicates(held_out), "topic_gaussian_r": mean_of_replicates(topic)}
