"""The table of layers that the probe stage writes and the report and the page read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from assay.errors import AssayError
from assay.storage.csv_tables import read_numbers

_NEEDED = ("layer", "balanced_accuracy", "shuffled", "ngram", "ngram_marks")


def read_layers(path: Path) -> pd.DataFrame:
    """One row per layer. Raises AssayError when the file is missing or is no such table."""
    table = read_numbers(path, _NEEDED)
    if not len(table):
        raise AssayError(f"{path} is not a table of layers (lacks rows); run the probe stage")
    return table


def row_of(table: pd.DataFrame, layer: int) -> dict[str, Any]:
    """The numbers of one layer as plain Python values. Raises AssayError when it was not probed."""
    rows = table[table["layer"] == layer]
    if len(rows) != 1:
        probed = ", ".join(str(number) for number in table["layer"])
        raise AssayError(f"layer {layer} was not probed; probed layers are {probed}")
    return {str(name): rows[name].iloc[0].item() for name in rows}


def accuracy_sentences(table: pd.DataFrame, layers: Sequence[int]) -> list[str]:
    """What the page says about each layer."""
    sentences = []
    for layer in layers:
        row = row_of(table, layer)
        sentences.append(
            f"Layer {layer}: balanced accuracy {row['balanced_accuracy']:.3f} "
            f"[{row['balanced_accuracy_lo']:.3f}, {row['balanced_accuracy_hi']:.3f}] on {row['balanced_accuracy_n']:,} positions "
            f"of held-out documents; the last words read, without the model, reach {row['ngram']:.3f} "
            f"({row['ngram_marks']:.3f} with punctuation)."
        )
    return sentences
