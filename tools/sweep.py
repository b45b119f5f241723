"""The figure of a sweep: the table that each experiment wrote, joined along what they differ by."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from assay.errors import AssayError
from assay.storage.files import write_text
from stages.shared.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def sweep(
    by: Annotated[str, typer.Option(help="what the experiments differ by: layer or lr")],
    out: Annotated[Path, typer.Option(help="folder for the figure and its table")],
    questions: Annotated[list[str] | None, typer.Option(help="question set to show; repeat for more")] = None,
    adapter: Annotated[
        list[str] | None, typer.Option(help="adapter to show; repeat for more (default: all)")
    ] = None,
    experiment: Annotated[
        list[str] | None, typer.Option(help="experiment (default: all that `dvc exp list` shows)")
    ] = None,
    table: Annotated[str, typer.Option(help="what the evaluation wrote")] = "plots/oocr/standard/results.csv",
    workspace: Annotated[bool, typer.Option(help="also take the table of the workspace")] = True,
) -> None:
    """Draw what `dvc exp run --queue -S oocr.vector.layer=2,6,12` found."""
    names = experiment or listed()
    if not names:
        raise AssayError("there is no experiment; run some with `dvc exp run`")
    with TemporaryDirectory() as folder:
        files = [Path(table)] if workspace else []
        for number, name in enumerate(names):
            files.append(Path(folder) / f"{number}.csv")
            write_text(files[-1], shown(name, table))
        command = [sys.executable, "-m", "stages.oocr.figures", "--by", by, "--out", str(out)]
        command += [word for file in files for word in ("--table", str(file))]
        command += [word for name in questions or [] for word in ("--questions", name)]
        command += [word for name in adapter or [] for word in ("--adapter", name)]
        if subprocess.run(command).returncode:
            raise AssayError("the figure could not be drawn, see above")
    typer.echo(f"{out}: {', '.join(names)}")


def listed() -> list[str]:
    """The names of the experiments that started from this commit."""
    done = subprocess.run(["dvc", "exp", "list", "--name-only"], capture_output=True, text=True)
    if done.returncode:
        raise AssayError(f"dvc exp list: {done.stderr.strip()}")
    return done.stdout.split()


def shown(name: str, table: str) -> str:
    """The table as the experiment wrote it, the newest of those with this name. Raises AssayError where it has none."""
    ref = subprocess.run(
        ["git", "for-each-ref", "--sort=-committerdate", "--format=%(objectname)", f"refs/exps/**/{name}"],
        capture_output=True,
        text=True,
    ).stdout.split()
    if not ref:
        raise AssayError(f"there is no experiment {name!r}; `dvc exp list` shows them")
    done = subprocess.run(["git", "show", f"{ref[0]}:{table}"], capture_output=True, text=True)
    if done.returncode:
        raise AssayError(f"experiment {name} has no {table}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    run(app)
