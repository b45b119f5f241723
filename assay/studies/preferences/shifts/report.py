"""What the shifts under conditions amount to, as flat metrics and as the rows of tables."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from assay.errors import AssayError
from assay.statistics.bootstrap import Resampling, bootstrap_crossed
from assay.statistics.estimates import Estimate
from assay.statistics.jackknife import mean
from assay.storage.csv_tables import read_numbers
from assay.studies.preferences.shifts.deltas import LayerDeltas
from assay.studies.preferences.shifts.statistics import (
    Points,
    agreement,
    compare_predictors,
    truth_correlations,
)


def size_of_shift(points: Points, resampling: Resampling) -> Estimate:
    """Mean |behavioural delta|: how much the conditions move choices at all."""
    size = np.abs(points.behaviour)
    return bootstrap_crossed(
        lambda w: (w @ size) / w.sum(axis=1),
        rows=points.task,
        columns=points.condition,
        resampling=resampling,
        n_dropped=points.n_dropped,
    )


def layer_metrics(
    layer: LayerDeltas, within: dict[str, Estimate], resampling: Resampling
) -> dict[str, float | int]:
    """All points, conditions one by one, and the points that a condition aims at where the truth is known.

    `within` has the correlation within each condition (`by_condition`).
    """
    points = layer.points
    found = agreement(points, resampling=resampling)
    metrics: dict[str, float | int] = {
        **found.pearson.metrics("pearson"),
        **found.spearman.metrics("spearman"),
        **found.sign.metrics("sign"),
        "permutation_p": found.permutation_p,
        "unmatched": layer.n_unmatched,
        "conditions_correlated": len(within),
    }
    if len(within) > 1:
        between = mean([r.value for r in within.values()])
        metrics |= between.metrics("condition_pearson")
    if points.truth is not None:
        by_behaviour, by_probe = truth_correlations(points, resampling=resampling)
        metrics |= by_behaviour.metrics("truth_behaviour_pearson")
        metrics |= by_probe.metrics("truth_probe_pearson")
        metrics |= target_metrics(points.subset(np.asarray(points.truth != 0)), resampling)
    return metrics


def target_metrics(aimed: Points, resampling: Resampling) -> dict[str, float | int]:
    """The points that a condition aims at alone, as ogilg/Preferences reports them ("on-target"): probe and behaviour, and where
    conditions aim both ways each with the truth, +1 or −1.
    """
    target = agreement(aimed, resampling=resampling)
    metrics: dict[str, float | int] = {
        **target.pearson.metrics("target_pearson"),
        **target.sign.metrics("target_sign"),
        "target_permutation_p": target.permutation_p,
    }
    if aimed.truth is not None and np.ptp(aimed.truth) > 0:
        with suppress(
            AssayError
        ):  # of few conditions that each aim one way, some resample aims one way, and has no r
            by_behaviour, by_probe = truth_correlations(aimed, resampling=resampling)
            metrics |= by_behaviour.metrics("target_truth_behaviour_pearson")
            metrics |= by_probe.metrics("target_truth_probe_pearson")
    return metrics


def utility_metrics(path: Path) -> dict[str, float | int]:
    """Probe scores and default utilities as predictors of the utilities under conditions, from a CSV of these.

    Raises AssayError naming file, line and field for a missing column or a value that is no finite number.
    """
    names = ("condition_id", "task_id", "mu", "score", "default_mu")
    table = read_numbers(path, names, texts=names[:2])
    columns = []
    for name in names[2:]:
        column = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
        if not np.isfinite(column).all():
            line = int(np.flatnonzero(~np.isfinite(column))[0]) + 2
            raise AssayError(f"{path}, line {line}: field '{name}': expected a finite number")
        columns.append(column)
    found = compare_predictors(table["condition_id"].to_numpy(str), *columns)
    return {
        **found.predictor.metrics("utility_probe_pearson"),
        **found.rival.metrics("utility_default_pearson"),
        **found.difference.metrics("utility_probe_minus_default"),
        "utility_conditions_skipped": found.n_skipped,
    }


def point_table(points: Points) -> pd.DataFrame:
    """Columns condition, task, behaviour and, where known, probe and truth; one row per point."""
    table = pd.DataFrame(
        {"condition": points.condition, "task": points.task, "behaviour": points.behaviour.round(6)}
    )
    if points.probe is not None:
        table["probe"] = points.probe.round(6)
    if points.truth is not None:
        table["truth"] = points.truth.astype(int)
    return table


def condition_row(layer: str, name: str, r: Estimate) -> dict[str, object]:
    """A row of the table of conditions: layer, condition, r with its interval and n."""
    return {"layer": layer, "condition": name, **r.metrics("r")}
