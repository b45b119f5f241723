"""The picture of a dose–response: score, repeats and log-probability over coefficients, layer by layer."""

from pathlib import Path

import pandas as pd

from assay.figures.lines import draw_line
from assay.figures.theme import BLUE, GREY, save_figure, theme

_LABELS = {
    "score": "score (change)",
    "repeats": "repeated 3-token\nsequences (change)",
    "log_probability": "log-probability, nats\na token (change)",
}


def draw_dose_response(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw the changes in the table of `assay.evaluation.dose_tables.dose_table` as a PNG.

    One column a layer, one row a statistic; the band of the direction is its interval over items, the grey one holds one
    more random direction.
    """
    changes = table[table.measure == "change"]
    layers = list(dict.fromkeys(changes.layer))
    statistics = [name for name in _LABELS if name in set(changes.statistic)]
    plt = theme()
    size = (1.5 + 3.2 * len(layers), 1.0 + 2.1 * len(statistics))
    figure, grid = plt.subplots(
        len(statistics),
        len(layers),
        figsize=size,
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for row, statistic in enumerate(statistics):
        for column, layer in enumerate(layers):
            axes = grid[row][column]
            part = changes[(changes.layer == layer) & (changes.statistic == statistic)]
            for kind, colour, label in (
                ("random", GREY, "random, equal norm"),
                ("direction", BLUE, "direction"),
            ):
                line = _with_zero(part[part.kind == kind])
                if len(line) > 1:
                    draw_line(
                        axes,
                        line.coefficient,
                        line.value,
                        (line.lower, line.upper),
                        colour=colour,
                        label=label,
                    )
            axes.axhline(0, color=GREY, lw=0.8)
            axes.set_ylabel(_LABELS[statistic] if column == 0 else "")
            axes.set_title(f"layer {layer}" if row == 0 else "")
            axes.set_xlabel("coefficient" if row == len(statistics) - 1 else "")
    grid[0][0].legend(fontsize=8)
    figure.suptitle(title)
    save_figure(figure, path)


def _with_zero(line: pd.DataFrame) -> pd.DataFrame:
    """The line through nothing changed at coefficient 0."""
    zero = pd.DataFrame([{"coefficient": 0.0, "value": 0.0, "lower": 0.0, "upper": 0.0}])
    columns = list(zero.columns)
    return pd.concat([line[columns], zero]).sort_values("coefficient") if len(line) else line
