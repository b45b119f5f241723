"""Scratch folders for long work: one per fingerprint, one writer at a time, kept until the work is done."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.errors import AssayError


@contextmanager
def scratch_folder(root: Path, fingerprint: str) -> Iterator[Path]:
    """Yield the folder of the work that `fingerprint` names, locked against a second writer.

    What an interrupted run left in it is still there. The folder is removed when the block ends normally; after an
    exception it stays, so that the next run can go on. The lock dies with its process, also after SIGKILL. Raises
    AssayError naming the process that holds it.
    """
    root = Path(root)
    folder = root / fingerprint[:32]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssayError(
            f"cannot make the scratch folder {root}: {error.strerror}; choose another place"
        ) from error
    with _locked(folder.with_suffix(".lock"), folder):
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)


@contextmanager
def _locked(lock: Path, folder: Path) -> Iterator[None]:
    handle = _acquire(lock, folder)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        if not folder.exists():  # done: nobody needs the lock file any more
            lock.unlink()
        os.close(handle)


def _acquire(lock: Path, folder: Path) -> int:
    """An open, locked descriptor of the file that is at `lock` now."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode() or "unknown"
            os.close(handle)
            raise AssayError(
                f"process {holder} is already writing this result (lock {lock}); wait for it or end it, then run again: "
                f"what it finished is kept in {folder}"
            ) from None
        if _is_at(lock, handle):
            return handle
        os.close(handle)  # its owner finished and unlinked the file between open and flock: try the new one


def _is_at(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(handle))
    except FileNotFoundError:
        return False
