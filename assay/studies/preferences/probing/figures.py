"""Figures of the probe study: feature sets compared, topics, layers, and what the topics are worth.

Each figure has a tidy table for `dvc plots` and a drawing of the same numbers. Axes start at their natural zero.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.figures.bars import draw_bars, side_by_side, write_values
from assay.figures.lines import draw_across, draw_line
from assay.figures.panels import legend_beside, panels, whole_numbers
from assay.figures.theme import GREY, INK, NEGATIVE, POSITIVE, colours_of, in_order, save_figure

SPLITS = {"held-out tasks": "heldout", "held-out topics": "nested_topic"}
METRICS = {"Pearson r": "r", "accuracy on choices": "accuracy"}
LAYERS = (
    "features", "layer", "selected", "nested_topic_layer",
    *(f"{name}{end}" for name in ("heldout_r", "topic_r", "nested_topic_r") for end in ("", "_lo", "_hi", "_n")),
)  # fmt: skip
CHANCE = {"Pearson r": 0.0, "accuracy on choices": 0.5}


def bars_table(layers: pd.DataFrame) -> pd.DataFrame:
    """One row per feature set, split and metric: value, lower, upper, n, and the layer: the selected one for held-out tasks,
    the median of those that the folds chose for held-out topics.

    A metric that was not measured for a split (no choices were given) has no row.
    """
    rows = []
    for _, row in layers[layers["selected"] == 1].iterrows():
        for split, prefix in SPLITS.items():
            for metric, suffix in METRICS.items():
                name = f"{prefix}_{suffix}"
                if name in layers and np.isfinite(row[name]):
                    ends = {
                        "lower": row[f"{name}_lo"],
                        "upper": row[f"{name}_hi"],
                        "n": int(row[f"{name}_n"]),
                    }
                    layer = row["layer"] if split == "held-out tasks" else row["nested_topic_layer"]
                    where = {"features": row["features"], "layer": int(layer)}
                    rows.append({**where, "split": split, "metric": metric, "value": row[name], **ends})
    return pd.DataFrame(rows)


def layers_table(layers: pd.DataFrame) -> pd.DataFrame:
    """One row per feature set, layer, split and trained utilities (true or shuffled): r, lower, upper."""
    names = {
        ("held-out tasks", "true"): "heldout_r",
        ("held-out tasks", "shuffled"): "shuffled_r",
        ("held-out topics", "true"): "topic_r",
        ("held-out topics", "shuffled"): "topic_shuffled_r",
    }
    found = []
    for (split, utilities), name in names.items():
        if name in layers:
            part = layers[["features", "layer"]].copy()
            part["split"], part["utilities"] = split, utilities
            for column, end in (("r", ""), ("lower", "_lo"), ("upper", "_hi")):
                part[column] = layers[f"{name}{end}"]
            found.append(part)
    return pd.concat(found, ignore_index=True)


def topic_means_table(mu: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """One row per topic, from the lowest mean: topic, n, mean utility and its standard error (0 for a single task)."""
    groups = pd.DataFrame({"topic": list(names), "mean": mu}).groupby("topic")["mean"]
    table = groups.agg(["size", "mean", "sem"]).reset_index()
    table = table.rename(columns={"size": "n", "sem": "se"}).fillna({"se": 0.0})
    return table.sort_values(["mean", "topic"], ignore_index=True)


def draw_feature_sets(table: pd.DataFrame, path: Path) -> None:
    """A panel per metric: held-out tasks light, held-out topics dark; the dashed line is chance."""
    metrics = [metric for metric in METRICS if (table["metric"] == metric).any()]
    names = in_order(table["features"])
    colours = colours_of(names)
    figure, grid = panels(1, len(metrics), (5.6 * len(metrics), 4.6))
    for axes, metric in zip(grid[0], metrics, strict=True):
        rows = table[table["metric"] == metric]
        for shift, split, alpha in zip(side_by_side(2, 0.4), SPLITS, (0.45, 1.0), strict=True):
            part = rows[rows["split"] == split]
            places = [names.index(name) + shift for name in part["features"]]
            own = [colours[name] for name in part["features"]]
            draw_bars(axes, places, part, 0.4, colour=own, alpha=alpha)
            write_values(axes, places, part)
        axes.axhline(CHANCE[metric], color=GREY, lw=1, ls="--")
        layers = rows.groupby("features")["layer"].agg(lambda of: " / ".join(str(layer) for layer in of))
        axes.set_xticks(range(len(names)), [f"{name}\n(layers {layers[name]})" for name in names])
        axes.set(ylabel=metric, ylim=(_floor(rows["lower"]), 1.05))
    figure.suptitle(
        "light: held-out tasks · dark: held-out topics (mean over folds), each at its layer · 95 % intervals",
        fontsize=11,
    )
    save_figure(figure, path)


def draw_topics(table: pd.DataFrame, path: Path) -> None:
    """r on every fold of held-out topics, a bar per feature set; from the largest gap between the first and the last set."""
    names = in_order(table["features"])
    wide = table.pivot(index="topics", columns="features", values="r")
    order = (wide[names[0]] - wide[names[-1]]).sort_values(ascending=False, kind="stable").index.tolist()
    sizes = table.drop_duplicates("topics").set_index("topics")["r_n"]
    width = 0.8 / len(names)
    figure, ((axes,),) = panels(1, 1, (max(7.0, 1.1 + 1.05 * len(order)), 4.8))
    for (name, colour), shift in zip(colours_of(names).items(), side_by_side(len(names), width), strict=True):
        part = table[table["features"] == name].set_index("topics").loc[order].reset_index()
        part = part.rename(columns={"r": "value", "r_lo": "lower", "r_hi": "upper"})
        draw_bars(axes, np.arange(len(order)) + shift, part, width, colour=colour, label=name)
    axes.axhline(0, color=GREY, lw=1)
    axes.set_xticks(
        range(len(order)), [f"{topic}\nn={sizes[topic]}" for topic in order], rotation=45, ha="right"
    )
    axes.set(ylabel="Pearson r on the held-out topic", ylim=(_floor(table["r_lo"]), 1.02))
    legend_beside(axes)
    save_figure(figure, path)


def draw_layers(table: pd.DataFrame, path: Path) -> None:
    """r by layer with bands, a panel per split; sets with one layer are dashed lines across; shuffled utilities grey."""
    names = in_order(table["features"])
    figure, grid = panels(1, 2, (11.5, 4.6), sharey=True)
    for axes, split in zip(grid[0], SPLITS, strict=True):
        rows = table[table["split"] == split].sort_values("layer")
        for name, colour in colours_of(names).items():
            part = rows[(rows["features"] == name) & (rows["utilities"] == "true")]
            _draw_series(axes, part, colour, name)
        shuffled = rows[(rows["features"] == names[0]) & (rows["utilities"] == "shuffled")]
        if len(shuffled):
            _draw_series(axes, shuffled, GREY, f"{names[0]}, shuffled utilities")
        axes.axhline(0, color=GREY, lw=0.8)
        whole_numbers(axes)
        axes.set(xlabel="layer (decoder block whose output is read)", title=split)
    grid[0, 0].set(ylabel="Pearson r, 95 % intervals", ylim=(_floor(table["lower"]), 1.02))
    legend_beside(grid[0, 1])
    save_figure(figure, path)


def draw_topic_means(table: pd.DataFrame, path: Path) -> None:
    """Mean utility of every topic ± one standard error; blue above zero, red below."""
    figure, ((axes,),) = panels(1, 1, (7.5, 1.2 + 0.42 * len(table)))
    colours = [POSITIVE if mean > 0 else NEGATIVE for mean in table["mean"]]
    axes.barh(range(len(table)), table["mean"], xerr=table["se"], color=colours, ecolor=INK, capsize=3)
    axes.axvline(0, color=INK, lw=0.8)
    labels = [f"{topic} (n={n})" for topic, n in zip(table["topic"], table["n"], strict=True)]
    axes.set_yticks(range(len(table)), labels)
    axes.set(xlabel="mean utility ± standard error")
    save_figure(figure, path)


def _floor(lower: pd.Series) -> float:
    """Zero, or a little below the lowest interval."""
    return float(lower.min()) - 0.03 if lower.min() < 0 else 0.0


def _draw_series(axes: Any, part: pd.DataFrame, colour: str, label: str) -> None:
    """A line with its band; a single layer becomes a dashed line across, because it has no depth."""
    if len(part) == 1:
        value, low, high = (float(part[name].iloc[0]) for name in ("r", "lower", "upper"))
        draw_across(axes, value, (low, high), colour=colour, label=label)
        return
    draw_line(axes, part["layer"], part["r"], (part["lower"], part["upper"]), colour=colour, label=label)
