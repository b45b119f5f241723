"""How much of an answer's probability the labels have, and how much of a choice is which task was shown first.

With l(x, y) the log-odds of label A where x is shown first, a pair's position part is (l(x, y) + l(y, x)) / 2 and its preference part
(l(x, y) − l(y, x)) / 2: asked equally often in both orders, the first cancels in every pair, whatever its size there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.arrays import Floats
from assay.statistics import jackknife
from assay.studies.preferences.asking.asking import ChoiceAnswer

LOW_MASS = 0.2  # of the labels, below which the reader is told


@dataclass(frozen=True)
class Asked:
    """One question with known label probabilities: the two tasks, the one shown first as `task_a`, and what was answered."""

    task_a: str
    task_b: str
    answer: ChoiceAnswer


def position_metrics(asked: Sequence[Asked]) -> dict[str, float | int]:
    """Flat metrics of questions, empty where no label probabilities are known; intervals are over pairs.

    `label_mass` is P(A) + P(B) of a question. Over pairs asked in both orders: `position_log_odds` and `preference_log_odds`, the mean
    position part (0: no bias; > 0: the first task) and the mean size of the preference part, and `same_task`, the share that leans to
    the same task in both orders.
    """
    known = {
        (one.task_a, one.task_b): (one.answer.p_a, one.answer.p_b)
        for one in asked
        if one.answer.p_a is not None and one.answer.p_b is not None
    }
    if not known:
        return {}
    pairs = {frozenset(shown): number for number, shown in enumerate(known)}
    probabilities = np.maximum(np.array(list(known.values()), np.float64), np.finfo(np.float64).tiny)
    mass = probabilities.sum(axis=1)
    found: dict[str, float | int] = {"label_mass_min": float(mass.min())}
    if len(pairs) > 1:
        found |= jackknife.mean(mass, [pairs[frozenset(shown)] for shown in known]).metrics("label_mass")
    odds = dict(zip(known, np.log(probabilities[:, 0] / probabilities[:, 1]).tolist(), strict=True))
    both = np.array([[odds[x, y], odds[y, x]] for x, y in odds if (y, x) in odds and x < y])
    return found if len(both) < 2 else found | _both_orders(both)


def _both_orders(odds: Floats) -> dict[str, float | int]:
    """From the log-odds of the first task, [pairs, 2 orders]."""
    same = np.sign(odds[:, 0]) == -np.sign(odds[:, 1])
    return {
        **jackknife.mean(odds.mean(axis=1)).metrics("position_log_odds"),
        **jackknife.mean(np.abs(odds[:, 0] - odds[:, 1]) / 2).metrics("preference_log_odds"),
        **jackknife.rate(same).metrics("same_task"),
    }


def mass_warning(metrics: dict[str, float | int]) -> str | None:
    """What the reader must be told of the labels' share, from metrics of a measurement; None where all is well."""
    if "label_mass" in metrics and metrics["label_mass"] < LOW_MASS:
        return (
            f"the labels have {metrics['label_mass']:.3f} of an answer's probability: choices say what the model leans to where it "
            "answers with a label, which it seldom does; try another --template"
        )
    asked, unclear = metrics["answers"], metrics.get("failures_unclear", 0)
    if unclear > (1 - LOW_MASS) * asked:
        return (
            f"{unclear} of {asked} answers begin with no label and are no choice; try another --template, or --mode constrained, which "
            "asks for the labels alone"
        )
    return None
