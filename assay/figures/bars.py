"""Bars with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from assay.figures.theme import INK


def draw_bars(
    axes: Any,
    places: Any,
    part: pd.DataFrame,
    width: float,
    *,
    colour: Any,
    label: str | None = None,
    alpha: float = 1.0,
) -> None:
    """Bars at `places` [n] from the columns value, lower and upper; `colour` is one for all or one for each.

    Each has an outline of its colour, so that a value of zero is still a line that can be told from its neighbours.
    """
    axes.bar(
        places, part["value"], 0.86 * width, color=colour, edgecolor=colour, lw=1.5, alpha=alpha, label=label
    )
    whiskers(axes, places, part)


def whiskers(axes: Any, places: Any, part: pd.DataFrame) -> None:
    """Intervals at `places` [n] from the columns value, lower and upper."""
    ends = [part["value"] - part["lower"], part["upper"] - part["value"]]
    axes.errorbar(places, part["value"], yerr=ends, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3)


def write_values(axes: Any, places: Sequence[float], part: pd.DataFrame) -> None:
    """Each value with two decimals above its interval."""
    for place, value, upper in zip(places, part["value"], part["upper"], strict=True):
        axes.annotate(f"{value:.2f}", (place, max(upper, 0)), ha="center", va="bottom", fontsize=11)


def side_by_side(n: int, width: float) -> np.ndarray:
    """Where the middles of `n` bars of a width lie around the middle of their group: [n]."""
    return width * (np.arange(n) - (n - 1) / 2)


def span(part: pd.DataFrame) -> tuple[float, float]:
    """Limits of an axis that hold zero and every interval, with a little room."""
    low, high = min(0.0, part["lower"].min()), max(0.0, part["upper"].max())
    return low - 0.05 * (high - low), high + 0.05 * (high - low)
