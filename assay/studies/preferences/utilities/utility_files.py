"""The file of utilities: CSV with `task_id`, `mu`, `sigma` and, where known, `mu_se`."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.arrays import Floats
from assay.errors import AssayError
from assay.storage.csv_tables import iter_rows
from assay.storage.files import write_text
from assay.studies.preferences.utilities.thurstone import Utilities

REQUIRED = ("task_id", "mu", "sigma")


@dataclass(frozen=True, eq=False)
class UtilityTable:
    """Utilities as read: ids [n], and float64 [n] mu, sigma (> 0) and mu_se (NaN where the file gives none)."""

    ids: tuple[str, ...]
    mu: Floats
    sigma: Floats
    mu_se: Floats


def write_utilities(path: Path, utilities: Utilities) -> None:
    """Write utilities at full precision, in the order of the fit; an unknown standard error is an empty field."""
    lines = ["task_id,mu,sigma,mu_se"]
    for row in zip(utilities.ids, utilities.mu, utilities.sigma, utilities.mu_se, strict=True):
        task, mu, sigma, error = row
        lines.append(
            f"{_field(task)},{float(mu)!r},{float(sigma)!r},{'' if math.isnan(error) else repr(float(error))}"
        )
    write_text(path, "\n".join(lines) + "\n")


def read_utilities(path: Path) -> UtilityTable:
    """Read utilities, also published ones without `mu_se`; further columns are passed over.

    Raises AssayError naming file, line and field for a missing column, a value that is no finite number, a σ ≤ 0 or an id that
    occurs twice.
    """
    rows: dict[str, tuple[float, float, float]] = {}
    for line, row in iter_rows(path, REQUIRED):
        where = f"{path}, line {line}"
        task = row["task_id"]
        if not task or task in rows:
            raise AssayError(f"{where}: field 'task_id': {task!r} is empty or occurs twice")
        rows[task] = (
            _number(where, "mu", row["mu"]),
            _number(where, "sigma", row["sigma"]),
            _number(where, "mu_se", row["mu_se"]) if row.get("mu_se") else math.nan,
        )
        if rows[task][1] <= 0:
            raise AssayError(f"{where}: field 'sigma': expected a number > 0, found {row['sigma']}")
    if not rows:
        raise AssayError(f"{path} holds no utility")
    table = np.array(list(rows.values()))
    return UtilityTable(tuple(rows), table[:, 0], table[:, 1], table[:, 2])


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AssayError(f"{where}: field '{name}': expected a finite number, found {text!r}")
    return value


def _field(text: str) -> str:
    """A CSV field, quoted where it must be."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text
