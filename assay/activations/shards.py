"""Shards: the finished parts of a long extraction, in plan order, and their assembly into record order."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import AssayError
from assay.storage.files import atomic_path

SHARD_BYTES = 256 * 2**20  # a shard is closed at whichever comes first:
SHARD_BATCHES = 16  # this is also the most that a kill can lose
BLOCK_BYTES = 32 * 2**20  # rows that the assembly holds at once
DIGEST_BYTES = 32  # BLAKE2b of the rows, at the end of a shard


@dataclass(frozen=True)
class Shard:
    """Consecutive batches of a plan, each a list of record numbers, and the number of rows they make."""

    path: Path
    batches: list[list[int]]
    n_rows: int

    @property
    def records(self) -> Iterator[int]:
        """Record numbers in the order of the shard's rows."""
        return (record for batch in self.batches for record in batch)


def plan_shards(
    folder: Path, batches: Iterable[list[int]], rows_per_record: np.ndarray, row_bytes: int
) -> list[Shard]:
    """Group consecutive batches into shards of at most SHARD_BATCHES batches and about SHARD_BYTES bytes."""
    shards: list[Shard] = []
    group: list[list[int]] = []
    n_rows = 0

    def close() -> None:
        shards.append(Shard(folder / f"{len(shards):06d}.rows", list(group), n_rows))

    for batch in batches:
        group.append(batch)
        n_rows += int(rows_per_record[batch].sum())
        if len(group) == SHARD_BATCHES or n_rows * row_bytes >= SHARD_BYTES:
            close()
            group, n_rows = [], 0
    if group:
        close()
    return shards


def is_complete(shard: Shard, row_bytes: int) -> bool:
    """Whether an earlier run finished this shard, and its bytes still are what was written."""
    size = shard.n_rows * row_bytes + DIGEST_BYTES
    return shard.path.exists() and shard.path.stat().st_size == size and _is_intact(shard)


def write_shard(shard: Shard, parts: Iterable[np.ndarray]) -> None:
    """Write rows [n, layers, d] in order and behind them their digest, whole or not at all. Raises AssayError on a full disk."""
    digest = _digest()
    with atomic_path(shard.path) as temporary, open(temporary, "wb") as handle:
        for rows in parts:
            data = rows.data.cast("B")
            handle.write(data)
            digest.update(data)
        handle.write(digest.digest())


def check_shards(shards: Iterable[Shard]) -> None:
    """Raise AssayError for a shard whose bytes are not what was written: the next run computes it again."""
    for shard in shards:
        if not _is_intact(shard):
            raise AssayError(
                f"{shard.path} has changed since it was written, so the disk or its memory is not to be trusted; run again"
            )


def _is_intact(shard: Shard) -> bool:
    digest = _digest()
    with open(shard.path, "rb") as handle:
        rest = os.fstat(handle.fileno()).st_size - DIGEST_BYTES
        while rest > 0 and (part := handle.read(min(rest, BLOCK_BYTES))):
            digest.update(part)
            rest -= len(part)
        return handle.read() == digest.digest()


def _digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


class RowIndex:
    """Where the rows of each record are in the shards."""

    def __init__(self, shards: Sequence[Shard], rows_per_record: np.ndarray):
        self.shards = shards
        self.counts = rows_per_record
        self.shard_of = np.empty(len(rows_per_record), np.int64)
        self.row_of = np.empty(len(rows_per_record), np.int64)
        for number, shard in enumerate(shards):
            row = 0
            for record in shard.records:
                self.shard_of[record], self.row_of[record] = number, row
                row += int(rows_per_record[record])

    def gather(self, block: np.ndarray, first_row: int, offsets: np.ndarray) -> None:
        """Fill `block` [n, layers, d] with the rows first_row … first_row + n of the store.

        `offsets` [records + 1] are the first rows of the records in the store. Plain reads, no memory map: mapped pages
        would count as this process's memory.
        """
        last_row = first_row + len(block)
        first = int(np.searchsorted(offsets, first_row, side="right")) - 1
        last = int(np.searchsorted(offsets, last_row, side="left"))
        row_bytes = block[0].nbytes
        flat = block.reshape(len(block), -1).view(np.uint8)
        records = first + np.argsort(self.shard_of[first:last], kind="stable")
        for number in np.unique(self.shard_of[first:last]):
            with open(self.shards[number].path, "rb", buffering=0) as handle:
                for record in records[self.shard_of[records] == number]:
                    start, stop = max(first_row, offsets[record]), min(last_row, offsets[record + 1])
                    handle.seek(int(self.row_of[record] + start - offsets[record]) * row_bytes)
                    wanted = flat[start - first_row : stop - first_row].data.cast("B")
                    if handle.readinto(wanted) != len(wanted):
                        raise RuntimeError(
                            f"{self.shards[number].path} ended early while it was being assembled"
                        )


def block_rows(chunk_rows: int, row_bytes: int) -> int:
    """Rows of an assembly block: whole chunks of the store, about BLOCK_BYTES of memory."""
    return chunk_rows * max(1, BLOCK_BYTES // (row_bytes * chunk_rows))


def assemble(
    index: RowIndex, offsets: np.ndarray, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> Iterator[np.ndarray]:
    """Yield the rows of the store in order, in blocks `shape` = [rows, layers, d] (the last one shorter).

    All blocks are the same memory: a block holds its rows until the next one is asked for.
    """
    n_rows = int(offsets[-1])
    buffer = np.empty((min(shape[0], n_rows), *shape[1:]), dtype)
    for first_row in range(0, n_rows, shape[0]):
        block = buffer[: n_rows - first_row]
        index.gather(block, first_row, offsets)
        yield block
