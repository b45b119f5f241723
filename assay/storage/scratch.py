"""Scratch folders for long work: one per fingerprint, one writer at a time, kept until the work is done."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from assay.errors import AssayError
from assay.storage.together import afterwards

_LOG = logging.getLogger(__name__)
_own_locks: set[Path] = set()  # that this process holds: waiting for one of them would never end


@contextmanager
def scratch_folder(root: Path, fingerprint: str) -> Iterator[Path]:
    """Yield the folder of the work that `fingerprint` names, locked against a second writer.

    What an interrupted run left in it is still there. The folder is removed when the block ends normally (inside
    `all_or_none`, when the outputs are in their places); after an exception it stays, so that the next run can go on.
    While another process writes it, this one waits. The lock dies with its process, also after SIGKILL. Raises
    AssayError where this process itself holds it.
    """
    root = Path(root)
    folder = root / fingerprint[:32]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssayError(
            f"cannot make the scratch folder {root}: {error.strerror}; choose another place"
        ) from error
    with ExitStack() as held:
        held.enter_context(_locked(folder.with_suffix(".lock"), folder))
        folder.mkdir(exist_ok=True)
        yield folder
        afterwards(partial(shutil.rmtree, folder), held)


@contextmanager
def _locked(lock: Path, folder: Path) -> Iterator[None]:
    handle = _acquire(lock, folder)
    _own_locks.add(lock.resolve())
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        if not folder.exists():  # done: nobody needs the lock file any more
            lock.unlink()
        _own_locks.discard(lock.resolve())
        os.close(handle)


def _acquire(lock: Path, folder: Path) -> int:
    """An open, locked descriptor of the file that is at `lock` now."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait(handle, lock, folder)
        if _is_at(lock, handle):
            return handle
        os.close(handle)  # its owner finished and unlinked the file between open and flock: try the new one


def _wait(handle: int, lock: Path, folder: Path) -> None:
    """Take the lock once its holder lets go of it."""
    if lock.resolve() in _own_locks:
        os.close(handle)
        raise AssayError(f"this process is already writing this result (lock {lock}); ask for it once")
    _LOG.warning(
        "waiting for process %s, which is writing this result (lock %s); end it to go on from what it left in %s",
        os.pread(handle, 32, 0).decode() or "unknown",
        lock,
        folder,
    )
    fcntl.flock(handle, fcntl.LOCK_EX)


def _is_at(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(handle))
    except FileNotFoundError:
        return False
