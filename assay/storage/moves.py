"""Taking a place: a temporary file or folder becomes an output, at once; and a record of several, to finish after a kill.

The record stands beside the outputs while they take their places. Who dies then leaves it, and `finish` does what is left: all that it names
was complete and on disk before it was written.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from assay.storage.leftovers import NEW, OLD, is_temporary_of, remove, temporary_file

_RECORD = Path(".commit")


def take_place(temporary: Path, place: Path) -> None:
    """Put a temporary file, or what a temporary folder has under NEW, at `place`; a folder that is there goes to its OLD.

    Raises OSError, with what was there still there.
    """
    if not temporary.is_dir():
        os.replace(temporary, place)
        return
    if place.exists():
        os.replace(place, temporary / OLD)
    try:
        os.replace(temporary / NEW, place)
    except OSError:
        if (temporary / OLD).exists():
            os.replace(temporary / OLD, place)
        raise


@contextlib.contextmanager
def recorded(moves: Mapping[Path, Path], outputs: Iterable[Path]) -> Iterator[None]:
    """A record of `moves` (temporary by place) beside each of the `outputs`, or in it, for the length of a block that does them.

    Raises OSError.
    """
    folders = {
        output.parent if place == output else output
        for output in outputs
        for place in moves
        if place.is_relative_to(output)
    }
    with contextlib.ExitStack() as held:
        for folder in sorted(folders) if len(moves) > 1 else []:
            record = held.enter_context(temporary_file(folder / _RECORD.name[1:]))
            lines = [[os.path.relpath(path, folder) for path in pair] for pair in moves.items()]
            with open(record, "w", encoding="utf-8") as file:
                json.dump(lines, file)
                file.flush()
                os.fsync(file.fileno())
        yield


def finish(outputs: Iterable[Path]) -> None:
    """Do what killed processes left undone of the moves to `outputs` (files, or anything in folders)."""
    for output in outputs:
        _finish_in(output.parent)
        _finish_in(output)


def _finish_in(folder: Path) -> None:
    """Do the moves of the records in a folder, and clear away their copies in others."""
    for record in folder.glob(f"{_RECORD}.????????.tmp"):
        with contextlib.suppress(OSError), open(record, "rb") as handle:  # of a process at work, or gone
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            moves = _read(record)
            for place, temporary in moves:
                if (temporary / NEW).exists() or temporary.is_file():
                    take_place(temporary, place)
                remove(temporary)
            remove(record)
            for other in {above for place, _ in moves for above in place.parents[:2]} - {folder}:
                _finish_in(other)


def _read(record: Path) -> list[tuple[Path, Path]]:
    """(place, temporary) of every move of a record; none of one that was cut short, whose moves had not begun."""
    try:
        named = json.loads(record.read_text("utf-8"))
        pairs = [[Path(os.path.normpath(record.parent / path)) for path in pair] for pair in named]
        return [(place, temporary) for place, temporary in pairs if is_temporary_of(temporary, place)]
    except (ValueError, TypeError):
        return []
