"""Measured utilities against the world's true ones, and what they are made of."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assay.statistics.bootstrap import Resampling
    from assay.statistics.estimates import Estimate
    from assay.studies.preferences.utilities.utility_files import UtilityTable

app = typer.Typer(add_completion=False)


@app.command()
def truth(
    tasks: Annotated[
        Path, typer.Option(help="CSV of tasks; with the column `utility` where the truth is known")
    ],
    train_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu")],
    eval_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu")],
    resamples: Annotated[int, typer.Option(help="bootstrap resamples of tasks")],
    seed: Annotated[int, typer.Option(help="of the bootstrap")],
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

    known = read_numbers(tasks, ("id",), texts=("id", "text", "topic")).set_index("id")
    parts = [name for name in known if str(name).endswith("_part")]
    truths = ["utility", *parts] if "utility" in known else []
    found: dict[str, float | int] = {"tasks_with_truth": len(known) if truths else 0}
    rows = []
    for split, path in (("train", train_utilities), ("eval", eval_utilities)):
        measured, own = _measured(path, known, tasks)
        rows.append(_rows(split, measured, own))
        for column in truths:
            agreement = _agreement(measured.mu, own[column].to_numpy(float), Resampling(seed, resamples))
            for name, estimate in agreement.items():
                found |= estimate.metrics(f"{split}_{column}_{name}")
    save_with_table(pd.concat(rows), draw_truth, figure, csv=table)
    write_json(metrics, found)
    if truths:
        typer.echo(
            f"r with the truth: train {found['train_utility_pearson']:.3f}, eval {found['eval_utility_pearson']:.3f}"
        )


def _measured(path: Path, known: "pd.DataFrame", tasks: Path) -> "tuple[UtilityTable, pd.DataFrame]":
    """Measured utilities, and what is known about their tasks in the same order."""
    from assay.errors import AssayError
    from assay.studies.preferences.utilities.utility_files import read_utilities

    measured = read_utilities(path)
    if missing := [task for task in measured.ids if task not in known.index]:
        raise AssayError(f"{path}: task {missing[0]!r} is not in {tasks}; give the tasks that were measured")
    return measured, known.loc[list(measured.ids)]


def _rows(split: str, measured: "UtilityTable", own: "pd.DataFrame") -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    return pd.DataFrame(
        {
            "split": split,
            "task_id": measured.ids,
            "topic": own.get("topic", pd.Series("", own.index)).to_numpy(),
            "measured": np.round(measured.mu, 6),
            "true": own.get("utility", pd.Series(np.nan, own.index)).to_numpy(),
        }
    )


def _agreement(measured: "np.ndarray", true: "np.ndarray", resampling: "Resampling") -> "dict[str, Estimate]":
    from assay.statistics.correlations import pearson
    from assay.statistics.rank_correlation import spearman

    return {
        "pearson": pearson(measured, true),
        "spearman": spearman(measured, true, resampling),
    }


if __name__ == "__main__":
    run(app)
