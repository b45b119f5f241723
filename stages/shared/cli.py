"""What every stage's command line shares: errors without tracebacks, and the registry in params.yaml."""

import sys
import warnings
from pathlib import Path
from typing import Any

import typer

from assay.errors import AssayError

_plain = warnings.formatwarning


def run(app: typer.Typer) -> None:
    """Run a stage. An AssayError becomes one line on stderr and exit status 1; a bug keeps its traceback.

    A warning about words that the user wrote (FutureWarning) is one line on stderr too.
    """
    warnings.formatwarning = _format_warning
    try:
        app()
    except AssayError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    if issubclass(category, FutureWarning):
        return f"warning: {message}\n"
    return _plain(message, category, filename, lineno, line)


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
