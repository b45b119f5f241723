"""How many stage reruns would the last commits have caused, by two rules of what a stage depends on?

`files`: every file that it imports. `folders`: as `make deps` writes them. What a stage imports is taken as it is today,
and a file of the past by the name it has today. Only reruns from changed code are counted, not those from new outputs of
earlier stages, which come on top under both rules.
"""

import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from tools.imports import NO_RESULT, code_of, grouped
from tools.pipeline import read_pipeline

ONLY_RENAMED = "R100"  # git's word for a file that moved and is otherwise the same


def dependency_cost(
    root: Annotated[Path, typer.Option(help="The repository.")] = Path(),
    commits: Annotated[int, typer.Option(help="How many of the last commits are replayed.")] = 60,
) -> None:
    """Print reruns by stage (the items of a matrix together) and in all."""
    stages = [
        (f"{s.study}/{s.entry}".lstrip("/"), s.module)
        for s in read_pipeline(root).stages
        if s.module is not None
    ]
    files = {module: code_of(module, root) - NO_RESULT for module in {module for _, module in stages}}
    folders = {module: grouped(code) for module, code in files.items()}
    history = list(changes(root, commits))
    by_files, by_folders = (reruns(stages, deps, history) for deps in (files, folders))
    typer.echo(f"{'stage':<32}{'files':>8}{'folders':>8}")
    for name in dict.fromkeys(name for name, _ in stages):
        typer.echo(f"{name:<32}{by_files[name]:>8}{by_folders[name]:>8}")
    typer.echo(f"{'all':<32}{by_files.total():>8}{by_folders.total():>8}   over {len(history)} commits")


def reruns(
    stages: Iterable[tuple[str, str]],
    dependencies: Mapping[str, Collection[str]],
    history: Iterable[set[str]],
) -> Counter[str]:
    """How often each stage (name, module) runs again: once for each change of what its module depends on."""
    touched = [
        {part.as_posix() for file in files for part in (PurePosixPath(file), *PurePosixPath(file).parents)}
        for files in history
    ]
    return Counter(
        name for name, module in stages for paths in touched if not paths.isdisjoint(dependencies[module])
    )


def changes(root: Path, commits: int) -> Iterator[set[str]]:
    """For each of the last commits, newest first, the files that it changed, by today's names where they still exist.

    Merges, files that were only renamed and prose (.md) are left out.
    """
    command = ["git", "-c", "core.quotepath=off", "log", f"-{commits}", "--no-merges", "-M", "-l0"]
    log = subprocess.run(
        [*command, "--name-status", "--format=%x00"], cwd=root, capture_output=True, text=True, check=True
    )
    today: dict[str, str] = {}
    for commit in log.stdout.split("\0")[1:]:
        rows = [line.split("\t") for line in commit.splitlines() if line]
        files = {today.get(row[-1], row[-1]) for row in rows if row[0] != ONLY_RENAMED}
        yield {file for file in files if not file.endswith(".md")}
        today |= {row[1]: today.get(row[-1], row[-1]) for row in rows if row[0].startswith("R")}


if __name__ == "__main__":
    typer.run(dependency_cost)
