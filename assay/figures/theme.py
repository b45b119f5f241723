"""What all figures share: colours, seaborn's theme without a display, the tables they show, and files of the same bytes each time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from assay.errors import AssayError
from assay.storage.csv_tables import read_numbers
from assay.storage.files import atomic_path

RED, BLUE, OCHRE, GREEN, VIOLET, PINK = "#c0392b", "#2b6cb0", "#8a6d1b", "#2f855a", "#6b46c1", "#d53f8c"
COLOURS = (
    RED, BLUE, OCHRE, GREEN, VIOLET, PINK,
    "#dd6b20", "#14a3b8", "#84a612", "#1a1a1a", "#e58fc0", "#63b3ed",
)  # fmt: skip
POSITIVE, NEGATIVE = BLUE, RED
GREY, INK = "#8a8a8a", "#333333"


def theme() -> Any:
    """pyplot, ready to draw to files. A `$` in a name is a dollar, not the beginning of a formula."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="notebook", style="ticks", rc={"text.parse_math": False})
    return plt


def read_table(path: Path, needed: Sequence[str], *, names: Sequence[str] = ()) -> pd.DataFrame:
    """A table that a stage wrote; what stands in the columns `names` is text, also 001 and 12. Raises AssayError when it is
    missing, lacks a column or has no row.
    """
    table = read_numbers(path, needed, texts=names)
    if not len(table):
        raise AssayError(f"{path} lacks rows; run the stage that makes it")
    return table


def in_order(column: pd.Series) -> list[str]:
    """The names of a column, each once, as they come."""
    return [str(name) for name in column.drop_duplicates()]


def colours_of(names: Sequence[str], *, grey: Sequence[str] = ()) -> dict[str, Any]:
    """A colour for each name, the same order giving the same colours; those of `grey` are grey.

    Where there are more names than colours, hues all around the wheel.
    """
    import seaborn as sns

    others = [name for name in names if name not in grey]
    palette = COLOURS if len(others) <= len(COLOURS) else sns.husl_palette(len(others), l=0.55)
    found = dict(zip(others, palette, strict=False))
    return {name: found.get(name, GREY) for name in names}


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG, whole or not at all, and close the figure."""
    _write_powers_plainly(figure)
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.despine(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    plt.close(figure)


def _write_powers_plainly(figure: Any) -> None:
    """Ticks of logarithmic axes as 0.01, 1, 100: matplotlib writes them as formulas, which `theme` switches off."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.set_minor_formatter(NullFormatter())
