"""Write into each dvc.yaml, for each stage, the project files that it imports: hand-kept lists are forgotten."""

import re
from collections.abc import Mapping, MutableMapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from assay.storage.files import write_text
from tools.checks import is_code
from tools.imports import dependencies_of
from tools.pipeline import entry_body, pipeline_files


def code_deps(
    root: Annotated[Path, typer.Option(help="The repository.")] = Path(),
    check: Annotated[
        bool, typer.Option(help="Change nothing; exit with status 1 if a dvc.yaml would change.")
    ] = False,
) -> None:
    """Update the code under `deps:` of every stage; data dependencies, comments and the rest stay as they are."""
    changed = [name for path in pipeline_files(root) for name in _update_file(path, root, check)]
    typer.echo(
        f"code dependencies of {', '.join(changed)}" if changed else "code dependencies are up to date"
    )
    if changed and check:
        raise typer.Exit(1)


def _update_file(path: Path, root: Path, check: bool) -> list[str]:
    """The entries whose code changed, written into the file unless `check`."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never fold a command line
    definition = yaml.load(path)
    changed = [name for name, entry in definition["stages"].items() if update_entry(name, entry, root)]
    if changed and not check:
        text = StringIO()
        yaml.dump(definition, text)
        write_text(path, text.getvalue())
    study = "" if path.parent == root else f"{path.parent.name}/"
    return [f"{study}{name}" for name in changed]


def update_entry(name: str, entry: MutableMapping[str, Any], root: Path) -> bool:
    """Replace the code in one entry's deps by what its module imports; returns whether that changed anything."""
    body = entry_body(entry)
    module = _module(name, body)
    try:
        code = sorted(dependencies_of(module, root))
    except FileNotFoundError as error:
        raise SystemExit(f"error: {name}: {error}") from error
    before = list(body["deps"]) if "deps" in body else []
    after = code + [dep for dep in before if not (isinstance(dep, str) and is_code(dep))]
    if before == after:
        return False
    _put(body, after)
    return True


def _module(name: str, body: Mapping[str, Any]) -> str:
    found = re.match(r"python -m ([\w.]+)(\s|$)", body["cmd"])
    if found is None:
        raise SystemExit(
            f"error: {name}: the command must begin with `python -m` and a module, found {body['cmd']!r}"
        )
    return found.group(1)


def _put(body: Any, deps: list[Any]) -> None:
    """Set `deps`; a new key goes behind cmd and params, where it is read."""
    if "deps" in body:
        body["deps"][:] = deps
        return
    keys = list(body)
    position = max(keys.index(key) for key in ("cmd", "params") if key in keys) + 1
    body.insert(position, "deps", deps)


if __name__ == "__main__":
    typer.run(code_deps)
