"""placeholder"""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def index(
    plots: Annotated[Path, typer.Option()],
    metrics: Annotated[Path, typer.Option()],
    out: Annotated[Path, typer.Option()],
) -> None:
    """x."""


if __name__ == "__main__":
    run(app)
