"""What to read from a model, validated before any weights are loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from assay.activations.pooling import POOLINGS, Pooling
from assay.activations.store import STORE_DTYPES, StoreDtype
from assay.errors import AssayError
from assay.models.layers import LayerSpec, resolve_layers
from assay.models.sites import SITES, Site
from assay.prompts.positions import parse_position

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True)
class Request:
    """What to read: `layers` are block numbers, `position` an expression of the vocabulary.

    `dtype` is the store's. `token_budget` is the most padded tokens in a batch.
    """

    site: Site
    layers: tuple[int, ...]
    position: str
    pooling: Pooling
    dtype: StoreDtype
    token_budget: int


def parse_request(
    *,
    site: str,
    layers: LayerSpec | Sequence[LayerSpec],
    position: str,
    pooling: str,
    dtype: str,
    token_budget: int,
    n_layers: int,
    model_dtype: torch.dtype,
) -> Request:
    """Validate a request against a model of `n_layers` blocks that computes in `model_dtype`.

    The dtype "auto" keeps every bit: the model's own, and float32 for a mean, which is accumulated in it. Raises
    AssayError that lists the choices.
    """
    pooled = _choose("pooling", pooling, POOLINGS)
    parse_position(position)
    if dtype == "auto":
        dtype = "float32" if pooled == "mean" else str(model_dtype).removeprefix("torch.")
    if token_budget < 1:
        raise AssayError(f"the token budget of a batch must be at least 1, found {token_budget}")
    return Request(
        site=_choose("site", site, SITES),
        layers=tuple(resolve_layers(layers, n_layers)),
        position=position,
        pooling=pooled,
        dtype=_choose("dtype", dtype, STORE_DTYPES),
        token_budget=token_budget,
    )


def _choose(what: str, value: str, choices: tuple[Choice, ...]) -> Choice:
    for choice in choices:
        if value == choice:
            return choice
    raise AssayError(f"unknown {what} {value!r}; choose one of {', '.join(choices)}")
