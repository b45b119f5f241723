"""Which options of a command are its outputs: they are checked before any work, and appear all or none.

An output says so by its panel, under which `--help` lists it: `typer.Option(help=…, rich_help_panel=FILE)`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, Protocol

from assay.errors import AssayError
from assay.storage.places import file_place, folder_place
from assay.storage.together import all_or_none

FILE = "Files written"
FOLDER = "Folders written into"
WHOLE = "Folders replaced whole"


_outputs: ContextVar[Mapping[str, Mapping[str, Path]]] = ContextVar(
    "outputs",
    default={FILE: {}, FOLDER: {}, WHOLE: {}},  # noqa: B039 - never written to
)
"""Of the command that runs, by panel and option."""


class Command(Protocol):
    """What is used of a Typer command: the function that does the work, and the parameters that it is called with."""

    callback: Callable[..., Any] | None

    @property
    def params(self) -> Sequence[Any]:
        """Each has a name, opts and perhaps a rich_help_panel."""


def guard(command: Command) -> None:
    """Have `command` check its outputs first, and write all of them or none."""
    work = command.callback
    assert work is not None
    panels = {
        parameter: getattr(parameter, "rich_help_panel", None)
        for parameter in command.params
        if parameter.expose_value
    }

    @wraps(work)
    def guarded(**given: Any) -> Any:
        outputs: dict[str, dict[str, Path]] = {FILE: {}, FOLDER: {}, WHOLE: {}}
        inputs: dict[str, list[Path]] = {}
        for parameter, panel in panels.items():
            value = given[parameter.name]
            if panel not in outputs:
                inputs[parameter.opts[-1]] = list(_existing(value))
            elif value is not None:
                outputs[panel][parameter.opts[-1]] = Path(value)
        check(outputs[FILE], outputs[FOLDER], outputs[WHOLE], inputs)
        token = _outputs.set(outputs)
        try:
            with all_or_none([path for panel in outputs.values() for path in panel.values()]):
                return work(**given)
        finally:
            _outputs.reset(token)

    command.callback = guarded


def also_read(name: str, paths: Iterable[Path]) -> None:
    """Check the outputs of the command that runs against inputs that no option names: those that the file `name` lists, or
    the files in a folder. Call it before any work. Raises AssayError as `check` does.
    """
    outputs = _outputs.get()
    check(
        outputs[FILE],
        outputs[FOLDER],
        outputs[WHOLE],
        {name: [path for path in paths if os.path.exists(path)]},
    )


def check(
    files: Mapping[str, Path],
    folders: Mapping[str, Path],
    wholes: Mapping[str, Path],
    inputs: Mapping[str, list[Path]],
) -> None:
    """Outputs and existing inputs by the option that names them; `wholes` are folders that are replaced.

    Raises AssayError for an output where no file or folder can be written, that is an input or another output, or that
    would be lost, as an input would, in a folder that is replaced.
    """
    places = {name: file_place(path) for name, path in files.items()}
    places |= {name: folder_place(path) for name, path in (*folders.items(), *wholes.items())}
    read = {name: [Path(os.path.realpath(path)) for path in paths] for name, paths in inputs.items()}
    for name, place in places.items():
        others = [(other, path) for other, path in places.items() if other != name]
        others += [(other, path) for other, paths in read.items() for path in paths]
        for other, path in others:
            if path == place:
                raise AssayError(f"{name} and {other} are the same, {place}; give each a place of its own")
            if name in wholes and path.is_relative_to(place):
                raise AssayError(
                    f"{other} is in {place}, the folder {name}, which is replaced whole; choose another place for one of them"
                )


def _existing(value: object) -> Iterator[Path]:
    """The files and folders that an option's value names, as PATH or NAME=PATH."""
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str | Path):
            for text in {str(one), str(one).rpartition("=")[2]}:
                with suppress(ValueError):  # no path: a null character
                    if text and os.path.exists(text):
                        yield Path(text)
