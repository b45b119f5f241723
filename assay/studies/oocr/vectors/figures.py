"""Figures of the comparison of vectors, each drawn from a tidy table."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.figures.panels import legend_beside, legend_outside, line_handles, panels, whole_numbers
from assay.figures.theme import GREY, INK, NEGATIVE, POSITIVE, colours_of, in_order, save_figure

_NAMES_SHOWN = 40  # rows of a heat-map that are named
_LETTERS = 14  # of a token in a table of tokens
_NUMBERS_SHOWN = 12  # rows of a heat-map whose cells hold numbers


def draw_all(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Every figure of the tables that have rows, by the names of `vector_report.tables_of`."""
    for (kind, layer), part in tables["cosines"].groupby(["kind", "layer"]):
        draw_cosines(part, folder / f"cosines_{kind or 'tasks'}_layer_{layer}.png")
    for (source, texts), part in tables["token_cosines"].groupby(["source", "texts"]):
        name = f"{str(source).replace('/', '_')}_{texts}"
        draw_token_cosines(part, folder / f"token_cosines_{name}.png", title=f"{source} on {texts}")
    for reading, part in tables["lens"].groupby("reading"):
        draw_lens(part, folder / f"lens_{reading}.png")
    for name, draw in (
        ("naive_by_layer", draw_naive_by_layer),
        ("natural", draw_natural),
        ("norms", draw_norms),
        ("related", draw_related),
    ):
        if len(tables[name]):
            draw(tables[name], folder / f"{name}.png")


def draw_cosines(table: pd.DataFrame, path: Path) -> None:
    """Heat-map of the cosines of one kind and layer, from −1 to 1."""
    import seaborn as sns

    names = in_order(table["first"])
    upper = table.pivot(index="first", columns="second", values="cosine").loc[names, names]
    matrix = upper.fillna(upper.T)
    size = max(4.5, min(0.42 * len(names), 9.0) + 3.0)
    figure, ((axes,),) = panels(1, 1, (size + 1.0, size))
    named = len(names) <= _NAMES_SHOWN
    sns.heatmap(
        matrix, ax=axes, vmin=-1, vmax=1, center=0, cmap="RdBu_r", square=True, annot=len(names) <= _NUMBERS_SHOWN,
        fmt=".2f", annot_kws={"size": 8}, xticklabels=named, yticklabels=named, cbar_kws={"label": "cosine", "shrink": 0.7},
    )  # fmt: skip
    if not named:
        _mark_methods(axes, [name.split(" · ")[0] for name in names])
    axes.tick_params(length=0, labelsize=8 if named else 12)
    kind, layer, band = (table[name].iloc[0] for name in ("kind", "layer", "band"))
    axes.set(
        xlabel="",
        ylabel="",
        title=f"{kind or 'tasks'}, layer {layer}; 95 % of random pairs: |cosine| < {band:.2f}",
    )
    save_figure(figure, path)


def _mark_methods(axes: Any, methods: Sequence[str]) -> None:
    """Name each run of equal `methods` once, with lines between them."""
    places = {
        method: [i for i, one in enumerate(methods) if one == method] for method in dict.fromkeys(methods)
    }
    middles = [(rows[0] + rows[-1] + 1) / 2 for rows in places.values()]
    axes.set_xticks(middles, list(places), rotation=90)
    axes.set_yticks(middles, list(places), rotation=0)
    for rows in list(places.values())[1:]:
        axes.axhline(rows[0], color=INK, lw=0.8)
        axes.axvline(rows[0], color=INK, lw=0.8)


def draw_naive_by_layer(table: pd.DataFrame, path: Path) -> None:
    """A row for each kind, a panel for each method: mean cosine with naive vectors by layer, and its spread over names and runs."""
    shown = [
        list(part.groupby(["kind", "method", part["blocks"] > 1], sort=True))
        for _, part in table.groupby("kind", sort=True)
    ]
    columns = max(map(len, shown))
    figure, grid = panels(len(shown), columns, (1.0 + 5.2 * columns, 0.6 + 3.4 * len(shown)), sharey=True)
    for axes in grid.ravel():
        axes.set_visible(False)
    for row, found in zip(grid, shown, strict=True):
        for axes, ((kind, method, several), part) in zip(row, found, strict=False):
            axes.set_visible(True)
            _draw_naive(axes, part, several=bool(several))
            axes.set(title=f"{kind}: {method}", ylim=(-1.02, 1.02))
        row[0].set_ylabel("cosine with naive vectors")
    richest = max(grid.ravel(), key=lambda axes: len(axes.lines))
    legend_outside(figure, richest.get_legend_handles_labels()[0])
    save_figure(figure, path)


def _draw_naive(axes: Any, part: pd.DataFrame, *, several: bool) -> None:
    import seaborn as sns

    band = float(part["band"].iloc[0])
    axes.axhspan(-band, band, color=GREY, alpha=0.18, lw=0, label="95 % of random vectors")
    for column, colour, name in (("own", NEGATIVE, "its own name"), ("others", POSITIVE, "other names")):
        if part[column].notna().any():
            drawn = {"x": "layer", "y": column, "color": colour, "label": name, "ax": axes}
            sns.lineplot(part, **drawn, errorbar="sd", marker="o", legend=False)
    for layer in () if several else sorted(part["trained_layer"].unique()):
        axes.axvline(layer, color=INK, lw=0.8, ls=":")
    axes.set_xlabel("layer of both vectors" if several else "layer of the naive vector (dotted: trained)")
    whole_numbers(axes)


def draw_natural(table: pd.DataFrame, path: Path) -> None:
    """A column for each adapter, by layer: explained variance of the first component, and its cosine with the mean."""
    drawn = (
        ("explained", "explained_centred", "share of the\nfirst component"),
        ("cosine_pca", "cosine_pca_centred", "its cosine\nwith the mean"),
    )
    sources, colours = in_order(table["source"]), colours_of(in_order(table["texts"]))
    size = (2.6 + 2.6 * len(sources), 4.8)
    figure, grid = panels(2, len(sources), size, sharex=True, sharey="row")
    for row, (plain, centred, label) in zip(grid, drawn, strict=True):
        for axes, source in zip(row, sources, strict=True):
            for texts, own in table[table["source"] == source].groupby("texts", sort=False):
                for column, style in ((plain, "-"), (centred, ":")):
                    axes.plot(own["layer"], own[column], color=colours[str(texts)], ls=style, lw=1.5)
            axes.axhline(0, color=GREY, lw=0.8)
            whole_numbers(axes)
        row[0].set_ylabel(label)
    for upper, lower, source in zip(*grid, sources, strict=True):
        upper.set_title(source)
        lower.set_xlabel("layer")
    named = {f"on {texts}": colour for texts, colour in colours.items()}
    legend_beside(grid[0, -1], line_handles(named, {"not centred": {}, "centred": {"ls": ":"}}))
    save_figure(figure, path)


def draw_norms(table: pd.DataFrame, path: Path) -> None:
    """A row for each adapter's run, a column for each text: norm of what the adapter adds at each token.

    An image of layer × token where there are several layers, else a line.
    """
    sources, texts = in_order(table["source"]), in_order(table["texts"])
    size = (1.0 + 5.6 * len(texts), 0.6 + 2.7 * len(sources))
    figure, grid = panels(len(sources), len(texts), size, sharex="col")
    for (source, text), part in table.groupby(["source", "texts"], sort=False):
        axes = grid[sources.index(str(source)), texts.index(str(text))]
        if part["layer"].nunique() > 1:
            _draw_norm_image(figure, axes, part)
        else:
            axes.plot(part["position"], part["norm"], color=POSITIVE, lw=1.5)
            axes.set_ylabel(f"norm at layer {part['layer'].iloc[0]}")
        first = part.loc[part["used"], "position"].min()
        axes.axvline(first - 0.5, color=NEGATIVE, lw=1.2)
        axes.set_title(f"{source} on {text}")
        whole_numbers(axes)
    for axes in grid[-1]:
        axes.set_xlabel("token of the text (left of the line: left out)")
    save_figure(figure, path)


def _draw_norm_image(figure: Any, axes: Any, part: pd.DataFrame) -> None:
    from matplotlib.colors import LogNorm

    matrix = part.pivot(index="layer", columns="position", values="norm")
    positive = part.loc[part["norm"] > 0, "norm"]
    wide = part["norm"].max() > 30 * part["norm"].median()
    scale = {"norm": LogNorm(positive.min(), positive.max())} if wide else {"vmin": 0}
    image = axes.pcolormesh(matrix.columns, matrix.index, np.asarray(matrix), cmap="viridis", **scale)
    axes.set_ylabel("layer")
    figure.colorbar(image, ax=axes, label="norm")


def draw_token_cosines(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """Heat-map token × token of |cosine|, from 0 to 1."""
    import seaborn as sns

    figure, ((axes,),) = panels(1, 1, (6.6, 5.6))
    matrix = table.pivot(index="first", columns="second", values="cosine")
    sns.heatmap(matrix, ax=axes, vmin=0, vmax=1, cmap="viridis", square=True, cbar_kws={"label": "|cosine|"})
    axes.set(xlabel="token", ylabel="token", title=f"{title}, layer {table['layer'].iloc[0]}")
    save_figure(figure, path)


def draw_lens(table: pd.DataFrame, path: Path, *, most: int = 30) -> None:
    """The top tokens of at most `most` vectors: a row for each vector and layer, a column for each rank."""
    rows = table[table["side"] == "top"].assign(
        row=lambda t: t["vector"] + ", layer " + t["layer"].astype(str)
    )
    names = in_order(rows["row"])[:most]
    words = rows.pivot(index="row", columns="rank", values="token").loc[names]
    k = words.shape[1]
    figure, ((axes,),) = panels(1, 1, (5.0 + 1.1 * k, 1.0 + 0.3 * len(names)))
    axes.axis("off")
    cells = [
        [name, *(text[:_LETTERS] for text in row)] for name, row in zip(names, words.to_numpy(), strict=True)
    ]
    made = axes.table(
        cells, colLabels=["vector", *map(str, words.columns)], colWidths=[0.34, *[0.66 / k] * k],
        bbox=(0, 0, 1, 1), cellLoc="center",
    )  # fmt: skip
    made.auto_set_font_size(False)
    made.set_fontsize(8)
    for (row, column), cell in made.get_celld().items():
        cell.set(linewidth=0.3, edgecolor=GREY)
        if column == 0 and row:
            cell.set_text_props(ha="left")
    axes.set_title(f"top tokens, reading {table['reading'].iloc[0]}")
    save_figure(figure, path)


def draw_related(table: pd.DataFrame, path: Path) -> None:
    """Share of related words among the top tokens by layer: a panel for each reading, a line for each adapter and method."""
    import seaborn as sns

    readings, methods = in_order(table["reading"]), in_order(table["method"])
    colours = colours_of(in_order(table["adapter"]))
    markers = dict(zip(methods, cycle("osD^v*"), strict=False))
    figure, grid = panels(1, len(readings), (1.5 + 4.6 * len(readings), 4.4), sharey=True)
    for axes, reading in zip(grid[0], readings, strict=True):
        part = table[table["reading"] == reading]
        drawn = {
            "x": "layer",
            "y": "share",
            "hue": "adapter",
            "palette": colours,
            "style": "method",
            "ax": axes,
        }
        sns.lineplot(
            part, **drawn, markers=markers, dashes=False, errorbar="sd", err_style="bars", ms=8, legend=False
        )
        axes.set(xlabel="layer", title=reading, ylim=(-0.03, 1.03))
        whole_numbers(axes)
    grid[0][0].set_ylabel("related words among the top tokens")
    styles = {method: {"marker": marker, "ls": "", "ms": 8} for method, marker in markers.items()}
    legend_beside(grid[0][-1], line_handles(colours, styles))
    save_figure(figure, path)
