"""Figures of the probe study: feature sets compared, topics, layers, and what the topics are worth.

Each figure has a tidy table for `dvc plots` and a drawing of the same numbers. Axes start at their natural zero.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.figures.theme import COLOURS, GREY, NEGATIVE, POSITIVE, save_figure, theme, whiskers

SPLITS = {"held-out tasks": "heldout", "held-out topics": "nested_topic"}
METRICS = {"Pearson r": "r", "accuracy on choices": "accuracy"}
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


def draw_bars(table: pd.DataFrame, path: Path) -> None:
    """A panel per metric: held-out tasks light, held-out topics dark; the dashed line is chance."""
    plt = theme()
    metrics = [metric for metric in METRICS if (table["metric"] == metric).any()]
    names = _in_order(table["features"])
    figure, panels = plt.subplots(1, len(metrics), figsize=(5.6 * len(metrics), 4.6), layout="constrained")
    for axes, metric in zip(np.atleast_1d(panels), metrics, strict=True):
        rows = table[table["metric"] == metric]
        for index, (split, alpha) in enumerate(zip(SPLITS, (0.45, 1.0), strict=True)):
            part = rows[rows["split"] == split]
            places = [names.index(name) + 0.4 * (index - 0.5) for name in part["features"]]
            colours = [_colour(names, name) for name in part["features"]]
            axes.bar(places, part["value"], 0.38, color=colours, alpha=alpha)
            whiskers(axes, places, part)
            for place, value, upper in zip(places, part["value"], part["upper"], strict=True):
                axes.annotate(f"{value:.2f}", (place, max(upper, 0)), ha="center", va="bottom", fontsize=11)
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
    plt = theme()
    names = _in_order(table["features"])
    wide = table.pivot(index="topics", columns="features", values="r")
    order = (wide[names[0]] - wide[names[-1]]).sort_values(ascending=False, kind="stable").index.tolist()
    sizes = table.drop_duplicates("topics").set_index("topics")["r_n"]
    width = 0.8 / len(names)
    figure, axes = plt.subplots(figsize=(max(7.0, 1.1 + 1.05 * len(order)), 4.8), layout="constrained")
    for index, name in enumerate(names):
        part = table[table["features"] == name].set_index("topics").loc[order].reset_index()
        places = np.arange(len(order)) + width * (index - (len(names) - 1) / 2)
        axes.bar(places, part["r"], 0.94 * width, color=_colour(names, name), label=name)
        whiskers(axes, places, part.rename(columns={"r": "value", "r_lo": "lower", "r_hi": "upper"}))
    axes.axhline(0, color=GREY, lw=1)
    axes.set_xticks(
        range(len(order)), [f"{topic}\nn={sizes[topic]}" for topic in order], rotation=45, ha="right"
    )
    axes.set(ylabel="Pearson r on the held-out topic", ylim=(_floor(table["r_lo"]), 1.02))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    save_figure(figure, path)


def draw_layers(table: pd.DataFrame, path: Path) -> None:
    """r by layer with bands, a panel per split; sets with one layer are dashed lines across; shuffled utilities grey."""
    plt = theme()
    from matplotlib.ticker import MaxNLocator

    names = _in_order(table["features"])
    figure, panels = plt.subplots(1, 2, figsize=(11.5, 4.6), sharey=True, layout="constrained")
    for axes, split in zip(panels, SPLITS, strict=True):
        rows = table[table["split"] == split].sort_values("layer")
        for name in names:
            part = rows[(rows["features"] == name) & (rows["utilities"] == "true")]
            _curve(axes, part, _colour(names, name), name)
        shuffled = rows[(rows["features"] == names[0]) & (rows["utilities"] == "shuffled")]
        if len(shuffled):
            _curve(axes, shuffled, GREY, f"{names[0]}, shuffled utilities")
        axes.axhline(0, color=GREY, lw=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="layer (decoder block whose output is read)", title=split)
    panels[0].set(ylabel="Pearson r", ylim=(_floor(table["lower"]), 1.02))
    panels[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    save_figure(figure, path)


def draw_topic_means(table: pd.DataFrame, path: Path) -> None:
    """Mean utility of every topic ± one standard error; blue above zero, red below."""
    plt = theme()
    figure, axes = plt.subplots(figsize=(7.5, 1.2 + 0.42 * len(table)), layout="constrained")
    colours = [POSITIVE if mean > 0 else NEGATIVE for mean in table["mean"]]
    axes.barh(range(len(table)), table["mean"], xerr=table["se"], color=colours, ecolor="#333333", capsize=3)
    axes.axvline(0, color="#333333", lw=0.8)
    labels = [f"{topic} (n={n})" for topic, n in zip(table["topic"], table["n"], strict=True)]
    axes.set_yticks(range(len(table)), labels)
    axes.set(xlabel="mean utility ± standard error")
    save_figure(figure, path)


def _floor(lower: pd.Series) -> float:
    """Zero, or a little below the lowest interval."""
    return float(lower.min()) - 0.03 if lower.min() < 0 else 0.0


def _in_order(column: pd.Series) -> list[str]:
    return [str(name) for name in column.drop_duplicates()]


def _colour(names: Sequence[str], name: str) -> str:
    return COLOURS[names.index(name) % len(COLOURS)]


def _curve(axes: Any, part: pd.DataFrame, colour: str, label: str) -> None:
    """A line with its band; a single layer becomes a dashed line across, because it has no depth."""
    if len(part) == 1:
        axes.axhspan(part["lower"].iloc[0], part["upper"].iloc[0], color=colour, alpha=0.12, lw=0)
        axes.axhline(part["r"].iloc[0], color=colour, ls="--", lw=1.8, label=label)
        return
    axes.fill_between(part["layer"], part["lower"], part["upper"], color=colour, alpha=0.18, lw=0)
    axes.plot(part["layer"], part["r"], color=colour, lw=2, marker="o", ms=3.5, label=label)
