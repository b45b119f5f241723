"""What every stage's command line shares: errors without tracebacks, values of params.yaml, and the registry in it."""

import errno
import re
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.exceptions import TyperException

from assay.errors import AssayError
from stages.shared.outputs import guard

LONGEST = 600
"""Characters of a line that says what is wrong: it is read in a terminal and a log."""

DEEPEST = 100
"""Lists and mappings of a YAML file in each other."""

_plain = warnings.formatwarning


def run(app: typer.Typer) -> None:
    """Run a stage. An AssayError becomes one line on stderr and exit status 1; a bug keeps its traceback.

    So do words that the command line does not take, and what the system says of a file that no reader or writer foresaw: no permission, a full disk, a loop of links.
    A warning about words that the user wrote (FutureWarning) is one line on stderr too.
    """
    warnings.formatwarning = _format_warning
    command = typer.main.get_command(app)
    guard(command)
    try:
        sys.exit(command.main(expand(sys.argv[1:], Path("params.yaml")), standalone_mode=False) or 0)
    except AssayError as error:
        _stop(str(error))
    except TyperException as error:
        _stop(f"{error.format_message()} See --help")
    except typer.Abort:
        sys.exit(130)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        _stop(
            f"cannot read or write {error.filename or 'an output'}: {error.strerror}; check the place and its disk"
        )


def one_line(text: str) -> str:
    """A message in one line of at most LONGEST characters, all of which can be written; what is left out is …"""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _stop(message: str) -> NoReturn:
    typer.echo(one_line(f"error: {message}"), err=True)
    sys.exit(1)


def expand(words: Sequence[str], path: Path) -> list[str]:
    """The words, `param:a.b` in them (whole, or after a slash or an equals sign) replaced by that value of the params file.

    So a value goes from the file to the stage without a shell between them, which would read quotes and dollars in it.
    Raises AssayError for a key that the file lacks or that is no single value.
    """
    if not any(_PARAM.search(word) for word in words):
        return list(words)
    params = read_mapping(path)
    return [_PARAM.sub(lambda match: _value(params, match[1], path), word) for word in words]


_PARAM = re.compile(r"(?:^|(?<=[/=]))param:([\w.-]+)$")


def _value(params: Mapping[str, Any], key: str, path: Path) -> str:
    value: Any = params
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise AssayError(f"{path} has no key {key}; add it")
        value = value[part]
    if isinstance(value, Mapping | list) or value is None:
        raise AssayError(f"{path}: {key} must be a single value, found {value!r}")
    return str(value)


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    if issubclass(category, FutureWarning):
        return f"warning: {message}\n"
    return _plain(message, category, filename, lineno, line)


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping, as params.yaml does. Raises AssayError when it holds something else."""
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise AssayError(f"{path} must hold a mapping, found {type(value).__name__}")
    return value


def read_yaml(path: Path) -> Any:
    """YAML 1.2, the dialect DVC writes (PyYAML would read 1e-05 as a string)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_depth(YAML(typ="safe").parse(text), path)
        return YAML(typ="safe").load(text)
    except FileNotFoundError as error:
        raise AssayError(f"{path} does not exist; run from the repository root or give --params") from error
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise AssayError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except (
        YAMLError,
        ValueError,
        KeyError,
    ) as error:  # of a number with thousands of digits, of a tag that does not fit
        raise AssayError(f"{path} is not valid YAML: {error}") from error


def _refuse_depth(events: Iterable[Any], path: Path) -> None:
    """The loader is compiled and recursive: thousands of brackets would end the interpreter without a word."""
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in events:
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise AssayError(f"{path} is nested too deeply")
