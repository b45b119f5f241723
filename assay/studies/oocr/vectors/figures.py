"""Figures of the comparison of vectors, each drawn from a tidy table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from assay.figures.theme import GREY, NEGATIVE, POSITIVE, save_figure, theme

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
    plt = theme()
    import seaborn as sns

    names = list(dict.fromkeys(table["first"]))
    upper = table.pivot(index="first", columns="second", values="cosine").loc[names, names]
    matrix = upper.fillna(upper.T)
    size = max(4.5, min(0.42 * len(names), 9.0) + 3.0)
    figure, axes = plt.subplots(figsize=(size + 1.0, size), layout="constrained")
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
        axes.axhline(rows[0], color="#333333", lw=0.8)
        axes.axvline(rows[0], color="#333333", lw=0.8)


def draw_naive_by_layer(table: pd.DataFrame, path: Path) -> None:
    """A panel for each kind and method: mean cosine with naive vectors by layer, and its spread over names and runs."""
    plt = theme()
    import seaborn as sns

    panels = list(table.groupby(["kind", "method", table["blocks"] > 1], sort=True))
    figure, grid = plt.subplots(
        1,
        len(panels),
        figsize=(1.0 + 4.6 * len(panels), 4.4),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, ((kind, method, several), part) in zip(grid[0], panels, strict=True):
        band = float(part["band"].iloc[0])
        axes.axhspan(-band, band, color=GREY, alpha=0.18, lw=0, label="95 % of random vectors")
        for column, colour, name in (("own", NEGATIVE, "its own name"), ("others", POSITIVE, "other names")):
            if part[column].notna().any():
                sns.lineplot(
                    part, x="layer", y=column, ax=axes, color=colour, errorbar="sd", marker="o", label=name
                )
        for layer in () if several else sorted(part["trained_layer"].unique()):
            axes.axvline(layer, color="#333333", lw=0.8, ls=":")
        below = "layer of both vectors" if several else "layer of the naive vector (dotted: trained)"
        axes.set(
            xlabel=below, ylabel="cosine with naive vectors", title=f"{kind}: {method}", ylim=(-1.02, 1.02)
        )
        axes.legend(frameon=False, fontsize=9)
        _whole_numbers(axes)
    save_figure(figure, path)


def draw_natural(table: pd.DataFrame, path: Path) -> None:
    """A column for each adapter, by layer: explained variance of the first component, and its cosine with the mean."""
    plt = theme()
    import seaborn as sns

    drawn = (
        ("explained", "explained_centred", "share of the\nfirst component"),
        ("cosine_pca", "cosine_pca_centred", "its cosine\nwith the mean"),
    )
    sources = list(dict.fromkeys(table["source"]))
    colours = _colours(table["texts"])
    size = (2.6 + 2.6 * len(sources), 4.8)
    figure, grid = plt.subplots(
        2, len(sources), figsize=size, sharex=True, sharey="row", squeeze=False, layout="constrained"
    )
    for row, (plain, centred, label) in zip(grid, drawn, strict=True):
        for axes, source in zip(row, sources, strict=True):
            own = table[table["source"] == source]
            for column, style in ((plain, "-"), (centred, ":")):
                sns.lineplot(
                    own, x="layer", y=column, hue="texts", palette=colours, ax=axes, ls=style, legend=False
                )
            axes.axhline(0, color=GREY, lw=0.8)
            axes.set(xlabel="layer", ylabel=label)
            _whole_numbers(axes)
    for axes, source in zip(grid[0], sources, strict=True):
        axes.set_title(source)
    _legend(
        grid[0, -1],
        {f"on {texts}": colour for texts, colour in colours.items()},
        {"not centred": "-", "centred": ":"},
    )
    save_figure(figure, path)


def draw_norms(table: pd.DataFrame, path: Path) -> None:
    """A panel for each run and text: norm of what the adapter adds at each token, a line for each layer."""
    plt = theme()
    import seaborn as sns

    panels = list(_with_series(table).groupby("series", sort=False))
    figure, grid = plt.subplots(
        len(panels), 1, figsize=(10.0, 0.6 + 3.0 * len(panels)), squeeze=False, layout="constrained"
    )
    for axes, (series, part) in zip(grid[:, 0], panels, strict=True):
        several = part["layer"].nunique() > 1
        drawn = {"x": "position", "y": "norm", "hue": "layer", "palette": "viridis", "lw": 1.2, "ax": axes}
        sns.lineplot(part, **drawn, legend="auto" if several else False)
        first = part.loc[part["used"], "position"].min()
        axes.axvspan(-0.5, first - 0.5, color=GREY, alpha=0.25, lw=0)
        wide = part["norm"].max() > 30 * part["norm"].median()
        title = series if several else f"{series}, layer {part['layer'].iloc[0]}"
        axes.set(xlabel="token of the text (grey: left out)", ylabel="norm of the difference", title=title)
        axes.set(yscale="log") if wide else axes.set(ylim=(0, None))
        _whole_numbers(axes)
        if several:
            axes.legend(title="layer", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, path)


def draw_token_cosines(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """Heat-map token × token of |cosine|, from 0 to 1."""
    plt = theme()
    import seaborn as sns

    figure, axes = plt.subplots(figsize=(6.6, 5.6), layout="constrained")
    matrix = table.pivot(index="first", columns="second", values="cosine")
    sns.heatmap(matrix, ax=axes, vmin=0, vmax=1, cmap="viridis", square=True, cbar_kws={"label": "|cosine|"})
    axes.set(xlabel="token", ylabel="token", title=f"{title}, layer {table['layer'].iloc[0]}")
    save_figure(figure, path)


def draw_lens(table: pd.DataFrame, path: Path, *, most: int = 30) -> None:
    """The top tokens of at most `most` vectors: a row for each vector and layer, a column for each rank."""
    plt = theme()
    rows = table[table["side"] == "top"].assign(
        row=lambda t: t["vector"] + ", layer " + t["layer"].astype(str)
    )
    names = list(dict.fromkeys(rows["row"]))[:most]
    words = rows.pivot(index="row", columns="rank", values="token").loc[names]
    k = words.shape[1]
    figure, axes = plt.subplots(figsize=(5.0 + 1.1 * k, 1.0 + 0.3 * len(names)), layout="constrained")
    axes.axis("off")
    cells = [
        [_plain(name), *(_plain(text)[:_LETTERS] for text in row)]
        for name, row in zip(names, words.to_numpy(), strict=True)
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
    plt = theme()
    import seaborn as sns

    readings = list(dict.fromkeys(table["reading"]))
    width = 1.5 + 4.6 * len(readings)
    figure, grid = plt.subplots(
        1, len(readings), figsize=(width, 4.4), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, reading in zip(grid[0], readings, strict=True):
        part = table[table["reading"] == reading]
        drawn = {"x": "layer", "y": "share", "hue": "adapter", "style": "method", "ax": axes}
        sns.lineplot(part, **drawn, markers=True, errorbar="sd", err_style="bars", ms=8)
        axes.get_legend().remove()
        axes.set(xlabel="layer", title=reading, ylim=(-0.03, 1.03))
        _whole_numbers(axes)
    grid[0][0].set_ylabel("related words among the top tokens")
    handles, labels = grid[0][-1].get_legend_handles_labels()
    grid[0][-1].legend(handles, labels, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, path)


def _with_series(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(series=table["source"] + " on " + table["texts"])


def _colours(sources: pd.Series) -> dict[str, Any]:
    import seaborn as sns

    names = list(dict.fromkeys(sources))
    return dict(zip(names, sns.color_palette("tab10", len(names)), strict=True))


def _whole_numbers(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _legend(axes: Any, colours: dict[str, Any], styles: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    lines += [Line2D([], [], color="#333333", ls=style, label=name) for name, style in styles.items()]
    axes.legend(handles=lines, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))


def _plain(text: str) -> str:
    """Text that matplotlib draws as it is, without formulas."""
    return text.replace("$", r"\$")
