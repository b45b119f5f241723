"""The run's index: a page that links every page and picture, with each study's headline numbers."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import read_yaml, run
from stages.shared.outputs import FILE, also_read

app = typer.Typer(add_completion=False)


@app.command()
def index(
    plan: Annotated[
        Path, typer.Option(help="YAML: subjects {folder: name}; studies {folder: {title, asks, headlines}}")
    ],
    plots: Annotated[Path, typer.Option(help="folder of plots, a folder for each study")],
    metrics: Annotated[Path, typer.Option(help="folder of metrics (JSON), likewise")],
    out: Annotated[Path, typer.Option(help="page to write (HTML)", rich_help_panel=FILE)],
) -> None:
    """Write the index. Folders of plots that the plan does not name are left out and named on the command line."""
    from assay.pages.index import collect, left_out, render_index
    from assay.pages.index_plan import parse_plan
    from assay.storage.files import write_text

    also_read("a file of --metrics", metrics.rglob("*.json"))
    wanted = parse_plan(read_yaml(plan))
    studies = collect(wanted, plots, metrics, out.parent)
    write_text(out, render_index(studies))
    groups = [group for study in studies for group in study.groups]
    pages, pictures = sum(len(group.pages) for group in groups), sum(len(group.pictures) for group in groups)
    typer.echo(f"{out}: {pages} pages and {pictures} pictures of {len(studies)} studies")
    if others := left_out(wanted, plots):
        typer.echo(f"not in {plan}, so left out: {', '.join(others)}", err=True)


if __name__ == "__main__":
    run(app)
