"""Measured utilities against true ones, a point per task."""

from pathlib import Path

import pandas as pd

from assay.figures.panels import legend_beside, panels
from assay.figures.scatter import draw_points
from assay.figures.theme import colours_of, in_order, save_figure


def draw_truth(table: pd.DataFrame, path: Path) -> None:
    """A panel per split, coloured by topic; columns split, topic, measured, true. Without a truth, the measured alone."""
    splits = in_order(table["split"])
    colours = colours_of(in_order(table["topic"].fillna("")))
    known = table["true"].notna().any()
    figure, grid = panels(1, len(splits), (5.4 * len(splits), 4.8), sharey=True)
    for axes, split in zip(grid[0], splits, strict=True):
        part = table[table["split"] == split].fillna({"topic": ""})
        part = part.assign(x=part["true"] if known else part["measured"].rank())
        for topic, colour in colours.items():
            own = part[part["topic"] == topic]
            draw_points(axes, own["x"], own["measured"], colour=colour, label=topic or None)
        r = f"r = {part['x'].corr(part['measured']):.3f}, " if known else ""
        axes.set(title=f"{split} tasks ({r}n = {len(part)})", xlabel="true utility" if known else "rank")
    grid[0, 0].set_ylabel("measured utility (Thurstone μ)")
    if any(colours):
        legend_beside(grid[0, -1])
    save_figure(figure, path)
