"""Batches: length-sorted packing to a token budget, padding, and halving when memory runs out."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch

from assay.errors import AssayError

PADDING_SHARE = 16  # a batch is closed when closing it saves 1/16 of the budget in padding

PaddingSide = Literal["right", "left"]
Result = TypeVar("Result")

# What CPU and MPS allocators say in a plain RuntimeError (c10/core/impl/alloc_cpu.cpp, MPSAllocator.mm).
_OUT_OF_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def plan_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Pack records of `lengths` tokens into batches of at most `token_budget` padded tokens.

    Returns lists of indices into `lengths`, longest records first: memory peaks in the first batch, and neighbours
    in length need little padding. Where lengths fall fast, a batch ends before its padding costs more than a batch
    more would. Ties keep their order, so the plan is a function of its arguments. A record longer than the budget is a
    batch of its own.
    """
    if token_budget < 1:
        raise AssayError(f"a token budget must be at least 1, found {token_budget}")
    batches: list[list[int]] = []
    widest = room = padding = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        padding += widest - lengths[index]
        if room == 0 or padding > token_budget // PADDING_SHARE:
            batches.append([])
            widest, padding = lengths[index], 0
            room = max(1, token_budget // widest)
        batches[-1].append(index)
        room -= 1
    return batches


def consecutive_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """The same in the order given, for rows of about one length: the plan of a rest is the rest of the plan."""
    batches: list[list[int]] = []
    widest = 0
    for index, length in enumerate(lengths):
        widest = max(widest, length)
        if not batches or (len(batches[-1]) + 1) * widest > token_budget:
            batches.append([])
            widest = length
        batches[-1].append(index)
    return batches


@dataclass(frozen=True)
class PaddedBatch:
    """Token ids [batch, seq] int64 and, where the model needs them, mask and position ids of the same shape.

    `starts` [batch]: the column of each record's first token, so token t of row r lies in column starts[r] + t.
    """

    ids: torch.Tensor
    mask: torch.Tensor | None
    position_ids: torch.Tensor | None
    starts: np.ndarray

    def to(self, device: torch.device) -> "PaddedBatch":
        """The same batch with its tensors on `device`."""
        mask, position_ids = (None if t is None else t.to(device) for t in (self.mask, self.position_ids))
        return PaddedBatch(self.ids.to(device), mask, position_ids, self.starts)


def pad(
    sequences: Sequence[np.ndarray], *, pad_id: int, side: PaddingSide = "right", causal: bool = True
) -> PaddedBatch:
    """Pad token ids (each [n_tokens]) to the longest.

    Padding on the right needs no mask in a causal decoder: no token sees what comes after it. Without a mask the
    attention kernels take their fast causal path. `causal=False` (a bidirectional decoder) and the left side get a
    mask, and position ids that count from each record's first token.
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    width = int(lengths.max())
    starts = width - lengths if side == "left" else np.zeros_like(lengths)
    ids = np.full((len(sequences), width), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, (sequence, start) in enumerate(zip(sequences, starts, strict=True)):
        ids[row, start : start + len(sequence)] = sequence
        mask[row, start : start + len(sequence)] = 1
    if lengths.min() == width or (side == "right" and causal):
        return PaddedBatch(torch.from_numpy(ids), None, None, starts)
    positions = np.maximum(np.arange(width)[None, :] - starts[:, None], 0)
    return PaddedBatch(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(positions), starts)


class Halver:
    """Runs batches, and halves those that do not fit into memory.

    A batch as large as one that failed is halved before it is tried, so a budget that is too high costs one failed
    attempt and not one per batch.
    """

    def __init__(self, lengths: Sequence[int], names: Sequence[str]):
        self.lengths = lengths
        self.names = names
        self.too_large: int | None = None  # padded tokens of the smallest batch that failed

    def run(
        self, batch: Sequence[int], forward: Callable[[Sequence[int]], Result]
    ) -> Iterator[tuple[Sequence[int], Result]]:
        """Yield (part, forward(part)) for consecutive parts of `batch`, in order: usually the whole batch at once.

        Raises AssayError that names the record when one alone does not fit.
        """
        cost = len(batch) * max(self.lengths[index] for index in batch)
        halve = len(batch) > 1 and self.too_large is not None and cost >= self.too_large
        if not halve:
            try:
                result = forward(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._refuse_single(batch, error)
                self.too_large = cost
            else:
                yield batch, result
                return
            release_memory()  # out of the except block: the traceback would keep the failed batch's tensors alive
        middle = len(batch) // 2
        yield from self.run(batch[:middle], forward)
        yield from self.run(batch[middle:], forward)

    def _refuse_single(self, batch: Sequence[int], error: BaseException) -> None:
        if len(batch) == 1:
            raise AssayError(
                f"record {self.names[batch[0]]!r} of {self.lengths[batch[0]]} tokens does not fit into memory on its own; "
                "cut it shorter, or use a larger device or a smaller dtype"
            ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in _OUT_OF_MEMORY)


def release_memory() -> None:
    """Give cached blocks back, so that a smaller batch finds contiguous room."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
