"""Where an output may go: links are followed, and what is neither a file nor a folder is never replaced."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from assay.errors import AssayError
from assay.storage.leftovers import final_path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def file_place(target: Path) -> Path:
    """The file that `target` means, all links followed; it need not exist.

    Raises AssayError where something else is there, and for a link to a read-only file, such as one in a DVC cache.
    """
    mode = _mode(target)
    if mode is not None and not stat.S_ISREG(mode):
        raise AssayError(
            f"cannot write {final_path(target)}: {_KINDS[stat.S_IFMT(mode)]} is there; choose another place for the file"
        )
    if mode is not None and target.is_symlink() and not mode & 0o222:
        raise AssayError(
            f"cannot write {target}: it is a link to a read-only file; delete the link (or `dvc unprotect` it) first"
        )
    return Path(os.path.realpath(target))


def folder_place(target: Path) -> Path:
    """The folder that `target` means, all links followed; it need not exist. Raises AssayError where something else is there."""
    mode = _mode(target)
    if mode is not None and not stat.S_ISDIR(mode):
        raise AssayError(
            f"cannot write {target}: {_KINDS[stat.S_IFMT(mode)]} is there; choose another place for the folder"
        )
    return Path(os.path.realpath(target))


def refuse_foreign(target: Path, made: Sequence[str]) -> None:
    """Raise AssayError where the folder `target` holds anything but regular files that match one of the patterns `made`.

    A pattern is that of `PurePath.match`, from the right: `train.jsonl` is such a file at any depth.
    """
    place = folder_place(target)
    for path in sorted(place.rglob("*")):
        relative = PurePosixPath(path.relative_to(place).as_posix())
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file() or not any(relative.match(pattern) for pattern in made):
            raise AssayError(
                f"{target} would be replaced, but holds {relative}, which this command does not write; "
                "choose another folder, or delete this one"
            )


def _mode(target: Path) -> int | None:
    """The kind and permissions of what is there; None for nothing."""
    try:
        return os.stat(target).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AssayError(f"cannot write {target}: {error.strerror}; choose another place") from error
