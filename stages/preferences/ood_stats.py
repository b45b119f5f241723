"""Statistics out of distribution: do probe deltas follow behavioural deltas?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.statistics.bootstrap import Resampling
    from assay.studies.preferences.shifts.condition_counts import ConditionChoices
    from assay.studies.preferences.shifts.deltas import LayerDeltas

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
    truth: Annotated[
        Path | None,
        typer.Option(
            help="CSV condition_id, task_id, truth (1, -1): what conditions aim at, where --deltas do not say it"
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
    resamples: Annotated[
        int,
        typer.Option(help="bootstrap resamples of tasks and conditions", min=1, callback=counts.resamples),
    ] = 2000,
    seed: Annotated[
        int, typer.Option(help="of the bootstrap and the permutations", min=0, max=MOST_SEED)
    ] = 0,
) -> None:
    """Write correlations, sign agreement and their intervals; with several layers, their names prefix the metrics."""
    import pandas as pd

    from assay.statistics.bootstrap import Resampling
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.studies.preferences.shifts.condition_counts import ConditionChoices, read_behaviour
    from assay.studies.preferences.shifts.deltas import join_deltas, with_truth
    from assay.studies.preferences.shifts.report import point_table, size_of_shift, utility_metrics
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
    if truth is not None:
        layers, metrics["truth_unmatched"] = with_truth(layers, truth)
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
    from assay.studies.preferences.shifts.report import condition_row, layer_metrics
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


if __name__ == "__main__":
    run(app)
