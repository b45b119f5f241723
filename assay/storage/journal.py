"""A journal: groups of rows appended to a file so that a kill at any moment loses at most the group being written."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assay.errors import AssayError

SYNC_EVERY = 1.0  # seconds: a sync takes milliseconds, and answers can come faster


class Journal:
    """Context manager: rows that an earlier run appended are `rows`; a group is appended whole or, after a kill, not at all.

    One line holds one group. A last line that is not complete is cut off when the journal is opened.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        content = self.path.read_bytes() if self.path.exists() else b""
        complete = content[: content.rfind(b"\n") + 1]
        self.rows = [row for group in self._groups(complete) for row in group]
        self._file = open(self.path, "r+b" if self.path.exists() else "x+b", buffering=0)
        self._file.truncate(len(complete))
        self._file.seek(len(complete))
        self._synced = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def append(self, group: Sequence[Mapping[str, Any]]) -> None:
        """Append a group: no kill of this process loses it, and a power cut only what is younger than SYNC_EVERY.

        Raises AssayError on a full disk.
        """
        line = json.dumps(list(group)).encode() + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            if time.monotonic() - self._synced >= SYNC_EVERY:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise AssayError(
                f"cannot write {self.path}: {error.strerror}; free space and run again, what is in it is kept"
            ) from error

    def _groups(self, complete: bytes) -> Iterator[list[dict[str, Any]]]:
        for number, line in enumerate(complete.splitlines(), 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise AssayError(
                    f"{self.path}, line {number} is damaged ({error}); delete the file to ask everything again"
                ) from error
