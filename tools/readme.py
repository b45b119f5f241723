"""Numbers in the READMEs come from metrics/, never from a hand.

Written here are the text between `<!--m FILE NAME-->` and `<!--/m-->`, and the tables between `<!--answer-->` and `<!--/answer-->`
(tools/answer.py) and between `<!--replicates-->` and `<!--/replicates-->` (tools/replicates.py).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from assay.errors import AssayError
from assay.storage.files import write_text
from stages.shared.cli import run
from tools import answer, replicates
from tools.metrics_table import Number, read_metrics

TABLE = re.compile(r"<!--(?P<name>answer|replicates)-->.*?<!--/(?P=name)-->", re.DOTALL)
MARK = re.compile(r"<!--m (?P<file>[\w/]+) (?P<name>\w+)-->(?P<text>.*?)<!--/m-->")
app = typer.Typer(add_completion=False)


@app.command()
def readme(
    root: Annotated[Path, typer.Option(help="The repository.")] = Path(),
    check: Annotated[
        bool, typer.Option(help="Change nothing; exit with status 1 if a number is stale.")
    ] = False,
) -> None:
    """Write the current metrics into README.md, stages/README.md and those of the studies; FILE is a path below metrics/ without its ending."""
    metrics = read_metrics(root, None)
    stale = False
    for path in pages(root):
        name, before = path.relative_to(root), path.read_text("utf-8")
        after = with_tables(fill(before, metrics, str(name)), root, metrics)
        if before == after:
            typer.echo(f"{name}: every number is current")
        elif check:
            typer.echo(f"{name} shows stale numbers: run `make readme`", err=True)
            stale = True
        else:
            write_text(path, after)
            typer.echo(f"{name}: numbers written")
    if stale:
        raise typer.Exit(1)


def pages(root: Path) -> list[Path]:
    """The repository's README, that of stages/ and each study's."""
    return [root / "README.md", root / "stages/README.md", *sorted(root.glob("stages/*/README.md"))]


def fill(text: str, metrics: Mapping[tuple[str, str], Number], name: str) -> str:
    """The text with every marked number replaced. Raises AssayError naming the file and a number that metrics/ does not hold."""

    def write(match: re.Match[str]) -> str:
        key = (f"metrics/{match['file']}.json", match["name"])
        if key not in metrics:
            raise AssayError(f"{name} marks {match['name']}, which {key[0]} does not hold")
        return f"<!--m {match['file']} {match['name']}-->{rounded(metrics[key])}<!--/m-->"

    return MARK.sub(write, text)


def with_tables(text: str, root: Path, metrics: Mapping[tuple[str, str], Number]) -> str:
    """The text with the generated tables that it has a place for."""

    def write(match: re.Match[str]) -> str:
        name = match["name"]
        table = answer.table(root, metrics) if name == "answer" else replicates.table(root)
        return f"<!--{name}-->\n{table}\n<!--/{name}-->"

    return TABLE.sub(write, text)


def rounded(number: Number) -> str:
    """Three decimals and the interval, as people read it; counts as they are."""
    if not isinstance(number.value, float):
        return str(number.value)
    if number.lower is None or number.upper is None:
        return f"{number.value:.3f}"
    return f"{number.value:.3f} [{number.lower:.3f}, {number.upper:.3f}]"


if __name__ == "__main__":
    run(app)
