"""Which numbers of an evaluation are metrics: those that a person compares between two states. The rest is in the table."""

import re
from collections.abc import Collection, Sequence

from assay.errors import AssayError
from assay.evaluation.subjects import BASE
from assay.evaluation.tables import Group, Line


def metrics(lines: Sequence[Line], by_category: Collection[str] = ()) -> dict[str, float | int]:
    """Flat metrics of the headlines, what guessing gives on each question set, and counts of what was not measured.

    Raises AssayError where two names become one key.
    """
    found: dict[str, float | int] = {}
    for line in lines:
        if not is_headline(line, by_category):
            continue
        name = _key(line.group.questions, line.category, line.group.adapter, line.measure)
        if name in found:
            raise AssayError(f"two results would be called {name!r}; rename a question set or an adapter")
        found |= line.summary.estimate.metrics(name)
        if not line.category and line.measure == "accuracy":
            found |= _counts(line.group)
            if line.chance is not None:
                found[_key(line.group.questions, "chance")] = line.chance
    return found


def is_headline(line: Line, by_category: Collection[str] = ()) -> bool:
    """Whether a number is a metric.

    Everyone's accuracy is, and by category for the question sets of `by_category` where nothing is random. Where all items have
    two candidates (their accuracy is often 0 or 1) the probability and the margin are too, and what the margin differs by
    from the base model and from adapters of the same method; elsewhere what the accuracy differs by from the base model.
    Of random controls accuracy and probability are. Checkpoints and single groups of items are not.
    """
    group, other = line.group, line.other
    if group.is_checkpoint or line.item_group:
        return False
    if line.category:
        return group.questions in by_category and line.measure == "accuracy" and not group.is_control
    if group.is_control and (other is not None or line.statistic == "margin"):
        return False
    if not group.has_two_candidates:
        return line.statistic == "accuracy" and (other is None or other.adapter == BASE)
    if other is None:
        return True
    return line.statistic == "margin" and (other.adapter == BASE or other.method == group.method)


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
    return {_key(group.questions, group.adapter, name): count for name, count in counts.items() if count}


def _key(*parts: str) -> str:
    return re.sub(r"\W+", "_", "_".join(part for part in parts if part))
