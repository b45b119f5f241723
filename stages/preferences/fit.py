"""Fit Thurstonian utilities to measured choices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from assay.studies.preferences.utilities.comparisons import Comparisons
    from assay.studies.preferences.utilities.thurstone import Utilities

app = typer.Typer(add_completion=False)

ERROR_TASKS = 3000  # beyond, standard errors take longer than the fit: they must be asked for


@app.command()
def fit(
    measurements: Annotated[
        Path, typer.Option(help="choices: .yaml, .csv, .jsonl or .parquet with task_a, task_b, choice")
    ],
    out: Annotated[
        Path, typer.Option(help="CSV of utilities: task_id, mu, sigma, mu_se", rich_help_panel=FILE)
    ],
    tasks: Annotated[
        Path | None,
        typer.Option(
            help="CSV whose task_id column orders the tasks; else a thurstonian*.csv beside the choices"
        ),
    ] = None,
    tolerance: Annotated[
        Literal["converged", "reference"], typer.Option(help="reference: stop where published fits stop")
    ] = "converged",
    refusals: Annotated[
        Literal["drop", "as-b"], typer.Option(help="as-b: a refusal is a win of the second task")
    ] = "drop",
    smoothing: Annotated[
        float, typer.Option(help="choices added in each direction of every pair; 0: none, as published fits")
    ] = 0.0,
    errors: Annotated[
        bool | None, typer.Option(help="also compute standard errors; by default up to 3,000 tasks")
    ] = None,
    resamples: Annotated[int, typer.Option(help="bootstrap resamples of pairs")] = 2000,
    seed: Annotated[int, typer.Option(help="of the bootstrap")] = 0,
    metrics: Annotated[
        Path | None,
        typer.Option(help="JSON: the fit and how well it describes the choices", rich_help_panel=FILE),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="CSV: expected and observed choices by bin", rich_help_panel=FILE)
    ] = None,
) -> None:
    """Write utilities, and on request the goodness of fit."""
    from assay.statistics.bootstrap import Resampling
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.studies.preferences.utilities.fit_report import calibration_table, fit_metrics
    from assay.studies.preferences.utilities.goodness import goodness_of_fit
    from assay.studies.preferences.utilities.measurements import read_comparisons
    from assay.studies.preferences.utilities.thurstone import fit_thurstone
    from assay.studies.preferences.utilities.utility_files import write_utilities
    from stages.preferences.task_order import in_task_order
    from stages.shared.step_progress import stepping

    with stepping("fit", 3) as tell:
        comparisons = in_task_order(read_comparisons(measurements), measurements, tasks)
        tell(1, f"{comparisons.answers.sum():,} choices of {len(comparisons.ids):,} tasks read")
        utilities = fit_thurstone(
            comparisons,
            refusals=refusals,
            tolerance=tolerance,
            smoothing=smoothing,
            errors=len(comparisons.ids) <= ERROR_TASKS if errors is None else errors,
        )
        tell(2, f"objective {utilities.objective:.6f} after {utilities.iterations} iterations")
        goodness = goodness_of_fit(
            comparisons, utilities, refusals=refusals, resampling=Resampling(seed, resamples)
        )
        tell(3, f"accuracy {goodness.accuracy}")
    write_utilities(out, utilities)
    if calibration is not None:
        write_csv(calibration, calibration_table(goodness.calibration))
    if metrics is not None:
        write_json(metrics, fit_metrics(comparisons, utilities, goodness))
    report(comparisons, utilities)


def report(comparisons: "Comparisons", utilities: "Utilities") -> None:
    """Say how large the fit was and how it ended."""
    typer.echo(
        f"{len(utilities.ids)} tasks, {comparisons.answers.sum()} choices ({comparisons.refusals.sum()} refusals): objective "
        f"{utilities.objective!r} after {utilities.iterations} iterations"
    )
    if not utilities.converged:
        typer.echo("warning: the fit did not converge", err=True)


if __name__ == "__main__":
    run(app)
