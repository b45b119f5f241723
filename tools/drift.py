"""Did recomputing on this machine give the committed numbers? Floating point differs between machines; findings do not."""

from pathlib import Path
from typing import Annotated

import typer

from tools.metrics_table import Change, changes, markdown, read_metrics


def drift(
    base: Annotated[str, typer.Option(help="The Git revision whose metrics were committed.")] = "HEAD",
    tolerance: Annotated[float, typer.Option(help="Relative difference that is not shown.")] = 1e-6,
    limit: Annotated[
        float,
        typer.Option(help="Most that a value may move, as a share of the width of its committed interval."),
    ] = 0.5,
) -> None:
    """Show the metrics that differ from those at `base`, and how far the one that moved most did.

    Exit with status 1 only when a number is gone, when an estimate's committed and recomputed intervals do not overlap, or when it
    moved by more than `limit`: then the committed result does not hold here.
    """
    committed = read_metrics(Path(), base)
    found = changes(committed, read_metrics(Path(), None), tolerance)
    typer.echo(
        markdown(found) if found else f"every metric is the one at {base} (relative tolerance {tolerance:g})"
    )
    moved = sorted(((c.shift, c) for c in found if c.shift is not None), key=lambda pair: -pair[0])
    if moved:
        typer.echo(
            f"{len(found)} of {len(committed)} metrics differ by more than {tolerance:g}. Of estimates, {moved[0][1].file}:"
            f"{moved[0][1].name} moved most, by {moved[0][0]:.3f} of the width of its interval; half of them by at most "
            f"{moved[len(moved) // 2][0]:.4f}"
        )
    _refuse(
        "recomputed and committed intervals do not overlap, or the number is gone",
        [c for c in found if c.crosses],
    )
    _refuse(
        f"moved by more than {limit:g} of its interval's width", [c for shift, c in moved if shift > limit]
    )


def _refuse(why: str, found: list[Change]) -> None:
    if found:
        names = ", ".join(f"{change.file}:{change.name}" for change in found)
        typer.echo(f"error: {why}: {names}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(drift)
