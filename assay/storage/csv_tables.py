"""CSV files: those that people write, every value a text, and ours."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from assay.errors import AssayError
from assay.storage.files import write_text


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of a CSV, all values as they are written.

    Raises AssayError naming the file, and the column of `columns` that is missing.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise AssayError(f"cannot read {path}: {error}") from error
    if missing := [name for name in columns if name not in table]:
        raise AssayError(
            f"{path}: column {', '.join(missing)} is missing; it has {', '.join(map(str, table))}"
        )
    return table


def read_filled_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The same less white space around values, refusing a file without rows and a row with one of `columns` empty."""
    table = read_table(path, columns).map(str.strip)
    if table.empty:
        raise AssayError(f"{path} holds no row below its header")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for an index
        raise AssayError(f"{path}: rows have more values than the header has names; quote values with commas")
    for name in columns:
        if (empty := table[name] == "").any():
            raise AssayError(f"{path}, row {int(empty.argmax()) + 1}: column {name} is empty")
    return table


def write_csv(target: Path, table: pd.DataFrame) -> None:
    """Write the columns of `table`, not its index, whole or not at all. Lines end in a line feed."""
    write_text(target, table.to_csv(index=False, lineterminator="\n"))
