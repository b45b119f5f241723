"""Statistics out of distribution: do probe deltas follow behavioural deltas?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from assay.statistics.bootstrap import Resampling
    from assay.statistics.estimates import Estimate
    from assay.studies.preferences.shifts.condition_counts import ConditionChoices
    from assay.studies.preferences.shifts.deltas import LayerDeltas
    from assay.studies.preferences.shifts.statistics import Points

app = typer.Typer(add_completion=False)


@app.command()
def ood_stats(
    pairwise: Annotated[
        Path,
        typer.Option(
            help="counts by condition and pair: .json, .jsonl or .parquet; or published task_rates (.json)"
        ),
    ],
    out: Annotated[Path, typer.Option(help="JSON of metrics", rich_help_panel=FILE)],
    deltas: Annotated[
        Path | None,
        typer.Option(
            help="probe deltas: CSV condition_id, task_id, probe_delta [, layer, truth], or published JSON"
        ),
    ] = None,
    baseline: Annotated[str, typer.Option(help="the condition that deltas are taken against")] = "baseline",
    utilities: Annotated[
        Path | None,
        typer.Option(
            help="CSV condition_id, task_id, mu, score, default_mu: predictors of condition utilities"
        ),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="CSV: one row per layer, condition and task", rich_help_panel=FILE)
    ] = None,
    conditions: Annotated[
        Path | None, typer.Option(help="CSV: r within each condition", rich_help_panel=FILE)
    ] = None,
    resamples: Annotated[int, typer.Option(help="bootstrap resamples of tasks and conditions")] = 2000,
    seed: Annotated[int, typer.Option(help="of the bootstrap and the permutations")] = 0,
) -> None:
    """Write correlations, sign agreement and their intervals; with several layers, their names prefix the metrics."""
    import pandas as pd

    from assay.statistics.bootstrap import Resampling
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.studies.preferences.shifts.condition_counts import ConditionChoices, read_behaviour
    from assay.studies.preferences.shifts.deltas import join_deltas
    from assay.studies.preferences.shifts.statistics import behavioural_deltas

    resampling = Resampling(seed, resamples)
    counts = read_behaviour(pairwise)
    behaviour = behavioural_deltas(counts, baseline)
    metrics: dict[str, float | int] = {
        "conditions": len(counts.conditions) - 1,
        "tasks": len(counts.tasks),
        **(count_metrics(counts) if isinstance(counts, ConditionChoices) else {}),
        **size_of_shift(behaviour, resampling).metrics("behaviour_shift"),
    }
    layers = join_deltas(deltas, behaviour) if deltas is not None else []
    numbers, rows = study_layers(layers, resampling)
    metrics |= numbers
    if utilities is not None:
        metrics |= utility_metrics(utilities)
    if points is not None:
        tables = [point_table(layer.points).assign(layer=layer.layer) for layer in layers]
        table = pd.concat(tables) if tables else point_table(behaviour)
        write_csv(points, table)
    if conditions is not None:
        columns = ["layer", "condition", "r", "r_lo", "r_hi", "r_n"]
        write_csv(conditions, pd.DataFrame(rows, columns=columns))
    write_json(out, metrics)


def count_metrics(counts: "ConditionChoices") -> dict[str, int]:
    """How much was asked, where the file says it."""
    return {
        "choices": counts.choices.n_choices,
        "refusals": int(counts.choices.refusals.sum()),
        "failed": counts.n_failed,
    }


def study_layers(
    layers: "Sequence[LayerDeltas]", resampling: "Resampling"
) -> tuple[dict[str, float | int], list[dict[str, object]]]:
    """The metrics of every layer, by its name where there are several, and the rows of the table of conditions."""
    from assay.studies.preferences.shifts.statistics import by_condition
    from stages.shared.step_progress import stepping

    metrics: dict[str, float | int] = {}
    rows = []
    with stepping("layers", len(layers)) as tell:
        for done, layer in enumerate(layers, 1):
            within = by_condition(layer.points, resampling=resampling)
            prefix = f"{layer.layer}_" if len(layers) > 1 else ""
            found = layer_metrics(layer, within, resampling)
            metrics |= {prefix + name: value for name, value in found.items()}
            rows += [condition_row(layer.layer, name, r) for name, r in within.items()]
            tell(done, f"r {found['pearson']:.3f}")
            typer.echo(
                f"{layer.layer or 'probe'}: r {found['pearson']:.5f} [{found['pearson_lo']:.3f}, {found['pearson_hi']:.3f}], "
                f"ρ {found['spearman']:.5f}, signs {found['sign']:.5f} of {found['sign_n']}"
            )
    return metrics, rows


def size_of_shift(points: "Points", resampling: "Resampling") -> "Estimate":
    """Mean |behavioural delta|: how much the conditions move choices at all."""
    import numpy as np

    from assay.statistics.bootstrap import bootstrap_crossed

    size = np.abs(points.behaviour)
    return bootstrap_crossed(
        lambda w: (w @ size) / w.sum(axis=1),
        rows=points.task,
        columns=points.condition,
        resampling=resampling,
        n_dropped=points.n_dropped,
    )


def layer_metrics(
    layer: "LayerDeltas", within: dict[str, "Estimate"], resampling: "Resampling"
) -> dict[str, float | int]:
    """All points, conditions one by one, and the points that a condition aims at where the truth is known."""
    import numpy as np

    from assay.statistics.jackknife import mean
    from assay.studies.preferences.shifts.statistics import agreement, truth_correlations

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
        target = agreement(points.subset(np.asarray(points.truth != 0)), resampling=resampling)
        metrics |= target.pearson.metrics("target_pearson")
        metrics |= target.sign.metrics("target_sign")
        metrics["target_permutation_p"] = target.permutation_p
    return metrics


def utility_metrics(path: Path) -> dict[str, float | int]:
    """Probe scores and default utilities as predictors of the utilities under conditions."""
    import numpy as np
    import pandas as pd

    from assay.errors import AssayError
    from assay.storage.csv_tables import read_numbers
    from assay.studies.preferences.shifts.statistics import compare_predictors

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


def point_table(points: "Points") -> "pd.DataFrame":
    """One row per point; only what is known."""
    import pandas as pd

    table = pd.DataFrame(
        {"condition": points.condition, "task": points.task, "behaviour": points.behaviour.round(6)}
    )
    if points.probe is not None:
        table["probe"] = points.probe.round(6)
    if points.truth is not None:
        table["truth"] = points.truth.astype(int)
    return table


def condition_row(layer: str, name: str, r: "Estimate") -> dict[str, object]:
    """A row of the table of conditions."""
    return {"layer": layer, "condition": name, **r.metrics("r")}


if __name__ == "__main__":
    run(app)
