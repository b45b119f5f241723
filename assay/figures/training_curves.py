"""Curves of a training: loss by kind of text and held-out accuracy by form, against tokens seen."""

from pathlib import Path
from typing import Any

import pandas as pd

from assay.figures.panels import legend_outside, line_handles, panels
from assay.figures.theme import GREY, INK, colours_of, save_figure

_VALUES = {"loss": "loss (nats per token)", "accuracy": "accuracy, held out"}
_COLUMNS = 5


def draw_training_curves(loss: pd.DataFrame, accuracy: pd.DataFrame, path: Path) -> None:
    """Loss above accuracy for each section, a colour for each form; dotted lines end the phases.

    `loss` has the columns tokens, phase, kind, loss and `accuracy` tokens, phase, form, accuracy; a kind or form is
    SECTION-FORM ("facts-choice"), or prose, which is a section of its own.
    """
    tables = {"loss": _parted(loss, "kind"), "accuracy": _parted(accuracy, "form")}
    joined = pd.concat(tables.values(), ignore_index=True)
    sections = sorted(joined["section"].unique())
    forms = sorted(set(joined["asked as"]) - {""})
    colours = colours_of(["", *forms], grey=[""])
    ends = loss.groupby("phase")["tokens"].max().sort_values() / 1e6
    blocks, columns = -(-len(sections) // _COLUMNS), min(len(sections), _COLUMNS)
    figure, grid = panels(2 * blocks, columns, (2 + 2.7 * columns, 5.6 * blocks), sharex=True)
    for axes in grid.ravel():
        axes.set_visible(False)
    limits = (loss["loss"].min() / 2, loss["loss"].max() * 2)
    for number, section in enumerate(sections):
        block, column = divmod(number, columns)
        pair = grid[2 * block : 2 * block + 2, column]
        for axes, (value, table) in zip(pair, tables.items(), strict=True):
            axes.set_visible(True)
            _draw_lines(axes, table[table["section"] == section], value, colours)
            for end in ends.iloc[:-1]:
                axes.axvline(end, color=GREY, ls=":", lw=1)
            if column == 0:
                axes.set_ylabel(_VALUES[value])
        pair[0].set_title(section, pad=42, weight="bold")
        pair[0].set(yscale="log", ylim=limits)
        pair[1].set_ylim(-0.04, 1.04)
        pair[1].tick_params(labelbottom=True)
        _name_phases(pair[0], ends)
    figure.supxlabel("million tokens seen (dotted: ends of phases)")
    handles = line_handles({form: colours[form] for form in forms}, {})
    legend_outside(figure, handles, title="asked as")
    save_figure(figure, path)


def _draw_lines(axes: Any, own: pd.DataFrame, value: str, colours: dict[str, Any]) -> None:
    """A line for each form and phase: phases are not joined, because what is trained on changes."""
    if own.empty:
        axes.text(0.5, 0.5, "not asked", color=GREY, ha="center", va="center", transform=axes.transAxes)
    for (form, _), line in own.groupby(["asked as", "phase"], sort=False):
        marker = "o" if value == "accuracy" else ""
        axes.plot(line["tokens"] / 1e6, line[value], color=colours[str(form)], lw=1.5, marker=marker, ms=4)


def _name_phases(axes: Any, ends: pd.Series) -> None:
    """Each phase's name above its end."""
    for phase, end in ends.items():
        where = axes.get_xaxis_transform()
        axes.text(end, 1.02, phase, rotation=90, size=9, color=INK, ha="center", va="bottom", transform=where)


def _parted(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The table with the columns section and `asked as`."""
    parts = table[kind].astype(str).str.partition("-")
    return table.assign(section=parts[0], **{"asked as": parts[2]})
