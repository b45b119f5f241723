"""Trainable low-rank adapters, through peft, on the modules of chosen blocks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from assay.errors import AssayError
from assay.finetuning.adapters import remove_adapter
from assay.forward.encoded import Example
from assay.models.architecture import Architecture

# Places of a block's linear maps by their short names; a family has those that exist.
_MODULES: dict[str, tuple[str, ...]] = {
    "gate": ("mlp.gate_proj",),
    "up": ("mlp.up_proj", "mlp.c_fc"),
    "down": ("mlp.down_proj", "mlp.c_proj"),
    "q": ("self_attn.q_proj",),
    "k": ("self_attn.k_proj",),
    "v": ("self_attn.v_proj",),
    "qkv": ("attn.c_attn",),
    "o": ("self_attn.o_proj", "attn.c_proj"),
}


@dataclass(frozen=True)
class LoraShape:
    """Rank, scale numerator (peft multiplies by alpha / rank), block numbers and short module names of an adapter."""

    rank: int
    alpha: int
    layers: tuple[int, ...]
    modules: tuple[str, ...]


class TrainableLora:
    """One adapter in training: the hidden states below its first block never change."""

    def __init__(self, adapted: Any):
        self.adapted = adapted

    def parameters(self, run: int) -> list[torch.nn.Parameter]:
        """The adapter's weights; it has one run."""
        assert run == 0
        return [parameter for parameter in self.adapted.parameters() if parameter.requires_grad]

    def enter(
        self, hidden: torch.Tensor, examples: Sequence[Example], cuts: Sequence[int], runs: Sequence[int]
    ) -> torch.Tensor:
        """The hidden states as they are: the adapter works inside the blocks."""
        del examples, cuts, runs
        return hidden


@contextmanager
def adapted(
    model: nn.Module, architecture: Architecture, shape: LoraShape, seed: int
) -> Iterator[TrainableLora]:
    """Wrap `model` with a fresh adapter (float32, drawn from `seed`); afterwards the model is as it was."""
    import peft

    config = peft.LoraConfig(
        r=shape.rank,
        lora_alpha=shape.alpha,
        lora_dropout=0.0,
        target_modules=module_names(model, architecture, shape),
        task_type="CAUSAL_LM",
        fan_in_fan_out=architecture.family.blocks == "h",  # GPT-2's Conv1D keeps its weight transposed
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        wrapped = peft.get_peft_model(model, config, autocast_adapter_dtype=True)
    wrapped.eval()
    try:
        yield TrainableLora(wrapped)
    finally:
        remove_adapter(model, wrapped)


def module_names(model: nn.Module, architecture: Architecture, shape: LoraShape) -> list[str]:
    """The dotted names below `model` of the modules an adapter changes. Raises AssayError for one that is not there."""
    if shape.rank < 1 or not shape.layers or not shape.modules:
        raise AssayError("a LoRA adapter needs a rank of at least 1, a layer and a module")
    names = {id(module): name for name, module in model.named_modules()}
    found = []
    for layer in shape.layers:
        block = architecture.block(layer)
        for short in shape.modules:
            if short not in _MODULES:
                raise AssayError(f"unknown module {short!r}; choose among {', '.join(_MODULES)}")
            inside = dict(block.named_modules())
            places = [place for place in _MODULES[short] if place in inside]
            if not places:
                raise AssayError(f"a {architecture.model.__class__.__name__} has no module {short!r}")
            found.append(names[id(inside[places[0]])])
    return found
