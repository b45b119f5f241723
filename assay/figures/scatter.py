"""Points, a dot each."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.figures.panels import panels
from assay.figures.theme import GREY, INK, POSITIVE, save_figure


def draw_points(
    axes: Any, x: pd.Series, y: pd.Series, *, colour: Any, label: str | None = None, size: float = 20
) -> None:
    """Dots at x [n], y [n]; the smaller, the more see-through, and thousands of them are an image also in vector files."""
    dense = len(x) > 2000
    axes.scatter(
        x, y, s=size, lw=0, alpha=0.35 if dense else 0.8, color=colour, label=label, rasterized=dense
    )


def draw_fit(axes: Any, x: pd.Series, y: pd.Series, *, style: str, name: str) -> None:
    """The least-squares line of y on x, named with Pearson's r; nothing for fewer than three points or a constant x."""
    if len(x) < 3 or x.std() == 0:
        return
    slope, start = np.polyfit(x, y, 1)
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, start + slope * ends, style, color=INK, lw=1.4, label=f"{name}: {r_label(x, y)}")


def r_label(x: pd.Series, y: pd.Series) -> str:
    """`r = −0.12`, and never a minus before zero."""
    r = round(float(x.corr(y)), 2) + 0.0
    return f"r = {r:.2f}".replace("-", "−")


def draw_projections(points: pd.DataFrame, path: Path, *, title: str) -> None:
    """Projection on a direction against the activation's norm, a dot for each token of a sample.

    `points` has the columns projection and norm. Norms are drawn on a logarithmic axis where they span decades.
    """
    figure, ((axes,),) = panels(1, 1, (7.0, 4.8))
    draw_points(axes, points["projection"], points["norm"], colour=POSITIVE, size=6)
    if points["norm"].min() > 0 and points["norm"].max() > 30 * points["norm"].median():
        axes.set_yscale("log")
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set(
        xlabel="length along the direction",
        ylabel="norm of the activation",
        title=f"{title} ({len(points):,} tokens)",
    )
    save_figure(figure, path)
