"""What a LoRA adapter adds at its layers: the MLP's output under it minus without it, token by token."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.adapters import open_adapter
from assay.architecture import Architecture
from assay.errors import AssayError
from assay.gathering import Activations, gather
from assay.loading import LoadedModel
from assay.records import PromptRecord


def adapter_effect(
    loaded: LoadedModel,
    folder: Path,
    records: Sequence[PromptRecord],
    *,
    position: str = "all",
    token_budget: int = 4096,
) -> dict[int, list[Activations]]:
    """layer → for each record the differences [tokens, 1, d_model] at `mlp_out` for every block that the adapter changes.

    The baseline of a block keeps the adapter in all blocks below it, so that the difference is what this block itself
    adds: an adapter of one block is compared with the base model. What the adapter does to the block's attention, if
    anything, counts too. Raises AssayError for an adapter that is not LoRA or is of another model.
    """
    with open_adapter(folder, loaded) as adapted:
        if adapted.info.method != "lora":
            raise AssayError(
                f"{folder} holds vectors, which are the same at every token; give a LoRA adapter"
            )
        layers = sorted(adapted.info.layers)

        def read(which: Sequence[int]) -> list[Activations]:
            return gather(
                adapted.model, adapted.architecture, loaded.tokenizer, records,
                site="mlp_out", layers=which, position=position, token_budget=token_budget,
            )  # fmt: skip

        under = read(layers)
        effect = {}
        for index, layer in enumerate(layers):
            with without_lora(adapted.architecture, range(layer, adapted.architecture.n_layers)):
                base = read([layer])
            effect[layer] = [_difference(a, b, index) for a, b in zip(under, base, strict=True)]
    return effect


@contextmanager
def without_lora(architecture: Architecture, layers: Sequence[int]) -> Iterator[None]:
    """The blocks `layers` without what LoRA adds to their maps (exactly: it is multiplied by 0), until the block ends."""
    from peft.tuners.lora import LoraLayer

    maps = [m for layer in layers for m in architecture.block(layer).modules() if isinstance(m, LoraLayer)]
    kept = [dict(one.scaling) for one in maps]
    try:
        for one in maps:
            one.scaling.update(dict.fromkeys(one.scaling, 0.0))
        yield
    finally:
        for one, scaling in zip(maps, kept, strict=True):
            one.scaling.update(scaling)


def _difference(under: Activations, base: Activations, index: int) -> Activations:
    rows: NDArray[np.float32] = under.rows[:, index : index + 1] - base.rows
    return Activations(under.encoding, under.tokens, rows)
