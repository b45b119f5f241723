"""What every stage's command line shares: errors without tracebacks, and the registry in params.yaml."""

import sys
from pathlib import Path
from typing import Any

import typer

from assay.errors import AssayError
from stages.shared.outputs import guard


def run(app: typer.Typer) -> None:
    """Run a stage. An AssayError becomes one line on stderr and exit status 1; a bug keeps its traceback."""
    command = typer.main.get_command(app)
    guard(command)
    try:
        command()
    except AssayError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


def read_params(path: Path) -> dict[str, Any]:
    """params.yaml: a mapping. Raises AssayError when it is none."""
    params = read_yaml(path)
    if not isinstance(params, dict):
        raise AssayError(f"{path} must hold a mapping of parameters")
    return params


def read_yaml(path: Path) -> Any:
    """YAML 1.2, the dialect DVC writes (PyYAML would read 1e-05 as a string)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise AssayError(f"{path} does not exist; run from the repository root or give --params") from error
    except YAMLError as error:
        raise AssayError(f"{path} is not valid YAML: {error}") from error
