"""Figures of the out-of-context study, each as PNG and as the CSV that it shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.shared.cli import read_yaml, run
from stages.shared.outputs import FOLDER

if TYPE_CHECKING:
    import pandas as pd

    from assay.figures.saved import Draw

app = typer.Typer(add_completion=False)


@app.command()
def figures(
    out: Annotated[
        Path, typer.Option(help="folder for the figures that are asked for", rich_help_panel=FOLDER)
    ],
    table: Annotated[
        list[Path] | None, typer.Option(help="table that the evaluation wrote; repeat for a sweep")
    ] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            help="draws `tasks`: a list of {task, bars: {label: QUESTIONS/ADAPTER}, flip or majority} (YAML)"
        ),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="draws `by_layer`, `by_lr` or `by_step`; repeat for more")
    ] = None,
    questions: Annotated[
        list[str] | None, typer.Option(help="of --by: question set to show; repeat for more (default: all)")
    ] = None,
    self_report: Annotated[
        str, typer.Option(help="draws `self_report`: the question set of claims and denials")
    ] = "",
    adapter: Annotated[
        list[str] | None,
        typer.Option(help="of --self-report and --by: adapter to show; repeat, in order (default: all)"),
    ] = None,
    curves: Annotated[
        list[str] | None,
        typer.Option(
            help="draws `training`: [NAME=]CSV of fine-tuning, or a folder of them; repeat for more"
        ),
    ] = None,
) -> None:
    """Draw what is asked for. Nothing is written when one of the figures cannot be drawn."""
    from assay.errors import AssayError
    from assay.figures.saved import save_with_table
    from assay.figures.theme import read_table
    from assay.studies.oocr import figure_tables
    from assay.studies.oocr import figures as drawings

    shown: dict[str, tuple[pd.DataFrame, Draw]] = {}
    if tasks is not None or by or self_report:
        if not table:
            raise AssayError("these figures need a --table that the evaluation wrote")
        names = figure_tables.NAMES
        tables = [read_table(path, figure_tables.NEEDED, names=names) for path in table]
        joined = figure_tables.join_tables(tables)
        if tasks is not None:
            bars = figure_tables.bars_table(joined, read_tasks(tasks))
            shown["tasks"] = (bars, drawings.draw_tasks)
        for axis in by or []:
            if axis not in drawings.AXES:
                raise AssayError(f"--by takes {', '.join(drawings.AXES)}, found {axis!r}")
            chosen = joined[joined["questions"].isin(questions)] if questions else joined
            chosen = chosen[chosen["adapter"].isin(adapter)] if adapter else chosen
            shown[f"by_{axis}"] = (figure_tables.curve_table(chosen, axis), _along(axis))
        if self_report:
            categories = figure_tables.category_table(joined, self_report, adapter or [])
            shown["self_report"] = (categories, drawings.draw_self_report)
    if curves:
        shown["training"] = (figure_tables.training_table(read_curves(curves)), drawings.draw_training)
    if not shown:
        raise AssayError("nothing to draw: give --tasks, --by, --self-report or --curves")
    for name, (rows, draw) in shown.items():
        save_with_table(rows, draw, out / f"{name}.png")


def read_tasks(path: Path) -> Any:
    """The tasks of a YAML (or JSON) file. Raises AssayError that names it."""
    from assay.errors import AssayError
    from assay.studies.oocr.figure_tables import parse_tasks

    try:
        return parse_tasks(read_yaml(path))
    except AssayError as error:
        raise AssayError(f"{path}: {error}") from error


def read_curves(words: list[str]) -> "dict[str, pd.DataFrame]":
    """Curves of fine-tuning by name, those of a folder in alphabetical order."""
    from assay.figures.theme import read_table
    from assay.studies.oocr.plan_files import parse_named

    files = [
        [str(path) for path in sorted(Path(word).glob("*.csv"))] if Path(word).is_dir() else [word]
        for word in words
    ]
    named = [parse_named(word) for some in files for word in some]
    needed = ["run", "split", "step", "loss", "accuracy"]
    return {one.name: read_table(one.path, needed, names=needed[:2]) for one in named}


def _along(axis: Any) -> "Draw":
    from assay.studies.oocr.figures import draw_curves

    return lambda table, path: draw_curves(table, axis, path)


if __name__ == "__main__":
    run(app)
