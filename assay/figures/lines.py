"""Lines with bands."""

from typing import Any

import pandas as pd

BAND = 0.17  # how opaque


def draw_line(
    axes: Any,
    places: pd.Series,
    values: pd.Series,
    band: tuple[pd.Series, pd.Series],
    *,
    colour: Any,
    label: str | None = None,
    width: float = 2.0,
    style: str = "-",
    marked: bool = True,
) -> None:
    """A line through values [n] at places [n], inside the band from its first to its second member, each [n]."""
    axes.fill_between(places, *band, color=colour, alpha=BAND, lw=0)
    marker = "o" if marked else ""
    axes.plot(places, values, color=colour, lw=width, ls=style, marker=marker, ms=1.8 * width, label=label)


def draw_across(
    axes: Any,
    value: float,
    band: tuple[float, float] | None = None,
    *,
    colour: Any,
    label: str | None = None,
    width: float = 2.0,
) -> None:
    """A dashed line across, with its band: what has no place on the horizontal axis."""
    if band is not None:
        axes.axhspan(*band, color=colour, alpha=0.7 * BAND, lw=0)
    axes.axhline(value, color=colour, lw=width, ls="--", label=label)
