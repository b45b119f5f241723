"""Is the pipeline up to date? DVC's exit status does not say (a stale stage gives 0), only its last sentence does."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

SENTENCE = "Data and pipelines are up to date."


def up_to_date(
    allow_missing: Annotated[
        bool, typer.Option(help="Data that dvc.lock names may be absent (a fresh clone).")
    ] = False,
) -> None:
    """Exit with status 0 when `dvc repro` would run nothing, else show what it would run and exit with status 1."""
    current, output = check(Path(), allow_missing=allow_missing)
    typer.echo(output if not current else SENTENCE)
    if not current:
        typer.echo(
            "error: the committed results are stale; run `dvc repro` and commit dvc.lock, metrics and plots",
            err=True,
        )
        raise typer.Exit(1)


def check(root: Path, *, allow_missing: bool) -> tuple[bool, str]:
    """(is everything up to date?, what DVC printed)."""
    command = [sys.executable, "-m", "dvc", "repro", "--dry", *(["--allow-missing"] if allow_missing else [])]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    output = (done.stdout + done.stderr).strip()
    return done.returncode == 0 and SENTENCE in output, output


if __name__ == "__main__":
    typer.run(up_to_date)
