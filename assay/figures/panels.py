"""Panels side by side and below one another, and legends that cover none of them."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from assay.figures.theme import INK, theme

Share = bool | Literal["row", "col"]


def panels(
    rows: int, columns: int, size: tuple[float, float], *, sharex: Share = False, sharey: Share = False
) -> tuple[Any, np.ndarray]:
    """A figure of `size` inches (width, height) and its axes [rows, columns]."""
    figure, grid = theme().subplots(
        rows, columns, figsize=size, sharex=sharex, sharey=sharey, squeeze=False, layout="constrained"
    )
    return figure, grid


def legend_beside(axes: Any, handles: Iterable[Any] | None = None, *, title: str | None = None) -> None:
    """The legend of `axes` (or of `handles`) to the right of them."""
    given = {} if handles is None else {"handles": list(handles)}
    axes.legend(**given, title=title, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))


def legend_outside(figure: Any, handles: Iterable[Any], *, title: str | None = None) -> None:
    """One legend for all panels, to their right."""
    figure.legend(handles=list(handles), title=title, frameon=False, loc="outside right center")


def legend_below(axes: Any) -> None:
    """The legend of `axes` under their name."""
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=9)


def line_handles(colours: Mapping[str, Any], styles: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Handles of a legend: a plain line for each colour, and a dark one in each style (keywords of matplotlib's lines)."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    return lines + [Line2D([], [], **{"color": INK, **style}, label=name) for name, style in styles.items()]


def patch_handles(colours: Mapping[str, Any]) -> list[Any]:
    """Handles of a legend: a filled box for each colour."""
    from matplotlib.patches import Patch

    return [Patch(color=colour, label=name) for name, colour in colours.items()]


def whole_numbers(axes: Any) -> None:
    """Ticks of the horizontal axis at whole numbers only, as layers and steps are."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
