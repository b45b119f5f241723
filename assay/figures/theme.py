"""What all figures share: the tables they show, seaborn's theme without a display, and files of the same bytes each time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from assay.errors import AssayError
from assay.storage.csv_tables import read_numbers
from assay.storage.files import atomic_path

COLOURS = ("#c0392b", "#2b6cb0", "#8a6d1b", "#2f855a", "#6b46c1", "#4a4a4a")
GREY, POSITIVE, NEGATIVE = "#8a8a8a", "#2b6cb0", "#c0392b"


def theme() -> Any:
    """pyplot, ready to draw to files."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="notebook", style="ticks")
    return plt


def read_table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """A table that a stage wrote. Raises AssayError when it is missing or lacks a column."""
    table = read_numbers(path, needed)
    if not len(table):
        raise AssayError(f"{path} lacks rows; run the stage that makes it")
    return table


def whiskers(axes: Any, places: Any, part: pd.DataFrame) -> None:
    """Intervals at `places` [n] from the columns value, lower and upper."""
    ends = [part["value"] - part["lower"], part["upper"] - part["value"]]
    axes.errorbar(places, part["value"], yerr=ends, fmt="none", ecolor="#333333", elinewidth=1.2, capsize=3)


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG, whole or not at all, and close the figure."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.despine(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    plt.close(figure)
