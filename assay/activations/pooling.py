"""Pooling: from the tokens of a position to the rows of a store."""

from typing import Literal, get_args

import torch

Pooling = Literal["none", "mean", "last", "max"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def pool(values: torch.Tensor, counts: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Reduce `values` [tokens, width], grouped by record, to the rows [rows, width] of a store.

    `counts` [records] int64 on the device of `values` says how many consecutive tokens belong to each record, at
    least one. `none` keeps every token; the others give one row per record. A mean is accumulated and returned in
    float32 whatever the dtype of `values`, the others keep it. Each record is reduced on its own and in order, so
    its row does not depend on the other records.
    """
    if pooling == "none":
        return values
    if pooling == "last":
        return values[counts.cumsum(0) - 1]
    if pooling == "max":
        return torch.segment_reduce(values, "max", lengths=counts, axis=0)
    return torch.segment_reduce(values.float(), "mean", lengths=counts, axis=0)
