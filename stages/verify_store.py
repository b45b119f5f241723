"""Re-hash a DVC cache or a directory remote. Not a stage of dvc.yaml: DVC trusts object names and has no such check."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from assay.errors import AssayError
from stages.shared.cli import run

app = typer.Typer(add_completion=False)

OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")


@app.command()
def verify_store(
    store: Annotated[
        Path, typer.Option(help="`.dvc/cache`, or the folder that a directory remote's url names.")
    ],
    allow_missing: Annotated[
        bool, typer.Option(help="Folders may list files that the store lacks (partial pull).")
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, max=1024, help="Files hashed at the same time.")
    ] = os.cpu_count() or 1,
) -> None:
    """Name every object whose bytes do not hash to its name; exit with status 1 if there is any problem."""
    root = object_root(store)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    problems = [problem for problem in hash_problems(root, paths, jobs) if problem]
    problems += list(folder_problems(root, paths, allow_missing=allow_missing))
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise AssayError(
            f"{len(problems)} problems among {len(paths)} files in {root}; delete the named files, then `dvc pull` or "
            "`dvc push` them again from a good copy, or `dvc repro` what they held"
        )
    typer.echo(f"{root}: all {len(paths)} objects are intact")


def object_root(store: Path) -> Path:
    """The folder of md5-named objects. Raises AssayError when `store` holds none."""
    root = store / "files" / "md5"
    if not root.is_dir():
        raise AssayError(
            f"{store} is no DVC store: it has no folder files/md5; give .dvc/cache or a directory remote"
        )
    return root


def hash_problems(root: Path, paths: list[Path], jobs: int) -> Iterator[str | None]:
    """One sentence per bad file, None per good one; threads suffice, since hashing releases the interpreter lock."""
    from rich.console import Console
    from rich.progress import track

    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda path: object_problem(root, path), paths)
        yield from track(results, "hashing", total=len(paths), console=Console(stderr=True), transient=True)


def object_problem(root: Path, path: Path) -> str | None:
    """What is wrong with one file of the store, by its name and its bytes."""
    relative = path.relative_to(root).as_posix()
    if not OBJECT.fullmatch(relative):
        return f"stray: {path} is no object (an interrupted transfer leaves such files)"
    expected = relative.replace("/", "").removesuffix(".dir")
    try:
        with open(path, "rb") as handle:
            found = hashlib.file_digest(handle, "md5").hexdigest()
    except OSError as error:
        return f"unreadable: {path}: {error.strerror}"
    return (
        None
        if found == expected
        else f"corrupted: {path} holds {path.stat().st_size} bytes whose md5 is {found}"
    )


def folder_problems(root: Path, paths: list[Path], *, allow_missing: bool) -> Iterator[str]:
    """A `.dir` object lists the files of a folder: does each exist? One that does not parse was named by its hash."""
    if allow_missing:
        return
    for path in paths:
        if path.suffix != ".dir" or object_problem(root, path):
            continue
        for item in json.loads(path.read_bytes()):
            digest = item["md5"]
            if not (root / digest[:2] / digest[2:]).is_file():
                yield f"missing: {digest} ({item['relpath']}), listed by {path}"


if __name__ == "__main__":
    run(app)
