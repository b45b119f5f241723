"""Which positions of which windows are probed: balanced classes, few windows, everything left out counted.

A position is eligible when at least `min_left` tokens of text precede it in its window and its next token lies inside.
It carries two labels: `next` (is the following token the target?) and `current` (is this token the target?).

For each label, positives are a uniform sample of the eligible positives and negatives of **all** other eligible
positions, whatever the token there (as in the reference): the probe must find the few places where " the" can follow,
not tell " the" from one rival. Both labels draw by one random priority per position (bottom-k sampling), so each sample
is uniform and the two share most of their negatives: a third of the rows is saved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.prompts.records import PromptRecord
from assay.prompts.windows import Window

VARIANTS = ("next", "current")


@dataclass(frozen=True)
class Positions:
    """Eligible positions of several windows, one entry per position.

    Attributes:
        window: index into the windows.
        token: index among the window's text tokens.
        labels: variant → bool.
    """

    window: NDArray[np.int64]
    token: NDArray[np.int64]
    labels: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Sample:
    """Records to extract, and the counts of what was kept and left out."""

    records: list[PromptRecord]
    counts: dict[str, int]


def eligible_positions(windows: Sequence[Window], target: int, min_left: int) -> Positions:
    """All eligible positions of the windows, in order, with both labels for token id `target`."""
    owner, token, following, present = [], [], [], []
    for index, window in enumerate(windows):
        ids = window.tokens.text_ids
        here = np.arange(min_left, len(ids) - 1)
        owner.append(np.full(len(here), index))
        token.append(here)
        following.append(ids[here + 1] == target)
        present.append(ids[here] == target)
    if not owner:
        raise AssayError("there is no window of text to take positions from")
    return Positions(
        np.concatenate(owner).astype(np.int64),
        np.concatenate(token).astype(np.int64),
        {"next": np.concatenate(following), "current": np.concatenate(present)},
    )


def sample_split(
    windows: Sequence[Window], *, target: int, split: str, min_left: int, max_per_class: int, seed: int
) -> Sample:
    """Balanced positions of one split as prompt records.

    Windows are taken in random order until both labels have `max_per_class` positives (each window is one forward
    pass); then `max_per_class` positions per class and label, or as many as the smaller class has, are drawn.

    Raises AssayError when a class is empty.
    """
    rng = np.random.default_rng([seed, *split.encode()])
    order = rng.permutation(len(windows))
    positions = eligible_positions([windows[i] for i in order], target, min_left)
    used = _windows_needed(positions, len(windows), max_per_class)
    taken = positions.window < used
    priority = rng.random(len(taken))
    kept = {
        name: _bottom_k(positions.labels[name], np.where(taken, priority, np.inf), max_per_class, name, split)
        for name in VARIANTS
    }
    records = _records([windows[i] for i in order], positions, kept, split)
    return Sample(records, _counts(positions, kept, taken, len(windows), used, len(records)))


def _windows_needed(positions: Positions, n_windows: int, max_per_class: int) -> int:
    """The shortest prefix of windows that holds `max_per_class` positives of every label; all, if none does."""
    needed = 0
    for labels in positions.labels.values():
        per_window = np.bincount(positions.window[labels], minlength=n_windows)
        needed = max(needed, int(np.searchsorted(np.cumsum(per_window), max_per_class)) + 1)
    return min(needed, n_windows)


def _bottom_k(
    labels: NDArray[np.bool_], priority: NDArray[np.float64], cap: int, variant: str, split: str
) -> NDArray[np.bool_]:
    """Mask of the k positives and the k negatives of lowest priority; an infinite priority is never taken."""
    possible = np.isfinite(priority)
    k = min(cap, int((labels & possible).sum()), int((~labels & possible).sum()))
    if k == 0:
        lacking = "positive" if not (labels & possible).any() else "negative"
        raise AssayError(
            f"the {split} split has no {lacking} position for the {variant} token: give more text, another target, "
            "or a smaller minimum left context"
        )
    mask = np.zeros(len(labels), dtype=bool)
    for members in (labels, ~labels):
        candidates = np.flatnonzero(members & possible)
        mask[candidates[np.argsort(priority[candidates], kind="stable")[:k]]] = True
    return mask


def _records(
    windows: Sequence[Window], positions: Positions, kept: dict[str, NDArray[np.bool_]], split: str
) -> list[PromptRecord]:
    """One record per window that has a sampled position, ordered by document and place."""
    chosen = np.flatnonzero(kept["next"] | kept["current"])
    indices, starts = np.unique(positions.window[chosen], return_index=True)  # positions are in window order
    records = {}
    for index, rows in zip(indices, np.split(chosen, starts[1:]), strict=True):
        window, tokens = windows[index], positions.token[rows]
        records[window.id] = PromptRecord(
            id=window.id,
            text=window.text,
            positions=tuple(int(t) + window.tokens.n_special for t in tokens),
            group=window.document,
            split=split,
            fields={
                **{name: _field(positions.labels[name][rows], kept[name][rows]) for name in VARIANTS},
                "ends": [int(e) for e in window.tokens.ends[tokens]],
            },
        )
    order = {w.id: place for place, w in enumerate(sorted(windows, key=_place))}
    return sorted(records.values(), key=lambda record: order[record.id])


def _place(window: Window) -> tuple[str, int]:
    return window.document, int(window.id.rsplit("#", 1)[1])


def _field(labels: NDArray[np.bool_], kept: NDArray[np.bool_]) -> list[int | None]:
    """1 or 0 where the position was sampled for this label, null where it was not."""
    return [int(label) if keep else None for label, keep in zip(labels, kept, strict=True)]


def _counts(
    positions: Positions,
    kept: dict[str, NDArray[np.bool_]],
    taken: NDArray[np.bool_],
    n_windows: int,
    used: int,
    n_records: int,
) -> dict[str, int]:
    counts = {
        "windows": n_records,
        "windows_not_needed": n_windows - used,
        "windows_without_sampled_position": used - n_records,
        "positions_eligible": int(taken.sum()),
        "rows": int((kept["next"] | kept["current"]).sum()),
    }
    for name in VARIANTS:
        labels = positions.labels[name]
        per_class = int((labels & kept[name]).sum())
        counts[f"{name}_per_class"] = per_class
        counts[f"{name}_positives_dropped"] = int((labels & taken).sum()) - per_class
        counts[f"{name}_negatives_dropped"] = int((~labels & taken).sum()) - per_class
    return counts
