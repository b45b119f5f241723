"""Figures of the out-of-distribution part: shifts of behaviour and probe, conditions by kind, and predictors of utilities."""

from pathlib import Path

import numpy as np
import pandas as pd

from assay.figures.theme import GREY, NEGATIVE, POSITIVE, save_figure, theme

COLOURS = {"off target": GREY, "made less liked": NEGATIVE, "made more liked": POSITIVE}
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
    plt = theme()
    panels = [name for name in ("trained", "novel") if (table["seen"] == name).any()]
    figure, grid = plt.subplots(
        1,
        len(panels),
        figsize=(5.6 * len(panels), 4.8),
        sharex=True,
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axes, seen in zip(grid[0], panels, strict=True):
        part = table[table["seen"] == seen]
        for group, colour in COLOURS.items():
            own = part[part["group"] == group]
            axes.scatter(own["behaviour"], own["probe"], s=16, lw=0, color=colour, label=group, alpha=0.8)
        for rows, style, name in (
            (part, "--", "all"),
            (part[part["group"] != "off target"], "-", "on target"),
        ):
            if len(rows) > 2 and rows["behaviour"].std() > 0:
                slope, start = np.polyfit(rows["behaviour"], rows["probe"], 1)
                ends = np.array([rows["behaviour"].min(), rows["behaviour"].max()])
                r = rows["behaviour"].corr(rows["probe"])
                axes.plot(
                    ends, start + slope * ends, style, color="#333333", lw=1.4, label=f"{name}: r = {r:.2f}"
                )
        axes.axhline(0, color=GREY, lw=0.7)
        axes.axvline(0, color=GREY, lw=0.7)
        axes.set(
            xlabel="shift of behaviour: P(chosen) − under the neutral prompt",
            title=f"{seen} conditions ({part['condition'].nunique()})",
        )
        axes.legend(frameon=False, fontsize=9, loc="upper left")
    grid[0][0].set_ylabel("shift of the probe's score")
    save_figure(figure, path)


def kinds_table(conditions: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """One row per condition: its kind, whether it was trained, and r of the shifts within it."""
    return conditions.merge(kinds, on="condition").sort_values(
        ["kind", "seen", "condition"], ignore_index=True
    )


def draw_kinds(table: pd.DataFrame, path: Path) -> None:
    """A point per condition, by kind; trained and novel apart, with the mean."""
    plt = theme()
    import seaborn as sns

    figure, axes = plt.subplots(figsize=(9.0, 4.6), layout="constrained")
    colours = {"trained": POSITIVE, "novel": NEGATIVE}
    drawn = {"x": "kind", "y": "r", "hue": "seen", "hue_order": list(colours), "palette": colours, "ax": axes}
    sns.stripplot(table, **drawn, dodge=True, jitter=False, alpha=0.5, size=5, legend=False)
    sns.pointplot(table, **drawn, dodge=0.4, linestyle="none", errorbar=None, markers="_", markersize=22)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(
        ylabel="r of shifts within a condition", xlabel="", ylim=(min(-0.05, table["r"].min() - 0.05), 1.05)
    )
    axes.legend(frameon=False, title=None, loc="lower right")
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
    plt = theme()
    figure, axes = plt.subplots(figsize=(5.0, 4.6), layout="constrained")
    axes.bar(list(PREDICTORS.values()), table["r"], color=[NEGATIVE, GREY], width=0.55)
    ends = [table["r"] - table["lower"], table["upper"] - table["r"]]
    axes.errorbar(range(len(table)), table["r"], yerr=ends, fmt="none", ecolor="#333333", capsize=4)
    for place, (r, upper) in enumerate(zip(table["r"], table["upper"], strict=True)):
        axes.annotate(f"{r:.2f}", (place, max(upper, 0.0)), ha="center", va="bottom")
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(
        ylabel="mean r with utilities under a system prompt",
        ylim=(min(0.0, table["lower"].min() - 0.05), 1.05),
    )
    save_figure(figure, path)
