"""The token study at one layer, and the figure of all layers with their controls."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def report(
    next_table: Annotated[Path, typer.Option("--next", help="table of layers of the variant `next`")],
    current_table: Annotated[
        Path, typer.Option("--current", help="table of layers of the variant `current`")
    ],
    layer: Annotated[str, typer.Option(help="reported layer: int, negative int or fraction")],
    target: Annotated[str, typer.Option(help="the study's token, for the labels of the figure")],
    metrics: Annotated[Path, typer.Option(rich_help_panel=FILE)],
    figure: Annotated[Path, typer.Option(help="PNG", rich_help_panel=FILE)],
    table: Annotated[
        Path, typer.Option(help="CSV of what the figure shows, for `dvc plots`", rich_help_panel=FILE)
    ],
) -> None:
    """Write the numbers of one layer for both variants, and the figure."""
    from assay.figures.saved import save_with_table
    from assay.models.layers import resolve_layer
    from assay.storage.files import write_json
    from assay.studies.tokens.figure import draw, figure_table
    from assay.studies.tokens.tables import read_layers, row_of

    tables = {"next": read_layers(next_table), "current": read_layers(current_table)}
    chosen = resolve_layer(layer, int(tables["next"]["layer"].max()) + 1)
    numbers: dict[str, float | int] = {"layer": chosen}
    for variant, layers in tables.items():
        row = row_of(layers, chosen)
        numbers |= {f"{variant}_{name}": value for name, value in row.items() if name != "layer"}
    write_json(metrics, numbers)
    drawing = partial(draw, layer=chosen, target=target)
    save_with_table(figure_table(tables), drawing, figure, csv=table)


if __name__ == "__main__":
    run(app)
