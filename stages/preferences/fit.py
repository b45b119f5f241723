"""Fit Thurstonian utilities to measured choices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assay.statistics.choices import Refusals
    from assay.studies.preferences.utilities.comparisons import Comparisons
    from assay.studies.preferences.utilities.goodness import Goodness
    from assay.studies.preferences.utilities.thurstone import Utilities

app = typer.Typer(add_completion=False)

NAMED = 5  # tasks that a warning names
USELESS_ERROR = 1.0  # in units of a task's own spread from choice to choice
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
        float,
        typer.Option(
            help="choices added in each direction of every pair; 0: none, as published fits",
            callback=counts.choices,
        ),
    ] = 0.0,
    errors: Annotated[
        bool | None, typer.Option(help="also compute standard errors; by default up to 3,000 tasks")
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="bootstrap resamples of pairs", min=1, callback=counts.resamples)
    ] = 2000,
    seed: Annotated[int, typer.Option(help="of the bootstrap", min=0, max=MOST_SEED)] = 0,
    metrics: Annotated[
        Path | None,
        typer.Option(help="JSON: the fit and how well it describes the choices", rich_help_panel=FILE),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="CSV: expected and observed choices by bin", rich_help_panel=FILE)
    ] = None,
) -> None:
    """Write utilities, and on request the goodness of fit.

    Only tasks that a choice was about have one. Standard errors are of the curvature at the fit: without smoothing, where a few
    choices are all there is, they say nothing; give --smoothing 0.5.
    """
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
        ordered = in_task_order(read_comparisons(measurements), measurements, tasks)
        comparisons = ordered.compared(refusals)
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
    unmeasured = [task for task in ordered.ids if task not in set(comparisons.ids)]
    for warning in warnings(comparisons, utilities, goodness, unmeasured, refusals, smoothing):
        typer.echo(f"warning: {warning}", err=True)


def report(comparisons: "Comparisons", utilities: "Utilities") -> None:
    """Say how large the fit was."""
    typer.echo(
        f"{len(utilities.ids)} tasks, {comparisons.answers.sum()} choices ({comparisons.refusals.sum()} refusals): objective "
        f"{utilities.objective!r} after {utilities.iterations} iterations"
    )


def warnings(
    comparisons: "Comparisons",
    utilities: "Utilities",
    goodness: "Goodness",
    unmeasured: "Sequence[str]",
    refusals: "Refusals",
    smoothing: float,
) -> "Iterator[str]":
    """What the fit's reader must know, by name."""
    import numpy as np

    if not utilities.converged:
        yield "the fit did not converge"
    if unmeasured:
        yield f"no choice was about {named(unmeasured)}; left out of the utilities"
    groups = comparisons.groups(refusals)
    if len(groups) > 1:
        others = "; ".join(named(group) for group in groups[1:4])
        yield (
            f"the choices fall into {len(groups)} groups of tasks that were never compared with each other, and utilities of "
            f"different groups cannot be compared: beside the largest, {others}"
            + ("; …" if groups[4:] else "")
        )
    if bound := [task for task, at in zip(utilities.ids, utilities.bounded, strict=True) if at]:
        yield f"the utility of {named(bound)} lies at its bound: it is at least as extreme; --smoothing 0.5 makes it finite"
    if smoothing == 0 and (extreme := comparisons.one_sided(refusals)):
        yield f"every choice was for, or against, {named(extreme)}: only smoothing (--smoothing 0.5) says how far from the others"
    if goodness.agreement is None:
        yield "fewer than two pairs were answered twice: the metrics have no agreement"
    known = utilities.mu_se[np.isfinite(utilities.mu_se)]
    error = float(np.median(known)) if len(known) else 0.0
    sparse = goodness.agreement is None or (error > USELESS_ERROR and len(groups) == 1)
    if smoothing == 0 and len(known) and sparse:
        yield (
            f"without smoothing the standard errors of so few choices (median {error:.3g}) say nothing; --smoothing 0.5 gives "
            "usable ones"
        )


def named(tasks: "Sequence[str]") -> str:
    """How many tasks, and the first of them by name."""
    listed = ", ".join(task[:60] for task in tasks[:NAMED])
    return f"{len(tasks)} task{'s' if len(tasks) > 1 else ''} ({listed}{', …' if tasks[NAMED:] else ''})"


if __name__ == "__main__":
    run(app)
