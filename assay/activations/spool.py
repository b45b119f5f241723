"""Encoded records waiting on disk, so that memory does not grow with their number."""

import hashlib
import os
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from zlib import crc32

import numpy as np

from assay.errors import AssayError


class Spool:
    """Token ids and token positions of many records in an anonymous temporary file; memory holds only their counts.

    `lengths[i]` is the number of tokens of record i and `counts[i]` the number of its positions. `digest` hashes
    everything added. The file vanishes with the process, however it ends. Raises AssayError on a full disk.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        with self._disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._seen: set[str] = set()
        self._starts = array("q")
        self._checks = array("q")
        self._end = 0
        self._hash = hashlib.sha256()
        self.names: list[str] = []
        self.lengths = array("q")
        self.counts = array("q")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str, ids: np.ndarray, positions: np.ndarray) -> None:
        """Append a record: token ids [n_tokens] and the indices into them that are to be read. Names must be unique."""
        if name in self._seen:
            raise AssayError(f"two records have the id {name!r}; ids must be unique")
        self._seen.add(name)
        data = np.concatenate([ids, positions]).astype("<i4").tobytes()
        self._hash.update(f"{len(name)} {name} {len(ids)} {len(positions)} ".encode())
        self._hash.update(data)
        self._starts.append(self._end)
        self._checks.append(crc32(data))
        with self._disk_errors():
            self._end += self._file.write(data)
        self.names.append(name)
        self.lengths.append(len(ids))
        self.counts.append(len(positions))

    def get(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(token ids, positions) of a record, both int64."""
        n_ids = self.lengths[index]
        with self._disk_errors():
            self._file.seek(self._starts[index])
            raw = self._file.read(4 * (n_ids + self.counts[index]))
        if crc32(raw) != self._checks[index]:
            raise AssayError(
                f"the token ids in {self._folder} have changed since they were written; run again, on another disk if it recurs"
            )
        data = np.frombuffer(raw, "<i4").astype(np.int64)
        return data[:n_ids], data[n_ids:]

    @property
    def digest(self) -> str:
        """SHA-256 of all records so far, in order."""
        return self._hash.hexdigest()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise AssayError(
                f"cannot keep token ids in {self._folder}: {reason}; free space or choose another scratch folder"
            ) from error
