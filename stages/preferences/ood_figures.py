"""Figures of the out-of-distribution part, each as PNG and as the CSV that it shows."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FOLDER

app = typer.Typer(add_completion=False)

NAMES = ("condition_id", "condition", "task_id", "task", "kind")


@app.command()
def ood_figures(
    points: Annotated[Path, typer.Option(help="CSV of ood_stats: one row per layer, condition and task")],
    conditions: Annotated[Path, typer.Option(help="CSV of ood_stats: r within each condition")],
    deltas: Annotated[Path, typer.Option(help="CSV of deltas: condition_id, kind, trained")],
    metrics: Annotated[Path, typer.Option(help="metrics of ood_stats (JSON)")],
    out: Annotated[
        Path,
        typer.Option(help="folder for ood_scatter, ood_kinds and ood_predictors", rich_help_panel=FOLDER),
    ],
) -> None:
    """Draw the shifts of the best layer's probe, r by kind of condition, and what predicts utilities under conditions."""
    import pandas as pd

    from assay.figures.saved import save_with_table
    from assay.storage.csv_tables import read_numbers
    from assay.studies.preferences.shifts import figures

    described = read_numbers(deltas, ("condition_id", "kind", "trained"), texts=NAMES).drop_duplicates(
        "condition_id"
    )
    kinds = pd.DataFrame(
        {
            "condition": described["condition_id"],
            "kind": described["kind"],
            "seen": described["trained"].map({True: "trained", False: "novel"}),
        }
    )
    best = {
        name: table[table["layer"] == "best"]
        for name, table in (
            ("points", read_numbers(points, figures.POINTS, texts=NAMES)),
            ("conditions", read_numbers(conditions, figures.CONDITIONS, texts=NAMES)),
        )
    }
    drawings = {
        "ood_scatter": (figures.scatter_table(best["points"], kinds), figures.draw_scatter),
        "ood_kinds": (figures.kinds_table(best["conditions"], kinds), figures.draw_kinds),
        "ood_predictors": (figures.predictors_table(_numbers(metrics)), figures.draw_predictors),
    }
    for name, (table, draw) in drawings.items():
        save_with_table(table, draw, out / f"{name}.png")


def _numbers(path: Path) -> dict[str, float]:
    """The metrics that the figure of predictors shows. Raises AssayError for a file without one of them."""
    from assay.errors import AssayError
    from assay.storage.json_text import read_document
    from assay.studies.preferences.shifts.figures import PREDICTORS

    values = read_document(path)
    wanted = [f"{name}{end}" for name in PREDICTORS for end in ("", "_lo", "_hi")]
    for name in wanted:
        if not isinstance(values, dict) or not isinstance(values.get(name), int | float):
            raise AssayError(
                f"{path} has no number {name}; give the metrics that the stage of the shifts wrote"
            )
    return {name: values[name] for name in wanted}


if __name__ == "__main__":
    run(app)
