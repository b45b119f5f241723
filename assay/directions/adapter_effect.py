"""What a LoRA adapter adds at its layers: the MLP's output under it minus without it, token by token.

Both come from one pass each, whatever the number of layers: in the second, every block runs a second time without its LoRA.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from assay.activations.gathering import Activations, gather
from assay.errors import AssayError
from assay.finetuning.adapters import open_adapter
from assay.models.architecture import Architecture
from assay.models.loading import LoadedModel
from assay.prompts.records import PromptRecord


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

        def read() -> list[Activations]:
            return gather(
                adapted.model, adapted.architecture, loaded.tokenizer, records,
                site="mlp_out", layers=layers, position=position, token_budget=token_budget,
            )  # fmt: skip

        under = read()
        with (
            without_lora(adapted.architecture, layers[-1:]),  # nothing above reads what it hands on
            rerun_without_lora(adapted.architecture, layers[:-1]),
        ):
            base = read()
    return {
        layer: [_difference(a, b, index) for a, b in zip(under, base, strict=True)]
        for index, layer in enumerate(layers)
    }


@contextmanager
def rerun_without_lora(architecture: Architecture, layers: Sequence[int]) -> Iterator[None]:
    """Each block of `layers` runs once more on what it got, without its LoRA: hooks inside see that run last.

    What it hands on is what it gave under the adapter.
    """

    def rerun(layer: int) -> Callable[..., None]:
        def after(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], _output: Any) -> None:
            with without_lora(architecture, [layer]):
                block.forward(*args, **kwargs)

        return after

    with ExitStack() as hooks:
        for layer in layers:
            handle = architecture.block(layer).register_forward_hook(rerun(layer), with_kwargs=True)
            hooks.callback(handle.remove)
        yield


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
    rows: NDArray[np.float32] = under.rows[:, index : index + 1] - base.rows[:, index : index + 1]
    return Activations(under.encoding, under.tokens, rows)
