"""Figures of the study: accuracy by task, along layers, learning rates and steps, self-report, and training curves.

Each draws one of the tables of `figure_tables`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.evaluation.subjects import BASE, RANDOM
from assay.figures.theme import COLOURS, GREY, save_figure, theme, whiskers
from assay.studies.oocr.figure_tables import SHOWN, Axis

LABELS = {"accuracy": "share right", "margin": "margin: right − other (nats)"}
AXES: dict[Axis, str] = {"layer": "layer (decoder block)", "lr": "learning rate", "step": "optimiser steps"}


def draw_tasks(table: pd.DataFrame, path: Path) -> None:
    """A group of bars for each task, with 95 % intervals over items; a black line on each group is the table's chance."""
    plt = theme()
    tasks, labels = _in_order(table["task"]), _in_order(table["label"])
    width = 0.84 / max(table.groupby("task").size())
    figure, axes = plt.subplots(figsize=(max(6.0, 2.0 + 1.9 * len(tasks)), 4.6), layout="constrained")
    named = set()
    for number, task in enumerate(tasks):
        rows = table[table["task"] == task].reset_index(drop=True)
        places = number + width * (np.arange(len(rows)) - (len(rows) - 1) / 2)
        for place, (_, row) in zip(places, rows.iterrows(), strict=True):
            label = str(row["label"])
            colour = _colour(labels, label)
            axes.bar(place, row["value"], 0.92 * width, color=colour, label=None if label in named else label)
            named.add(label)
        whiskers(axes, places, rows)
        edge = width * len(rows) / 2
        axes.hlines(
            rows["chance"].iloc[0], number - edge, number + edge, color="black", lw=1.4, ls=(0, (3, 2))
        )
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set(ylabel="accuracy on held-out questions", ylim=(0, 1.05))
    axes.set_title(
        "dashed: guessing, or always the most frequent answer · 95 % intervals over items",
        fontsize=11,
        color="#555555",
    )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, path)


def draw_curves(table: pd.DataFrame, axis: Axis, path: Path) -> None:
    """Accuracy above margin, a column for each question set; what has no place on the axis is dashed across.

    Random controls have the colour of what they control, and are thin. Bands are ± one standard deviation between runs where there are several, else 95 % intervals over items.
    """
    plt = theme()
    sets = _in_order(table["questions"])
    figure, panels = plt.subplots(
        len(SHOWN),
        len(sets),
        figsize=(0.6 + 4.4 * len(sets), 8.6),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for row, statistic in enumerate(SHOWN):
        for column, questions in enumerate(sets):
            axes = panels[row, column]
            here = table[(table["questions"] == questions) & (table["statistic"] == statistic)]
            series = sorted(_in_order(here["series"]), key=lambda name: name == BASE)
            trained = list(dict.fromkeys(map(_controlled, series)))
            for name in series:
                colour = _colour(trained, _controlled(name))
                _curve(axes, here[here["series"] == name], axis, colour, name, thin=name != _controlled(name))
            if statistic == "accuracy":
                axes.axhline(here["chance"].iloc[0], color=GREY, lw=1, ls=":")
                axes.set(title=questions, ylim=(-0.02, 1.05))
            else:
                axes.axhline(0, color=GREY, lw=1, ls=":")
                axes.set(xlabel=AXES[axis])
                axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=9)
            _scale(axes, axis)
        panels[row, 0].set_ylabel(LABELS[statistic])
    figure.suptitle("bands: ± sd between runs, else 95 % intervals · dotted: chance", fontsize=11)
    save_figure(figure, path)


def draw_self_report(table: pd.DataFrame, path: Path) -> None:
    """Margins of claims over denials by system prompt, and the share of questions claimed; intervals clustered by question.

    A panel for each group of items (order of options), so that a letter given to everything is seen.
    """
    plt = theme()
    categories, adapters = _in_order(table["category"]), _in_order(table["adapter"])
    groups = _in_order(table["group"])
    names = {"margin": "margin: claim − denial (nats)", "accuracy": "share that claims"}
    figure, panels = plt.subplots(
        len(names) * len(groups),
        1,
        figsize=(max(7.0, 3.0 + 0.42 * len(categories) * len(adapters)), 3.5 * len(names) * len(groups)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for row, (statistic, label) in enumerate(names.items()):
        block = panels[row * len(groups) : (row + 1) * len(groups), 0]
        for axes, group in zip(block, groups, strict=True):
            here = table[(table["group"] == group) & (table["statistic"] == statistic)]
            _bars_by_category(axes, here, categories, adapters)
            axes.axhline(0 if statistic == "margin" else 0.5, color=GREY, lw=0.8, ls="--")
            axes.set_ylabel(label)
            axes.set_title(group, fontsize=11)
        low, high = (0.0, 1.02) if statistic == "accuracy" else _span(table[table["statistic"] == statistic])
        for axes in block:
            axes.set_ylim(low, high)
    panels[-1, 0].set_xticks(range(len(categories)), categories)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside right center")
    save_figure(figure, path)


def draw_training(table: pd.DataFrame, path: Path) -> None:
    """Loss above accuracy by step, a column for each task: train thin, validation dotted with marks, a line for each run.

    Adapters are named TASK-METHOD; the method gives the colour.
    """
    plt = theme()
    from matplotlib.lines import Line2D

    parts = table["adapter"].str.rpartition("-")
    tasks, methods = _in_order(parts[0]), _in_order(parts[2])
    figure, panels = plt.subplots(
        2,
        len(tasks),
        figsize=(2.0 + 2.3 * len(tasks), 5.0),
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for row, what in enumerate(("loss", "accuracy")):
        for column, task in enumerate(tasks):
            axes = panels[row, column]
            own = table[parts[0] == task].dropna(subset=[what])
            for (adapter, _, split), rows in own.groupby(["adapter", "run", "split"], sort=False):
                style: dict[str, Any] = (
                    {"lw": 0.9, "alpha": 0.45}
                    if split == "train"
                    else {"lw": 1.8, "marker": "o", "ms": 4, "ls": ":"}
                )
                method = str(adapter).rpartition("-")[2]
                axes.plot(rows["step"], rows[what], color=_colour(methods, method), **style)
        panels[row, 0].set_ylabel(what)
    for axes, task in zip(panels[0], tasks, strict=True):
        axes.set_title(task or "adapter", fontsize=11)
    for axes in panels[1]:
        axes.set(xlabel=AXES["step"], ylim=(-0.02, 1.03))
    panels[0, 0].set_ylim(bottom=0)
    handles = [Line2D([], [], color=_colour(methods, name), label=name) for name in methods]
    handles += [
        Line2D([], [], color=GREY, lw=0.9, label="train"),
        Line2D([], [], color=GREY, lw=1.8, marker="o", ms=4, ls=":", label="validation"),
    ]
    figure.legend(handles=handles, frameon=False, loc="outside right center")
    save_figure(figure, path)


def _bars_by_category(axes: Any, table: pd.DataFrame, categories: list[str], adapters: list[str]) -> None:
    """Bars of each adapter side by side in each category."""
    width = 0.84 / len(adapters)
    for index, adapter in enumerate(adapters):
        rows = table[table["adapter"] == adapter].set_index("category").reindex(categories).reset_index()
        places = np.arange(len(categories)) + width * (index - (len(adapters) - 1) / 2)
        axes.bar(places, rows["value"], 0.92 * width, color=_colour(adapters, adapter), label=adapter)
        whiskers(axes, places, rows)


def _span(table: pd.DataFrame) -> tuple[float, float]:
    """Limits that hold zero and every interval, with a little room."""
    low, high = min(0.0, table["lower"].min()), max(0.0, table["upper"].max())
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _controlled(name: str) -> str:
    """The adapter that a random control belongs to; any other series is its own."""
    return name.removesuffix(f"_{RANDOM}")


def _curve(axes: Any, rows: pd.DataFrame, axis: Axis, colour: Any, label: str, *, thin: bool) -> None:
    width = 0.9 if thin else 2
    if rows[axis].isna().all():
        axes.axhline(rows["value"].iloc[0], color=colour, lw=width, ls="--", label=label)
        return
    rows = rows.sort_values(axis)
    low = (rows["value"] - rows["sd"]).fillna(rows["lower"])
    high = (rows["value"] + rows["sd"]).fillna(rows["upper"])
    axes.fill_between(rows[axis], low, high, color=colour, alpha=0.16, lw=0)
    axes.plot(rows[axis], rows["value"], color=colour, lw=width, marker="o", ms=2 * width, label=label)


def _scale(axes: Any, axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    if axis == "lr":
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _in_order(column: pd.Series) -> list[str]:
    return [str(name) for name in column.drop_duplicates()]


def _colour(names: Sequence[str], name: str) -> Any:
    """Grey for the base model, else the next colour of the palette; a wheel of hues where there are too many."""
    import seaborn as sns

    if name == BASE:
        return GREY
    others = [other for other in names if other != BASE]
    palette = COLOURS if len(others) <= len(COLOURS) else sns.husl_palette(len(others), l=0.55)
    return palette[others.index(name)]
