"""Balanced accuracy by layer, with what chance and the preceding words alone reach."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

SERIES = {
    "current": "this token",
    "next": "next token",
    "ngram_marks": "next token, no model: previous\nwords and punctuation",
    "ngram": "next token, no model:\nthree previous words",
    "shuffled": "next token,\nshuffled labels",
}
STYLES = {"next": "-", "current": "-", "ngram": "--", "ngram_marks": "-.", "shuffled": ":"}
COLOURS = {
    "next": "#c0392b",
    "current": "#2b6cb0",
    "ngram": "#4a4a4a",
    "ngram_marks": "#8a6d1b",
    "shuffled": "#8a8a8a",
}


def figure_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per layer: for each series its value and interval (`<series>`, `<series>_lo`, `<series>_hi`).

    The controls are those of the variant `next`. Wide, because a `dvc plots` line is a column.
    """
    first, second = tables["next"], tables["current"]
    columns = {
        "next": (first, "balanced_accuracy"),
        "current": (second, "balanced_accuracy"),
        "ngram": (first, "ngram"),
        "ngram_marks": (first, "ngram_marks"),
        "shuffled": (first, "shuffled"),
    }
    table = first[["layer"]].copy()
    for series, (source, name) in columns.items():
        by_layer = source.set_index("layer")
        for end in ("", "_lo", "_hi"):
            table[f"{series}{end}"] = table["layer"].map(by_layer[f"{name}{end}"])
    return table


def draw(table: pd.DataFrame, layer: int, target: str, path: Path) -> None:
    """Draw the table as PNG with 95 % bands, a line at chance and a mark at the reported layer."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.ticker import MaxNLocator

    sns.set_theme(context="notebook", style="ticks")
    figure, axes = plt.subplots(figsize=(10.5, 4.8), layout="constrained")
    for series, label in SERIES.items():
        axes.fill_between(
            table["layer"],
            table[f"{series}_lo"],
            table[f"{series}_hi"],
            color=COLOURS[series],
            alpha=0.18,
            lw=0,
        )
        style = {"color": COLOURS[series], "linestyle": STYLES[series], "lw": 2}
        sns.lineplot(table, x="layer", y=series, ax=axes, label=label, **style)
    axes.axhline(0.5, color="#8a8a8a", lw=0.8)
    _mark(axes, table[table["layer"] == layer])
    axes.set(
        xlabel="layer (decoder block whose output is read)",
        ylabel="balanced accuracy on held-out documents",
        title=f"Where is “{target.strip() or target}”? Probes of every layer, with 95 % intervals",
        ylim=(0.4, 1.02),
        xlim=(table["layer"].min() - 0.3, table["layer"].max() + 0.3),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.04, 0.5))
    sns.despine(figure)
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})
    plt.close(figure)


def _mark(axes: Any, row: pd.DataFrame) -> None:
    """A line at the reported layer and a dot with its number for both variants."""
    layer = int(row["layer"].iloc[0])
    axes.axvline(layer, color="#333333", lw=0.8, alpha=0.5)
    for series in ("next", "current"):
        value = float(row[series].iloc[0])
        axes.plot([layer], [value], "o", color=COLOURS[series], ms=8, mec="white")
        axes.annotate(
            f"{value:.3f}",
            (layer, value),
            textcoords="offset points",
            xytext=(7, 10 if series == "next" else -15),
            color=COLOURS[series],
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        )
    axes.annotate(f"layer {layer}", (layer, 0.41), textcoords="offset points", xytext=(5, 0), color="#333333")
