"""The pull request's report: is it up to date, which numbers, parameters and pictures changed against a base?"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from assay.storage.files import atomic_path, write_text
from tools.metrics_table import changes, markdown, read_metrics
from tools.up_to_date import check


def report(
    base: Annotated[str, typer.Option(help="Git revision to compare with, e.g. origin/main.")],
    out: Annotated[Path, typer.Option(help="The Markdown file; the pictures go beside it.")],
    images: Annotated[
        str | None,
        typer.Option(
            help="Address of the repository's raw files: show pictures from there, not from beside."
        ),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="The revision that `images` has the new pictures under.")
    ] = None,
) -> None:
    """Compare the working tree with `base` and write a Markdown report. Needs no data, only what is in Git."""
    root = Path()
    current, output = check(root, allow_missing=True)
    stale = (
        ""
        if current
        else f"> [!WARNING]\n> The results are stale: run `dvc repro`.\n\n```\n{output}\n```\n\n"
    )
    rows = changes(read_metrics(root, base), read_metrics(root, None), tolerance=0.0)
    sections = [
        f"{stale}## Metrics against `{base}`\n\n" + (markdown(rows) if rows else "No metric changed."),
        "Bold: the intervals do not overlap, or the number is gone."
        if any(row.crosses for row in rows)
        else "",
        f"## Parameters\n\n{params_diff(base) or 'No parameter changed.'}",
        f"## Pictures\n\n{pictures(base, out.parent, images, head) or 'No picture changed.'}",
    ]
    write_text(out, "\n\n".join(section for section in sections if section) + "\n")
    typer.echo(f"{out}: {len(rows)} metrics changed; results are {'up to date' if current else 'STALE'}")


def params_diff(base: str) -> str:
    """The table of `dvc params diff`, empty when nothing changed."""
    table = _run(sys.executable, "-m", "dvc", "params", "diff", base, "--md").decode().strip()
    return (
        table if table.count("\n") > 1 else ""
    )  # without a change DVC prints the two lines of the header alone


def pictures(base: str, folder: Path, images: str | None, head: str | None) -> str:
    """A table of every PNG under plots/ whose bytes changed, before and after; copies go into `folder`."""
    names = _run("git", "diff", "--name-only", "-z", base, "--", "plots/*.png").decode().split("\0")
    untracked = (
        _run("git", "ls-files", "-z", "--others", "--exclude-standard", "--", "plots/*.png")
        .decode()
        .split("\0")
    )
    base_commit = _run("git", "rev-parse", base).decode().strip()
    lines = []
    for name in sorted({name for name in names + untracked if name}):
        before = _copy(_bytes_at(base, name), folder / "before" / name)
        after = _copy(Path(name).read_bytes() if Path(name).exists() else None, folder / "after" / name)
        cells = [
            _cell(before, f"{images}/{base_commit}/{name}" if images else f"before/{name}"),
            _cell(after, f"{images}/{head}/{name}" if images else f"after/{name}"),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(["| picture | before | after |", "|---|---|---|", *lines]) if lines else ""


def _bytes_at(revision: str, name: str) -> bytes | None:
    done = subprocess.run(["git", "show", f"{revision}:{name}"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _copy(content: bytes | None, target: Path) -> bool:
    if content is None:
        return False
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
    return True


def _cell(exists: bool, address: str) -> str:
    return f"![]({address})" if exists else "–"


def _run(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)}: {done.stderr.decode().strip()}")
    return done.stdout


if __name__ == "__main__":
    typer.run(report)
