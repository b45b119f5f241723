"""Utilities read from one layer of activations: on held-out tasks, and on held-out topics.

Every fit is a standardised ridge. On held-out tasks, α is the one with the highest Pearson r on the sweep half of the
evaluation tasks; the final half is only reported. On held-out topics, α is chosen inside the training topics.

The control repeats all of that with shuffled utilities and asks how well the true ones of the final half are read. Whatever
is chosen must be chosen on shuffled utilities too: a probe of noise still scores by chance along the few directions in
which tasks differ, the same way in both halves, so an α that suits the true utilities of the sweep half lifts the r of
noise in the final half as well. Trained and chosen on shuffles, its mean is zero whatever the features are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.arrays import Floats
from assay.errors import AssayError
from assay.probes.held_out_groups import Fold, leave_groups_out
from assay.probes.linear import UtilityProbe
from assay.probes.readings import judge_scores
from assay.probes.ridge import GroupedRidge, RidgePath
from assay.statistics.bootstrap import Resampling
from assay.statistics.choices import MINIMUM_PAIRS, Choices
from assay.statistics.correlations import point_pearson
from assay.statistics.estimates import Estimate, mean_of_replicates, range_of_replicates
from assay.studies.preferences.utilities.topics import demean

RAW, DEMEANED, SHUFFLED = 0, 1, 2
"""Target columns of every fit; shuffled utilities are the third column and on."""

ReadLayer = Callable[[int], tuple[ArrayLike, ArrayLike]]
"""layer → activations of the training tasks [n, d] and of the evaluation tasks [m, d]."""


@dataclass(frozen=True)
class Tasks:
    """Tasks whose utilities were measured together.

    Attributes:
        ids: [n] names.
        mu: [n] utilities.
        topics: [n] topic numbers ≥ 0.
        choices: choices between them, numbered by their place; they may be none.
    """

    ids: Sequence[str]
    mu: Floats
    topics: NDArray[np.int64]
    choices: Choices


@dataclass(frozen=True)
class ReadoutSettings:
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

    Attributes:
        train, evaluation: the tasks.
        sweep, final: places in `evaluation`: halves of a seeded permutation of its sorted ids.
        settings: how they are read.
        targets: [n, k] what each fit is trained on: utilities, demeaned utilities, shuffles of the utilities.
        choosing: [k, sweep] what its penalty is chosen by: the same of the sweep half.
    """

    train: Tasks
    evaluation: Tasks
    sweep: NDArray[np.intp]
    final: NDArray[np.intp]
    settings: ReadoutSettings
    targets: Floats = field(repr=False)
    choosing: Floats = field(repr=False)

    @classmethod
    def of(cls, train: Tasks, evaluation: Tasks, settings: ReadoutSettings) -> "Design":
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
        sweep, final = np.sort(order[:half]), np.sort(order[half:])
        rng = np.random.default_rng(settings.seed)
        trained = _with_shuffles(train, settings.shuffles, rng)
        choosing = _with_shuffles(evaluation, settings.shuffles, rng, sweep)
        return cls(train, evaluation, sweep, final, settings, trained.T, choosing)

    @property
    def final_choices(self) -> Choices:
        """Choices between two tasks of the final half, numbered by place in `final`."""
        return self.evaluation.choices.within(self.final, len(self.evaluation.ids))

    @property
    def truth(self) -> Floats:
        """[k, final] what the scores of each target should agree with: shuffles train and choose, true utilities judge."""
        demeaned = demean(self.evaluation.mu, self.evaluation.topics)
        columns = [self.evaluation.mu, demeaned] + [self.evaluation.mu] * self.settings.shuffles
        return np.stack(columns)[:, self.final]


def _with_shuffles(
    tasks: Tasks, shuffles: int, rng: np.random.Generator, rows: NDArray[np.intp] | None = None
) -> Floats:
    """[k, rows] utilities, demeaned utilities (by the topic means of all tasks), and shuffles among the rows."""
    chosen = np.arange(len(tasks.mu)) if rows is None else rows
    mu = tasks.mu[chosen]
    shuffled = [rng.permutation(mu) for _ in range(shuffles)]
    return np.stack([mu, demean(tasks.mu, tasks.topics)[chosen], *shuffled])


@dataclass(frozen=True)
class HeldOut:
    """Probes of one layer and their predictions for held-out tasks.

    Attributes:
        probes: of the raw and of the demeaned utilities.
        sweep_r: [k] Pearson r of every target with what it is chosen by on the sweep half, at its chosen penalty.
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
    r = np.nan_to_num(point_pearson(sweep, design.choosing))
    best, targets = r.argmax(axis=0), np.arange(r.shape[1])
    final = path.predict(evaluation[design.final])[best, :, targets]
    probes = (_probe(path, int(best[RAW]), RAW, ridge), _probe(path, int(best[DEMEANED]), DEMEANED, ridge))
    return HeldOut(probes, r[best, targets], final)


def _probe(path: RidgePath, alpha: int, target: int, ridge: GroupedRidge) -> UtilityProbe:
    weight = np.ascontiguousarray(path.weights[alpha, :, target])
    scale = float((ridge.X @ weight).std())
    return UtilityProbe(weight, float(path.biases[alpha, target]), scale, penalty=float(path.alphas[alpha]))


def held_out_estimates(readout: Readout, design: Design) -> dict[str, Estimate]:
    """Everything about the final half: `heldout_r`, `demeaned_r`, …, and the controls of `shuffle_controls`.

    Accuracies are left out where fewer than `MINIMUM_PAIRS` pairs of final tasks were compared.
    """
    scores, truth = readout.held_out.scores, design.truth
    choices = design.final_choices if len(design.final_choices) >= MINIMUM_PAIRS else None
    found: dict[str, Estimate] = {}
    for name, target in (("heldout", RAW), ("demeaned", DEMEANED)):
        judged = judge_scores(scores[target], truth[target], choices, design.settings.resampling)
        found |= {f"{name}_{metric}": estimate for metric, estimate in judged.items()}
    if design.settings.shuffles > 1:
        drawn = np.nan_to_num(point_pearson(scores[SHUFFLED:], truth[SHUFFLED:]))
        found |= shuffle_controls(drawn)
    return found


def shuffle_controls(drawn: ArrayLike) -> dict[str, Estimate]:
    """From r of every shuffle: `shuffled_r`, their mean, and `null_r`, the range in which one more shuffle would fall.

    The first tells whether the control is biased; the second is what an r without a control has to exceed.
    """
    return {"shuffled_r": mean_of_replicates(drawn), "null_r": range_of_replicates(drawn)}
