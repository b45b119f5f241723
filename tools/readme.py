"""Numbers in README.md come from metrics/: text between `<!--m FILE NAME-->` and `<!--/m-->` is written here, never by hand.

So is the table of claims between `<!--replicates-->` and `<!--/replicates-->`.
"""

import re
from pathlib import Path
from typing import Annotated

import typer

from assay.storage.files import write_text
from tools.metrics_table import Number, read_metrics
from tools.replicates import table

TABLE = re.compile(r"<!--replicates-->.*?<!--/replicates-->", re.DOTALL)
MARK = re.compile(r"<!--m (?P<file>[\w/]+) (?P<name>\w+)-->(?P<text>.*?)<!--/m-->")


def readme(
    root: Annotated[Path, typer.Option(help="The repository.")] = Path(),
    check: Annotated[
        bool, typer.Option(help="Change nothing; exit with status 1 if a number is stale.")
    ] = False,
) -> None:
    """Write the current metrics into README.md: `FILE` is the path below metrics/ without its ending."""
    path = root / "README.md"
    before = path.read_text("utf-8")
    after = with_table(fill(before, read_metrics(root, None)), root)
    if before == after:
        typer.echo("README.md: every number is current")
    elif check:
        typer.echo("README.md shows stale numbers: run `make readme`", err=True)
        raise typer.Exit(1)
    else:
        write_text(path, after)
        typer.echo("README.md: numbers written")


def fill(text: str, metrics: dict[tuple[str, str], Number]) -> str:
    """The text with every marked number replaced. Raises SystemExit naming a number that metrics/ does not hold."""

    def write(match: re.Match[str]) -> str:
        key = (f"metrics/{match['file']}.json", match["name"])
        if key not in metrics:
            raise SystemExit(f"error: README.md marks {match['name']}, which {key[0]} does not hold")
        return f"<!--m {match['file']} {match['name']}-->{rounded(metrics[key])}<!--/m-->"

    return MARK.sub(write, text)


def with_table(text: str, root: Path) -> str:
    """The text with the table of claims, where it has a place for one."""
    return TABLE.sub(lambda _: f"<!--replicates-->\n{table(root)}\n<!--/replicates-->", text)


def rounded(number: Number) -> str:
    """Three decimals and the interval, as people read it; counts as they are."""
    if not isinstance(number.value, float):
        return str(number.value)
    if number.lower is None or number.upper is None:
        return f"{number.value:.3f}"
    return f"{number.value:.3f} [{number.lower:.3f}, {number.upper:.3f}]"


if __name__ == "__main__":
    typer.run(readme)
