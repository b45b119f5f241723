"""Measured utilities against the true ones of a world, and the parts that those are the sum of."""

import numpy as np
import pandas as pd

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling
from assay.statistics.correlations import pearson
from assay.statistics.rank_correlation import spearman
from assay.studies.preferences.utilities.utility_files import UtilityTable


def true_columns(known: pd.DataFrame) -> list[str]:
    """`utility` and the columns `*_part` of a table of tasks; none where it has no column `utility`."""
    parts = [str(name) for name in known if str(name).endswith("_part")]
    return ["utility", *parts] if "utility" in known else []


def beside_truth(split: str, measured: UtilityTable, known: pd.DataFrame) -> pd.DataFrame:
    """Columns split, task_id, topic, measured, true; one row for each measured task, in their order.

    `known` is indexed by task id; what it does not say is empty. Raises AssayError for a task that it lacks.
    """
    own = _of(measured, known)
    return pd.DataFrame(
        {
            "split": split,
            "task_id": measured.ids,
            "topic": own.get("topic", pd.Series("", own.index)).to_numpy(),
            "measured": np.round(measured.mu, 6),
            "true": own.get("utility", pd.Series(np.nan, own.index)).to_numpy(),
        }
    )


def agreement_with_truth(
    measured: UtilityTable, known: pd.DataFrame, resampling: Resampling
) -> dict[str, float | int]:
    """Pearson and Spearman correlation of the measured utilities with each of `true_columns`, as flat metrics."""
    own = _of(measured, known)
    found: dict[str, float | int] = {}
    for column in true_columns(known):
        true = own[column].to_numpy(float)
        found |= pearson(measured.mu, true).metrics(f"{column}_pearson")
        found |= spearman(measured.mu, true, resampling).metrics(f"{column}_spearman")
    return found


def _of(measured: UtilityTable, known: pd.DataFrame) -> pd.DataFrame:
    """What is known about the measured tasks, in their order."""
    if missing := [task for task in measured.ids if task not in known.index]:
        raise AssayError(
            f"task {missing[0]!r} has a utility but is not among the tasks; give the tasks that were measured"
        )
    return known.loc[list(measured.ids)]
