"""Whole files or none: atomic writes, content hashes and JSON."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from assay.errors import AssayError
from assay.storage.disk_errors import as_os_errors
from assay.storage.leftovers import final_path, temporary_file
from assay.storage.places import file_place
from assay.storage.together import settle


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it on success and vanishes on any exception.

    The earlier `target` stays intact until the replacement is complete and flushed to disk; inside `all_or_none`, until
    that block ends. A link is kept, and the file that it names is replaced. Raises AssayError when the disk is full, the
    folder cannot be written, or something that is no file is there.
    """
    place = file_place(Path(target))
    with _naming(target), ExitStack() as held:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = held.enter_context(temporary_file(place))
        with as_os_errors():
            yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        settle(place, temporary, held)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Turn an OSError into an AssayError that names the file and the cure."""
    try:
        yield
    except OSError as error:  # h5py raises bare OSErrors that carry their own text
        reason = str(error) if error.errno is None else os.strerror(error.errno)
        raise AssayError(
            f"cannot write {final_path(target)}: {reason}; free space or choose another place. The earlier file, if any, is untouched"
        ) from error


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all. Raises AssayError for half of a surrogate pair, which is no character."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise AssayError(
            f"{target} would hold {text[error.start]!a}, half of a surrogate pair and no character; remove it from the input"
        ) from error
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as sorted, indented JSON. Raises AssayError on NaN or infinity."""
    try:
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise AssayError(f"{target} would hold a NaN or an infinity: {error}") from error
    write_text(target, text + "\n")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_folder(folder: Path) -> str:
    """SHA-256 over the sorted (relative path, content hash) pairs of a folder; hidden files and caches are left out."""
    digest = hashlib.sha256()
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        relative = path.relative_to(folder)
        if any(part.startswith(".") or part == "__pycache__" for part in relative.parts):
            continue
        digest.update(f"{relative.as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()
