"""Token segments and their packing into rows: several texts share a row and never see one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """One text to train on: token ids [n], and how much predicting each of them counts [n]; `kind` names its curve."""

    ids: np.ndarray
    weights: np.ndarray
    kind: str


@dataclass(frozen=True)
class Batch:
    """Rows of packed segments: ids, weights and segment numbers [rows, t] (0 is padding), kinds by segment number."""

    ids: Tensor
    weights: Tensor
    segments: Tensor
    kinds: Tensor

    def mask(self) -> Tensor:
        """Added to attention scores, float32 [rows, 1, t, t]: 0 at earlier positions of the same segment, else -inf."""
        length = self.ids.shape[1]
        same = self.segments[:, :, None] == self.segments[:, None, :]
        allowed = same & torch.ones(length, length, dtype=torch.bool).tril()
        return torch.zeros(allowed.shape).masked_fill_(~allowed, -torch.inf).unsqueeze(1)


def pack(
    segments: Sequence[Segment], length: int, rng: np.random.Generator, *, lookback: int = 32
) -> list[list[int]]:
    """Rows as lists of segment indices: shuffled segments go to the first of the last open rows that has room."""
    rows: list[list[int]] = []
    room: list[int] = []
    first_open = 0
    for index in rng.permutation(len(segments)):
        need = len(segments[index].ids)
        for row in range(first_open, len(rows)):
            if room[row] >= need:
                rows[row].append(int(index))
                room[row] -= need
                break
        else:
            rows.append([int(index)])
            room.append(length - need)
            first_open = max(first_open, len(rows) - lookback)
    return [rows[row] for row in rng.permutation(len(rows))]


def make_batch(
    segments: Sequence[Segment], rows: Sequence[Sequence[int]], length: int, kinds: Sequence[str]
) -> Batch:
    """Lay the rows out. The first token of a segment is never a target, so its weight is 0."""
    ids = np.zeros((len(rows), length), np.int64)
    weights = np.zeros((len(rows), length), np.float32)
    numbers = np.zeros((len(rows), length), np.int64)
    kind = np.zeros((len(rows), length), np.int64)
    for row, members in enumerate(rows):
        start = 0
        for number, index in enumerate(members, 1):
            segment = segments[index]
            place = slice(start, start + len(segment.ids))
            ids[row, place], weights[row, place] = segment.ids, segment.weights
            weights[row, start] = 0
            numbers[row, place], kind[row, place] = number, kinds.index(segment.kind)
            start = place.stop
    return Batch(*(torch.from_numpy(array) for array in (ids, weights, numbers, kind)))
