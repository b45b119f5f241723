"""Measured utilities against the world's true ones, and what they are made of."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def truth(
    tasks: Annotated[
        Path, typer.Option(help="CSV of tasks; with the column `utility` where the truth is known")
    ],
    train_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu")],
    eval_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu")],
    resamples: Annotated[
        int, typer.Option(help="bootstrap resamples of tasks", min=1, callback=counts.resamples)
    ],
    seed: Annotated[int, typer.Option(help="of the bootstrap", min=0, max=MOST_SEED)],
    table: Annotated[
        Path, typer.Option(help="CSV: split, task_id, topic, measured, true", rich_help_panel=FILE)
    ],
    figure: Annotated[Path, typer.Option(help="PNG of the same", rich_help_panel=FILE)],
    metrics: Annotated[Path, typer.Option(help="correlations (JSON)", rich_help_panel=FILE)],
) -> None:
    """Correlate measured and true utilities, and the parts of the truth (columns *_part) with what was measured."""
    import pandas as pd

    from assay.figures.saved import save_with_table
    from assay.statistics.bootstrap import Resampling
    from assay.storage.csv_tables import read_numbers
    from assay.storage.files import write_json
    from assay.studies.preferences.probing.truth_figure import draw_truth
    from assay.studies.preferences.utilities.truth import agreement_with_truth, beside_truth, true_columns
    from assay.studies.preferences.utilities.utility_files import read_utilities

    known = read_numbers(tasks, ("id",), texts=("id", "text", "topic")).set_index("id")
    measured = {"train": read_utilities(train_utilities), "eval": read_utilities(eval_utilities)}
    found: dict[str, float | int] = {"tasks_with_truth": len(known) if true_columns(known) else 0}
    for split, utilities in measured.items():
        agreement = agreement_with_truth(utilities, known, Resampling(seed, resamples))
        found |= {f"{split}_{name}": value for name, value in agreement.items()}
    points = pd.concat([beside_truth(split, utilities, known) for split, utilities in measured.items()])
    save_with_table(points, draw_truth, figure, csv=table)
    write_json(metrics, found)
    if true_columns(known):
        typer.echo(
            f"r with the truth: train {found['train_utility_pearson']:.3f}, eval {found['eval_utility_pearson']:.3f}"
        )


if __name__ == "__main__":
    run(app)
