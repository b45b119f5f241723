"""The reliability of utilities, a bar for each way to split or repeat the measurement."""

from pathlib import Path

import numpy as np
import pandas as pd

from assay.figures.panels import panels
from assay.figures.theme import INK, POSITIVE, save_figure


def draw_reliability(table: pd.DataFrame, path: Path) -> None:
    """Columns measure, value, lower, upper; one horizontal bar each, from 0."""
    figure, grid = panels(1, 1, (8.0, 0.9 + 0.3 * len(table)))
    axes = grid[0, 0]
    places = np.arange(len(table))
    axes.barh(places, table["value"], color=POSITIVE, height=0.62)
    axes.hlines(places, table["lower"], table["upper"], color=INK, linewidth=1.4)
    for place, value, end in zip(places, table["value"], table[["value", "upper"]].max(axis=1), strict=True):
        axes.text(max(end, 0.0) + 0.02, place, f"{value:.2f}", va="center", fontsize=8, color=INK)
    axes.set_yticks(places, [name.replace("_", " ") for name in table["measure"]])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.axvline(1, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlim(min(0.0, table["lower"].min() - 0.05), max(1.15, table["upper"].max() + 0.12))
    axes.set_xlabel("correlation of utilities (1: no noise)")
    axes.grid(axis="y", visible=False)
    save_figure(figure, path)
