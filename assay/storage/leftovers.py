"""Temporary files and folders beside their target. Those of a killed process go when the target is next written."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")  # as tempfile draws names
NEW, OLD = "new", "old"
"""Where a temporary folder has what is being written, and the earlier target while the new one takes its place."""


@contextmanager
def temporary_file(place: Path) -> Iterator[Path]:
    """A new, empty file .<name>.<random>.tmp beside `place`, which goes at the end. Raises OSError."""

    def make(prefix: str) -> str:
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=prefix, suffix=".tmp")
        os.close(handle)
        return name

    with _locked(place, make) as path:
        yield path


@contextmanager
def temporary_folder(place: Path) -> Iterator[Path]:
    """A new, empty folder .<name>.<random>.tmp beside `place`, which goes at the end. Raises OSError."""
    with _locked(
        place, lambda prefix: tempfile.mkdtemp(dir=place.parent, prefix=prefix, suffix=".tmp")
    ) as path:
        yield path


def is_temporary(path: Path) -> bool:
    """Whether a path is, or is in, a temporary file or folder of this module."""
    return any(_TEMPORARY.fullmatch(part) for part in path.parts)


def final_path(path: Path) -> Path:
    """Where a file will be: one in the temporary folder of a folder that is being written is shown as in that folder."""
    parts: list[str] = []
    for part in path.parts:
        if parts and _TEMPORARY.fullmatch(parts[-1]) and part == NEW:
            parts[-1] = parts[-1][1 : -len(".12345678.tmp")]
        else:
            parts.append(part)
    return Path(*parts)


@contextmanager
def _locked(place: Path, make: Callable[[str], str]) -> Iterator[Path]:
    """What `make` makes, locked as long as it is in use: the lock dies with the process."""
    collect(place)
    path = Path(make(f".{place.name}."))
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: a leftover of a killed run then stays
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield path
    finally:
        remove(path)
        os.close(handle)


def collect(place: Path) -> None:
    """Remove the temporary files of killed processes that wrote `place`; a folder that was being replaced is put back."""
    for path in [path for path in place.parent.iterdir() if is_temporary_of(path, place)]:
        with suppress(OSError):  # in use, already gone, or another user's
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (path / OLD).exists() and not place.exists():
                    os.replace(path / OLD, place)
                remove(path)
            finally:
                os.close(handle)


def is_temporary_of(path: Path, place: Path) -> bool:
    """Whether a path is a temporary file or folder of `place`."""
    name = re.compile(rf"\.{re.escape(place.name)}\.[a-z0-9_]{{8}}\.tmp")
    return path.parent == place.parent and name.fullmatch(path.name) is not None


def remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
