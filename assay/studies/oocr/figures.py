"""Figures of the study: accuracy by task, along layers, learning rates and steps, self-report, and training curves.

Each draws one of the tables of `figure_tables`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.evaluation.subjects import BASE, RANDOM
from assay.figures.bars import draw_bars, side_by_side, span
from assay.figures.lines import draw_across, draw_line
from assay.figures.panels import (
    legend_below,
    legend_beside,
    legend_outside,
    line_handles,
    panels,
    patch_handles,
    whole_numbers,
)
from assay.figures.theme import GREY, colours_of, in_order, save_figure
from assay.studies.oocr.figure_tables import SHOWN, Axis

LABELS = {"accuracy": "share right", "margin": "margin: right − other (nats)"}
AXES: dict[Axis, str] = {"layer": "layer (decoder block)", "lr": "learning rate", "step": "optimiser steps"}


def draw_tasks(table: pd.DataFrame, path: Path) -> None:
    """A group of bars for each task, with 95 % intervals over items; a black line on each group is the table's chance."""
    tasks = in_order(table["task"])
    colours = colours_of(in_order(table["label"]))
    width = 0.84 / max(table.groupby("task").size())
    figure, ((axes,),) = panels(1, 1, (max(6.0, 2.0 + 1.9 * len(tasks)), 4.6))
    for number, task in enumerate(tasks):
        rows = table[table["task"] == task].reset_index(drop=True)
        places = number + side_by_side(len(rows), width)
        draw_bars(axes, places, rows, width, colour=[colours[label] for label in rows["label"]])
        edge = width * len(rows) / 2
        ends = (number - edge, number + edge)
        axes.hlines(rows["chance"].iloc[0], *ends, color="black", lw=1.4, ls=(0, (3, 2)))
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set(ylabel="accuracy on held-out questions", ylim=(-0.02, 1.05))
    axes.set_title(
        "dashed: guessing, or always the most frequent answer · 95 % intervals over items",
        fontsize=11,
        color="#555555",
    )
    legend_beside(axes, patch_handles(colours))
    save_figure(figure, path)


def draw_curves(table: pd.DataFrame, axis: Axis, path: Path) -> None:
    """Accuracy above margin, a column for each question set; what has no place on the axis is dashed across.

    Random controls have the colour of what they control, and are thin. Bands are ± one standard deviation between runs where there are several, else 95 % intervals over items.
    """
    sets = in_order(table["questions"])
    figure, grid = panels(len(SHOWN), len(sets), (0.6 + 4.4 * len(sets), 8.6), sharex=True)
    for row, statistic in enumerate(SHOWN):
        for column, questions in enumerate(sets):
            axes = grid[row, column]
            here = table[(table["questions"] == questions) & (table["statistic"] == statistic)]
            series = sorted(in_order(here["series"]), key=lambda name: name == BASE)
            colours = colours_of(list(dict.fromkeys(map(_controlled, series))), grey=[BASE])
            for name in series:
                _draw_series(axes, here[here["series"] == name], axis, name, colours[_controlled(name)])
            if statistic == "accuracy":
                axes.axhline(here["chance"].iloc[0], color=GREY, lw=1, ls=":")
                axes.set(title=questions, ylim=(-0.02, 1.05))
            else:
                axes.axhline(0, color=GREY, lw=1, ls=":")
                axes.set(xlabel=AXES[axis])
                legend_below(axes)
            _scale(axes, axis, table[axis])
        grid[row, 0].set_ylabel(LABELS[statistic])
    figure.suptitle("bands: ± sd between runs, else 95 % intervals · dotted: chance", fontsize=11)
    save_figure(figure, path)


def draw_self_report(table: pd.DataFrame, path: Path) -> None:
    """Margins of claims over denials by system prompt, and the share of questions claimed; intervals clustered by question.

    A panel for each group of items (order of options), so that a letter given to everything is seen.
    """
    categories, adapters = in_order(table["category"]), in_order(table["adapter"])
    groups = in_order(table["group"])
    colours = colours_of(adapters, grey=[BASE])
    names = {"margin": "margin: claim − denial (nats)", "accuracy": "share that claims"}
    rows = len(names) * len(groups)
    size = (max(7.0, 3.0 + 0.42 * len(categories) * len(adapters)), 3.5 * rows)
    figure, grid = panels(rows, 1, size, sharex=True)
    for row, (statistic, label) in enumerate(names.items()):
        block = grid[row * len(groups) : (row + 1) * len(groups), 0]
        for axes, group in zip(block, groups, strict=True):
            here = table[(table["group"] == group) & (table["statistic"] == statistic)]
            _bars_by_category(axes, here, categories, colours)
            axes.axhline(0 if statistic == "margin" else 0.5, color=GREY, lw=0.8, ls="--")
            axes.set_ylabel(label)
            axes.set_title(group, fontsize=11)
        low, high = (-0.02, 1.04) if statistic == "accuracy" else span(table[table["statistic"] == statistic])
        for axes in block:
            axes.set_ylim(low, high)
    grid[-1, 0].set_xticks(range(len(categories)), categories)
    legend_outside(figure, patch_handles(colours))
    save_figure(figure, path)


def draw_training(table: pd.DataFrame, path: Path) -> None:
    """Loss above accuracy by step, a column for each task: train thin, validation dotted with marks, a line for each run.

    Adapters are named TASK-METHOD; the method gives the colour.
    """
    parts = table["adapter"].str.rpartition("-")
    tasks, colours = in_order(parts[0]), colours_of(in_order(parts[2]))
    styles: dict[str, dict[str, Any]] = {
        "train": {"lw": 0.9, "alpha": 0.45},
        "validation": {"lw": 1.8, "marker": "o", "ms": 4, "ls": ":"},
    }
    figure, grid = panels(2, len(tasks), (2.0 + 2.3 * len(tasks), 5.0), sharey="row")
    for row, what in enumerate(("loss", "accuracy")):
        for column, task in enumerate(tasks):
            axes = grid[row, column]
            own = table[parts[0] == task].dropna(subset=[what])
            for (adapter, _, split), rows in own.groupby(["adapter", "run", "split"], sort=False):
                style = styles["train" if split == "train" else "validation"]
                colour = colours[str(adapter).rpartition("-")[2]]
                axes.plot(rows["step"], rows[what], color=colour, **style)
        grid[row, 0].set_ylabel(what)
    for axes, task in zip(grid[0], tasks, strict=True):
        axes.set_title(task or "adapter", fontsize=11)
    for axes in grid[1]:
        axes.set(xlabel=AXES["step"], ylim=(-0.02, 1.03))
    grid[0, 0].set_ylim(bottom=0)
    legend_outside(figure, line_handles(colours, styles))
    save_figure(figure, path)


def _bars_by_category(axes: Any, table: pd.DataFrame, categories: list[str], colours: dict[str, Any]) -> None:
    """Bars of each adapter side by side in each category."""
    width = 0.84 / len(colours)
    for shift, (adapter, colour) in zip(side_by_side(len(colours), width), colours.items(), strict=True):
        rows = table[table["adapter"] == adapter].set_index("category").reindex(categories).reset_index()
        draw_bars(axes, np.arange(len(categories)) + shift, rows, width, colour=colour)


def _controlled(name: str) -> str:
    """The adapter that a random control belongs to; any other series is its own."""
    return name.removesuffix(f"_{RANDOM}")


def _draw_series(axes: Any, rows: pd.DataFrame, axis: Axis, name: str, colour: Any) -> None:
    width = 2 if name == _controlled(name) else 0.9
    if rows[axis].isna().all():
        draw_across(axes, rows["value"].iloc[0], colour=colour, label=name, width=width)
        return
    rows = rows.sort_values(axis)
    low = (rows["value"] - rows["sd"]).fillna(rows["lower"])
    high = (rows["value"] + rows["sd"]).fillna(rows["upper"])
    draw_line(axes, rows[axis], rows["value"], (low, high), colour=colour, label=name, width=width)


def _scale(axes: Any, axis: Axis, places: pd.Series) -> None:
    """Learning rates by decades; layers and steps at their own places where they are few."""
    if axis == "lr":
        axes.set_xscale("log")
    elif (few := places.dropna().unique()).size <= 8:
        axes.set_xticks(sorted(few))
    else:
        whole_numbers(axes)
