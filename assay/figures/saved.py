"""A picture saved with its table: whoever sees one finds the numbers of the other."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from assay.storage.files import write_text

Draw = Callable[[pd.DataFrame, Path], None]


def save_with_table(table: pd.DataFrame, draw: Draw, figure: Path, csv: Path | None = None) -> None:
    """Write `table` as CSV, beside the PNG `figure` unless named, and draw the same rows."""
    rows = table.to_csv(index=False, lineterminator="\n")
    write_text(figure.with_suffix(".csv") if csv is None else csv, rows)
    draw(table, figure)
