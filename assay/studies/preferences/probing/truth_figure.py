"""Measured utilities against true ones, a point per task."""

from pathlib import Path

import pandas as pd

from assay.figures.theme import save_figure, theme


def draw_truth(table: pd.DataFrame, path: Path) -> None:
    """A panel per split, coloured by topic; columns split, topic, measured, true. Without a truth, the measured alone."""
    plt = theme()
    import seaborn as sns

    splits = table["split"].drop_duplicates().tolist()
    known = table["true"].notna().any()
    figure, panels = plt.subplots(
        1, len(splits), figsize=(5.4 * len(splits), 4.8), sharey=True, layout="constrained"
    )
    for axes, split in zip(panels, splits, strict=True):
        part = table[table["split"] == split].copy()
        part["x"] = part["true"] if known else part["measured"].rank()
        sns.scatterplot(
            part, x="x", y="measured", hue="topic", s=22, lw=0, ax=axes, legend=axes is panels[-1]
        )
        r = f"r = {part['x'].corr(part['measured']):.3f}, " if known else ""
        axes.set(
            title=f"{split} tasks ({r}n = {len(part)})",
            xlabel="true utility" if known else "rank",
            ylabel="measured utility (Thurstone μ)",
        )
    if panels[-1].get_legend():
        sns.move_legend(panels[-1], "center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title=None)
    save_figure(figure, path)
