"""Whole folders or none."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.errors import AssayError


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target` that replaces it on success and vanishes on any exception.

    The earlier `target`, a folder, stays intact until then. Raises AssayError when the disk is full or cannot be written.
    """
    target = Path(target)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
        made = temporary / "new"
        made.mkdir()
        yield made
        if target.exists():
            os.replace(target, temporary / "old")
        os.replace(made, target)
    except OSError as error:
        raise AssayError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another place. "
            "The earlier folder, if any, is untouched"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
