"""Figures of the out-of-distribution part: shifts of behaviour and probe, conditions by kind, and predictors of utilities."""

from pathlib import Path

import pandas as pd

from assay.figures.bars import draw_bars, write_values
from assay.figures.panels import legend_below, legend_beside, panels
from assay.figures.scatter import draw_fit, draw_points
from assay.figures.theme import GREY, NEGATIVE, POSITIVE, save_figure

COLOURS = {"off target": GREY, "made less liked": NEGATIVE, "made more liked": POSITIVE}
POINTS = ("condition", "layer", "behaviour", "probe")
CONDITIONS = ("condition", "layer", "r")
PREDICTORS = {
    "utility_probe_pearson": "probe score\nunder the prompt",
    "utility_default_pearson": "utility without\na prompt",
}


def scatter_table(points: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """Points (condition, task, behaviour, probe, truth) with the kind of condition and the group that is drawn."""
    table = points.merge(kinds, on="condition")
    names = {-1: "made less liked", 0: "off target", 1: "made more liked"}
    truth = table["truth"] if "truth" in table else pd.Series(0, table.index)
    return table.assign(group=truth.map(names))


def draw_scatter(table: pd.DataFrame, path: Path) -> None:
    """A panel for trained and one for novel conditions: shift of the probe against shift of behaviour, with fitted lines."""
    seen = [name for name in ("trained", "novel") if (table["seen"] == name).any()]
    figure, grid = panels(1, len(seen), (max(5.6 * len(seen), 7.2), 6.0), sharex=True, sharey=True)
    for axes, name in zip(grid[0], seen, strict=True):
        part = table[table["seen"] == name]
        for group, colour in COLOURS.items():
            own = part[part["group"] == group]
            draw_points(axes, own["behaviour"], own["probe"], colour=colour, label=group)
        target = part[part["group"] != "off target"]
        draw_fit(axes, part["behaviour"], part["probe"], style="--", name="all")
        draw_fit(axes, target["behaviour"], target["probe"], style="-", name="on target")
        axes.axhline(0, color=GREY, lw=0.7)
        axes.axvline(0, color=GREY, lw=0.7)
        axes.set(
            xlabel="shift of behaviour: P(chosen) − under the neutral prompt",
            title=f"{name} conditions ({part['condition'].nunique()})",
        )
        legend_below(axes)
    grid[0, 0].set_ylabel("shift of the probe's score")
    save_figure(figure, path)


def kinds_table(conditions: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """One row per condition: its kind, whether it was trained, and r of the shifts within it."""
    return conditions.merge(kinds, on="condition").sort_values(
        ["kind", "seen", "condition"], ignore_index=True
    )


def draw_kinds(table: pd.DataFrame, path: Path) -> None:
    """A point per condition, by kind; trained and novel apart, with the mean."""
    import seaborn as sns

    figure, ((axes,),) = panels(1, 1, (9.0, 4.6))
    colours = {"trained": POSITIVE, "novel": NEGATIVE}
    drawn = {"x": "kind", "y": "r", "hue": "seen", "hue_order": list(colours), "palette": colours, "ax": axes}
    sns.stripplot(table, **drawn, dodge=True, jitter=False, alpha=0.5, size=5, legend=False)
    sns.pointplot(table, **drawn, dodge=0.4, linestyle="none", errorbar=None, markers="_", markersize=22)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(
        title="a dot for each system prompt, a line for the mean of its kind",
        ylabel="r of shifts within a condition",
        xlabel="kind of system prompt",
        ylim=(min(-0.05, table["r"].min() - 0.05), 1.05),
    )
    legend_beside(axes)
    save_figure(figure, path)


def predictors_table(metrics: dict[str, float]) -> pd.DataFrame:
    """Mean r with the utilities under conditions: of the probe's score there, and of the utilities without a prompt."""
    rows = [
        {
            "predictor": label.replace("\n", " "),
            "r": metrics[key],
            "lower": metrics[f"{key}_lo"],
            "upper": metrics[f"{key}_hi"],
        }
        for key, label in PREDICTORS.items()
    ]
    return pd.DataFrame(rows)


def draw_predictors(table: pd.DataFrame, path: Path) -> None:
    """Two bars with intervals from zero to one."""
    figure, ((axes,),) = panels(1, 1, (5.0, 4.6))
    shown = table.rename(columns={"r": "value"})
    draw_bars(axes, range(len(shown)), shown, 0.6, colour=[NEGATIVE, GREY])
    write_values(axes, range(len(shown)), shown)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xticks(range(len(shown)), PREDICTORS.values())
    axes.set(
        ylabel="mean r with utilities under a system prompt",
        ylim=(min(0.0, table["lower"].min() - 0.05), 1.05),
    )
    save_figure(figure, path)
