"""Balanced accuracy by layer, with what chance and the preceding words alone reach."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from assay.figures.lines import draw_line
from assay.figures.panels import legend_beside, panels, whole_numbers
from assay.figures.theme import BLUE, GREY, INK, OCHRE, RED, save_figure

SERIES = {
    "current": "this token",
    "next": "next token",
    "ngram_marks": "next token, no model: previous\nwords and punctuation",
    "ngram": "next token, no model:\nthree previous words",
    "shuffled": "next token,\nshuffled labels",
}
STYLES = {"next": "-", "current": "-", "ngram": "--", "ngram_marks": "-.", "shuffled": ":"}
COLOURS = {"next": RED, "current": BLUE, "ngram": INK, "ngram_marks": OCHRE, "shuffled": GREY}


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


def draw(table: pd.DataFrame, path: Path, *, layer: int, target: str) -> None:
    """Draw the table as PNG with 95 % bands, a line at chance and a mark at the reported layer."""
    figure, ((axes,),) = panels(1, 1, (10.5, 4.8))
    for series, label in SERIES.items():
        band = (table[f"{series}_lo"], table[f"{series}_hi"])
        draw_line(
            axes, table["layer"], table[series], band,
            colour=COLOURS[series], label=label, style=STYLES[series], marked=False,
        )  # fmt: skip
    axes.axhline(0.5, color=GREY, lw=0.8)
    _mark(axes, table[table["layer"] == layer])
    axes.set(
        xlabel="layer (decoder block whose output is read)",
        ylabel="balanced accuracy on held-out documents",
        title=f"Where is “{target.strip() or target}”? Probes of every layer, with 95 % intervals",
        ylim=(0.4, 1.02),
        xlim=(table["layer"].min() - 0.3, table["layer"].max() + 0.3),
    )
    axes.annotate("guessing", (0, 0.5), textcoords="offset points", xytext=(2, -22), color=GREY)
    whole_numbers(axes)
    legend_beside(axes)
    save_figure(figure, path)


def _mark(axes: Any, row: pd.DataFrame) -> None:
    """A line at the reported layer and a dot with its number for both variants."""
    layer = int(row["layer"].iloc[0])
    axes.axvline(layer, color=INK, lw=0.8, alpha=0.5)
    for series in ("next", "current"):
        value = float(row[series].iloc[0])
        axes.plot([layer], [value], "o", color=COLOURS[series], ms=8, mec="white")
        axes.annotate(
            f"{value:.3f}",
            (layer, value),
            textcoords="offset points",
            xytext=(7, 14 if series == "next" else -26),
            color=COLOURS[series],
        )
    axes.annotate(f"layer {layer}", (layer, 0.41), textcoords="offset points", xytext=(5, 0), color=INK)
