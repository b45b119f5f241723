"""Results of an evaluation as files: one row for each answer, one for each number with its interval, and flat metrics."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.errors import AssayError
from assay.estimates import Resampling
from assay.oocr.evaluation import Asked
from assay.oocr.subjects import BASE
from assay.oocr.summaries import STATISTICS, Scores, Summary, difference, summarise, tabulate

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
    def scores(self) -> Scores:
        """The answers of all runs as numbers."""
        return tabulate([one.answers for one in self.asked])


@dataclass(frozen=True)
class Line:
    """One number: a statistic of a group over all items (category "") or those of one category.

    `chance` is what guessing gives, None where guessing has no value.
    """

    group: Group
    category: str
    statistic: str
    summary: Summary
    chance: float | None

    @property
    def name(self) -> str:
        """Its key in the metrics."""
        parts = [self.group.questions, self.category, self.group.adapter, self.statistic]
        return re.sub(r"\W+", "_", "_".join(part for part in parts if part))


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
    groups: Sequence[Group], against: Sequence[str], resampling: Resampling
) -> Iterator[Line]:
    """Every group's statistics, over all items and by category, and what it differs by from the base model and `against`.

    Random controls are compared with the base model alone.
    A category of fewer than two clusters has no interval and is left out; `small_categories` counts them.
    """
    known = {(group.questions, group.adapter): group for group in groups if not group.is_checkpoint}
    lacking = [name for name in against if not any(adapter == name for _, adapter in known)]
    if lacking:
        raise AssayError(f"no adapter is called {lacking[0]!r}; there are {sorted({a for _, a in known})}")
    for group in groups:
        scores = group.scores
        others = [
            (name, known[group.questions, name].scores)
            for name in dict.fromkeys((BASE, *(() if group.is_control else against)))
            if name != group.adapter and (group.questions, name) in known
        ]
        for category in ("", *_categories(scores)):
            part = scores.of(category) if category else scores
            for statistic in STATISTICS:
                summary = summarise(part, statistic, resampling)
                chance = None if statistic == "margin" else float(part.chance.mean())
                yield Line(group, category, statistic, summary, chance)
                for name, other in others:
                    if statistic != "p_right":
                        moved = difference(
                            part, other.of(category) if category else other, statistic, resampling
                        )
                        yield Line(
                            group, category, f"{statistic}_minus_{name}", Summary(moved, None, 1), None
                        )


def metrics(lines: Sequence[Line], by_category: Collection[str] = ()) -> dict[str, float | int]:
    """Flat metrics of ended runs: over all items, and by category for the question sets of `by_category`.

    Raises AssayError where two names become one key.
    """
    found: dict[str, float | int] = {}
    for line in lines:
        group = line.group
        if group.is_checkpoint or (line.category and group.questions not in by_category):
            continue
        if line.name in found:
            raise AssayError(
                f"two results would be called {line.name!r}; rename a question set or an adapter"
            )
        found |= line.summary.metrics(line.name)
        if not line.category and line.statistic == "accuracy":
            found |= _counts(group)
            if line.chance is not None:
                found[re.sub(r"\W+", "_", f"{group.questions}_chance")] = line.chance
    return found


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
            "statistic": line.statistic,
            "value": line.summary.estimate.value,
            "lower": line.summary.estimate.lower,
            "upper": line.summary.estimate.upper,
            "n": line.summary.estimate.n,
            "runs": line.summary.n_runs,
            "sd": line.summary.sd,
            "chance": line.chance,
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


def _categories(scores: Scores) -> list[str]:
    """Categories that have an interval, in the order of the items; none where there is only one."""
    names = [name for name in dict.fromkeys(scores.categories.tolist()) if name]
    return [name for name in names if scores.of(name).n_clusters > 1] if len(names) > 1 else []


def _counts(group: Group) -> dict[str, int]:
    """What was not measured in a group, where there is any."""
    scores = group.scores
    names = [name for name in dict.fromkeys(scores.categories.tolist()) if name]
    small = sum(scores.of(name).n_clusters < 2 for name in names) if len(names) > 1 else 0
    counts = {
        "items_untouched": group.n_untouched,
        "items_nested": group.n_nested,
        "small_categories": small,
    }
    prefix = f"{group.questions}_{group.adapter}"
    return {re.sub(r"\W+", "_", f"{prefix}_{name}"): count for name, count in counts.items() if count}
