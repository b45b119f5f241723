"""Generate the synthetic world: truth tables, training examples and held-out examples."""

from pathlib import Path

import typer

from stages.shared.cli import run
from stages.shared.outputs import FOLDER
from stages.shared.settings import read_section

app = typer.Typer(add_completion=False)


@app.command()
def world(
    params: Path = typer.Option(..., help="The params file; its section `world` is read."),
    out: Path = typer.Option(
        ..., help="Folder for the tables (CSV) and the examples (JSON Lines).", rich_help_panel=FOLDER
    ),
) -> None:
    """Write everything that is true, and every way it is asked."""
    from assay.storage.settings import parse_settings
    from assay.world.settings import WorldSettings
    from assay.world.tables import write_world
    from assay.world.world import make_world

    settings = parse_settings(WorldSettings, read_section(params, "world"), "world")
    made = make_world(settings.seed, settings.sizes)
    counts = write_world(out, made, draws=settings.draws, heldout_draws=settings.heldout_draws)
    for name, rows in counts.items():
        typer.echo(f"{out / name}: {rows:,} rows")


if __name__ == "__main__":
    run(app)
