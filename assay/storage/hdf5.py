"""HDF5 without its two surprises: a full disk that crashes the interpreter, and errors that do not say what to do."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from assay.errors import AssayError


class _Landing(io.RawIOBase):
    """A file that accepts every write and remembers the first one that failed.

    HDF5 2.0 cannot close a file whose disk is full: what it still wants to flush fails again and the interpreter dies
    at exit (seen with h5py 3.16: "Can't decrement id ref count", then SIGSEGV). So HDF5 writes through this object,
    never sees the error, closes in peace, and the caller raises it.
    """

    def __init__(self, path: Path):
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115 - closed by `close`
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, or nothing more once a write has failed."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Set the file's size."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`."""
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The current offset."""
        return self._file.tell()

    def readable(self) -> bool:
        """HDF5 reads back metadata."""
        return True

    def writable(self) -> bool:
        """It is written."""
        return True

    def seekable(self) -> bool:
        """It is a file on disk."""
        return True

    def close(self) -> None:
        """Close the file on disk."""
        self._file.close()
        super().close()


class HDF5Writer:
    """An HDF5 file being written; `check` raises the first write error. Same content gives the same bytes."""

    def __init__(self, file: h5py.File, landing: _Landing):
        self.file = file
        self._landing = landing

    def check(self) -> None:
        """Raise the OSError of the first write that failed, if any."""
        if self._landing.error is not None:
            raise self._landing.error


@contextmanager
def create_hdf5(path: Path) -> Iterator[HDF5Writer]:
    """Create an HDF5 file at `path`. Raises OSError when anything could not be written, also while closing."""
    landing = _Landing(path)
    try:
        with h5py.File(landing, "w") as file:
            writer = HDF5Writer(file, landing)
            yield writer
        writer.check()
    finally:
        landing.close()


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn what h5py says about a missing, truncated or corrupt file into an AssayError with the cure."""
    try:
        yield
    except FileNotFoundError as error:
        raise AssayError(f"{path} does not exist; run the stage that makes it or check the path") from error
    except IsADirectoryError as error:
        raise AssayError(f"{path} is a folder, not an activation store; give the .h5 file") from error
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise AssayError(
            f"{path} is not a readable activation store (truncated or corrupt: {error}); "
            "delete it and run the stage that makes it again"
        ) from error
