"""Results of an evaluation as tables: one row for each answer, one for each number with its interval."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.evaluation.evaluate import Asked
from assay.evaluation.subjects import BASE
from assay.evaluation.summaries import (
    DIFFERENCES,
    STATISTICS,
    Scores,
    Summary,
    difference,
    difference_of_draws,
    summarise,
    summarise_draws,
    tabulate,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Group:
    """The runs of one adapter after one number of steps, on one question set. The base model is such a group too."""

    questions: str
    adapter: str
    step: int
    is_checkpoint: bool
    layer: str
    lr: float | None
    n_untouched: int
    n_nested: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def is_control(self) -> bool:
        """Whether it is a random draw and no training."""
        return any(one.subject is not None and one.subject.draw is not None for one in self.asked)

    @property
    def method(self) -> str:
        """How the adapter was trained; "" for the base model."""
        return next((one.subject.info.method for one in self.asked if one.subject is not None), "")

    @property
    def has_two_candidates(self) -> bool:
        """Whether every item is a choice between two."""
        return all(len(answer.item.candidates) == 2 for answer in self.asked[0].answers)

    @property
    def scores(self) -> Scores:
        """The answers of all runs as numbers."""
        return tabulate([one.answers for one in self.asked])


@dataclass(frozen=True)
class Line:
    """One number: a statistic of a group, or its paired difference from that of another group.

    It is over all items (`category` and `item_group` are ""), over those of one category, or over those of one group of
    items. `chance` is what guessing gives and `majority` what the most frequent answer gives, None where neither has a value.
    """

    group: Group
    category: str
    item_group: str
    statistic: str
    summary: Summary
    chance: float | None = None
    majority: float | None = None
    other: Group | None = None

    @property
    def measure(self) -> str:
        """What the number is: margin, or margin_minus_base."""
        return self.statistic if self.other is None else f"{self.statistic}_minus_{self.other.adapter}"


def group_runs(asked: Iterable[Asked]) -> list[Group]:
    """Groups by question set, in the order in which sets and subjects first come."""
    found = list(asked)
    order = list(dict.fromkeys(one.questions for one in found))
    groups: dict[tuple[str, str, int], Group] = {}
    for one in sorted(found, key=lambda one: order.index(one.questions)):
        info = None if one.subject is None else one.subject.info
        step = 0 if info is None else info.step
        layers = () if info is None else info.layers
        group = groups.setdefault(
            (one.questions, one.adapter, step),
            Group(
                questions=one.questions,
                adapter=one.adapter,
                step=step,
                is_checkpoint=one.subject is not None and one.subject.is_checkpoint,
                layer=str(layers[0]) if len(layers) == 1 else "several" if layers else "",
                lr=None if info is None else info.lr,
                n_untouched=one.n_untouched,
                n_nested=one.n_nested,
            ),
        )
        group.asked.append(one)
    return list(groups.values())


def summarise_groups(
    groups: Sequence[Group], against: Sequence[str], by_group: Collection[str] = ()
) -> Iterator[Line]:
    """Every group's statistics, over all items and by category, and what it differs by from the base model and `against`.

    Random controls are compared with the base model alone. The question sets of `by_group` are also summed up for each group of
    items (such as an order of options), without differences.
    A part of fewer than two clusters has no interval and is left out; `small_categories` counts categories.
    """
    known = {(group.questions, group.adapter): group for group in groups if not group.is_checkpoint}
    lacking = [name for name in against if not any(adapter == name for _, adapter in known)]
    if lacking:
        raise AssayError(f"no adapter is called {lacking[0]!r}; there are {sorted({a for _, a in known})}")
    for group in groups:
        scores = group.scores
        names = dict.fromkeys((BASE, *(() if group.is_control else against)))
        others = [
            (known[group.questions, name], known[group.questions, name].scores)
            for name in names
            if name != group.adapter and (group.questions, name) in known
        ]
        for category in ("", *_with_interval(scores, scores.categories)):
            part = scores.of(category)
            for line in _plain(group, part, category, ""):
                yield line
                for other, its in others if line.statistic in DIFFERENCES else ():
                    yield Line(
                        group,
                        category,
                        "",
                        line.statistic,
                        _moved(group, part, its.of(category), line),
                        other=other,
                    )
            if group.questions in by_group:
                for item_group in _with_interval(part, part.groups):
                    yield from _plain(group, part.of(group=item_group), category, item_group)


def _plain(group: Group, part: Scores, category: str, item_group: str) -> Iterator[Line]:
    """Each statistic of a part of a group's items."""
    guessed = float(part.chance.mean()), part.majority
    for statistic in STATISTICS:
        chance, majority = (None, None) if statistic == "margin" else guessed
        summary = (summarise_draws if group.is_control else summarise)(part, statistic)
        yield Line(group, category, item_group, statistic, summary, chance, majority)


def _moved(group: Group, scores: Scores, others: Scores, line: Line) -> Summary:
    """How far a group's statistic lies from that of another group, on the same items."""
    if group.is_control:
        return difference_of_draws(scores, others, line.statistic)
    return Summary(difference(scores, others, line.statistic), None, 1)


def lines_table(lines: Iterable[Line]) -> "pd.DataFrame":
    """One row for each number: value, lower, upper, n (items), runs and the standard deviation between them."""
    import pandas as pd

    rows = [
        {
            "questions": line.group.questions,
            "adapter": line.group.adapter,
            "layer": line.group.layer,
            "lr": line.group.lr,
            "step": line.group.step,
            "category": line.category,
            "group": line.item_group,
            "statistic": line.measure,
            "value": line.summary.estimate.value,
            "lower": line.summary.estimate.lower,
            "upper": line.summary.estimate.upper,
            "n": line.summary.estimate.n,
            "runs": line.summary.n_runs,
            "sd": line.summary.sd,
            "chance": line.chance,
            "majority": line.majority,
            "checkpoint": int(line.group.is_checkpoint),
        }
        for line in lines
    ]
    return pd.DataFrame(rows).round(6)


def records_table(asked: Iterable[Asked]) -> "pd.DataFrame":
    """One row for each answer; `logps` (nats) are in the order of `candidates`."""
    import pandas as pd

    return pd.DataFrame([_record(one, place) for one in asked for place in range(len(one.answers))])


def _record(one: Asked, place: int) -> dict[str, Any]:
    answer = one.answers[place]
    item, info = answer.item, None if one.subject is None else one.subject.info
    return {
        "questions": one.questions,
        "adapter": one.adapter,
        "run": one.run,
        "seed": None if info is None else str(info.seed),
        "lr": None if info is None else info.lr,
        "step": 0 if info is None else info.step,
        "item": item.record.id,
        "group": item.record.group,
        "category": item.category,
        "cluster": item.cluster,
        "candidates": json.dumps(item.candidates, ensure_ascii=False),
        "logps": json.dumps([round(logp, 5) for logp in answer.logps]),
        "chosen": answer.chosen,
        "right": item.candidates[item.right],
        "is_right": int(answer.is_right),
        "p_right": round(answer.p_right, 6),
        "margin": round(answer.margin, 5),
    }


def _with_interval(scores: Scores, names: NDArray[np.str_]) -> list[str]:
    """Names of parts that have an interval, in the order of the items; none where there is only one part."""
    found = [name for name in dict.fromkeys(names.tolist()) if name]
    sizes = {name: len(np.unique(scores.clusters[names == name])) for name in found}
    return [name for name in found if sizes[name] > 1] if len(found) > 1 else []
