"""Projection on a direction against the activation's norm, a dot for each token of a sample."""

from pathlib import Path

import pandas as pd

from assay.figures.theme import GREY, POSITIVE, save_figure, theme


def draw_scatter(points: pd.DataFrame, path: Path, *, title: str) -> None:
    """`points` has the columns projection and norm. Norms are drawn on a logarithmic axis where they span decades."""
    plt = theme()
    figure, axes = plt.subplots(figsize=(7.0, 4.8), layout="constrained")
    axes.scatter(points["projection"], points["norm"], s=6, lw=0, alpha=0.35, color=POSITIVE, rasterized=True)
    if points["norm"].min() > 0 and points["norm"].max() > 30 * points["norm"].median():
        axes.set_yscale("log")
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set(
        xlabel="length along the direction",
        ylabel="norm of the activation",
        title=f"{title} ({len(points):,} tokens)",
    )
    save_figure(figure, path)
