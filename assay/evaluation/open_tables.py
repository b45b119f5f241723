"""Graded answers of several subjects as metrics: the mean score, its paired difference from the base model, random controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.arrays import Floats
from assay.evaluation.grading import OpenAnswer, Score
from assay.evaluation.subjects import BASE, Subject
from assay.statistics import jackknife
from assay.statistics.estimates import range_of_replicates


@dataclass(frozen=True)
class OpenAsked:
    """What one subject (None for the base model) said to one question set, and the score of each answer."""

    questions: str
    subject: Subject | None
    answers: Sequence[OpenAnswer]
    scores: Sequence[Score]

    @property
    def adapter(self) -> str:
        """Its name in results."""
        return BASE if self.subject is None else self.subject.adapter

    @property
    def values(self) -> Floats:
        """[items]; NaN where a score is not ok."""
        return np.array([np.nan if one.value is None else one.value for one in self.scores])

    @property
    def clusters(self) -> list[str]:
        """[items] what intervals resample."""
        return [one.item.unit for one in self.answers]


def open_metrics(asked: Sequence[OpenAsked]) -> dict[str, float | int]:
    """By question set and adapter: `score`, and `score_minus_base` where the base model was asked.

    Runs of one adapter (seeds) are averaged item by item. A random control's interval is that in which one more draw would fall.
    """
    found: dict[str, float | int] = {}
    for name in dict.fromkeys(one.questions for one in asked):
        of_set = [one for one in asked if one.questions == name]
        adapters: dict[str, list[OpenAsked]] = {}
        for one in of_set:
            adapters.setdefault(one.adapter, []).append(one)
        base = adapters[BASE][0].values if BASE in adapters else None
        for adapter, runs in adapters.items():
            found |= _numbers(f"{name}_{adapter}_score", runs, None)
            if base is not None and adapter != BASE:
                found |= _numbers(f"{name}_{adapter}_score_minus_base", runs, base)
    return found


def _numbers(name: str, runs: Sequence[OpenAsked], base: Floats | None) -> dict[str, float | int]:
    """One estimate, less `base` item by item; nothing where too few items have a score."""
    values = np.stack([one.values for one in runs]) - (0.0 if base is None else base)
    kept = np.isfinite(values).all(axis=0)
    clusters = np.asarray(runs[0].clusters)[kept]
    if len(np.unique(clusters)) < 2:
        return {}
    if runs[0].subject is not None and runs[0].subject.draw is not None and len(runs) > 1:
        return range_of_replicates(values[:, kept].mean(axis=1)).metrics(name)
    return jackknife.mean(values[:, kept].mean(axis=0), clusters, n_dropped=int((~kept).sum())).metrics(name)


def counts_by_set(asked: Sequence[OpenAsked]) -> Mapping[str, list[Score]]:
    """All scores of each question set."""
    found: dict[str, list[Score]] = {}
    for one in asked:
        found.setdefault(one.questions, []).extend(one.scores)
    return found
