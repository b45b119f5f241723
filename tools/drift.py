"""Did recomputing on this machine give the committed numbers? Floating point differs between machines; findings do not."""

from pathlib import Path
from typing import Annotated

import typer

from tools.metrics_table import changes, markdown, read_metrics


def drift(
    base: Annotated[str, typer.Option(help="The Git revision whose metrics were committed.")] = "HEAD",
    tolerance: Annotated[float, typer.Option(help="Relative difference that is not shown.")] = 1e-6,
) -> None:
    """Show the metrics that differ from those at `base`.

    Exit with status 1 only when a number is gone, or when an estimate's committed and recomputed intervals do not
    overlap: then the committed result does not hold here.
    """
    found = changes(read_metrics(Path(), base), read_metrics(Path(), None), tolerance)
    crossing = [change for change in found if change.crosses]
    typer.echo(
        markdown(found) if found else f"every metric is the one at {base} (relative tolerance {tolerance:g})"
    )
    if crossing:
        names = ", ".join(f"{change.file}:{change.name}" for change in crossing)
        typer.echo(
            f"error: recomputed and committed intervals do not overlap, or the number is gone: {names}",
            err=True,
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(drift)
