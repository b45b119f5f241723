"""RMS norms and LoRA maps in fewer passes over memory, with their gradients written out; the same to float rounding.

In a narrow model these elementwise passes take as long as the matrix products. Weights below LoRA and of norms are frozen:
only inputs and the low-rank factors get gradients.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import nn

from assay.forward.replaced_forwards import replaced_forwards

# How transformers' norms call their epsilon, and what they add to their weight (modeling_gemma3.py, modeling_llama.py).
_NORMS: dict[str, tuple[str, float]] = {
    "Gemma2RMSNorm": ("eps", 1.0),
    "Gemma3RMSNorm": ("eps", 1.0),
    "LlamaRMSNorm": ("variance_epsilon", 0.0),
    "MistralRMSNorm": ("variance_epsilon", 0.0),
    "Qwen2RMSNorm": ("variance_epsilon", 0.0),
    "Qwen3RMSNorm": ("variance_epsilon", 0.0),
}


def fused(model: nn.Module) -> AbstractContextManager[None]:
    """Run the norms and LoRA maps of a frozen `model` in fewer passes; they are themselves again afterwards.

    Modules that are not in float32, where the order of roundings would show, stay as they are, and so do those that
    accelerate has wrapped and LoRA maps with more than two low-rank factors (several adapters, dropout, variants).
    """
    forwards: dict[nn.Module, Callable[..., Any]] = {}
    for module in model.modules():
        if "forward" in module.__dict__ or not _is_float32(module):
            continue
        if type(module).__name__ in _NORMS:
            name, offset = _NORMS[type(module).__name__]
            weight = module.get_parameter("weight").detach() + offset
            forwards[module] = partial(_norm, weight=weight, epsilon=getattr(module, name))
        elif _is_plain_lora(module):
            forwards[module] = partial(_lora, module)
    return replaced_forwards(forwards)


def _norm(hidden: torch.Tensor, *, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    normed: torch.Tensor = _RMSNorm.apply(hidden, weight, epsilon)  # type: ignore[no-untyped-call]
    return normed


def _lora(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    """What a peft map gives, with its factors and scaling of now."""
    (name,) = module.active_adapters
    down, up = module.lora_A[name].weight, module.lora_B[name].weight
    base = module.base_layer
    mapped: torch.Tensor = _LoraMap.apply(  # type: ignore[no-untyped-call]
        hidden, base.weight, base.bias, down, up, module.scaling[name]
    )
    return mapped


def _is_float32(module: nn.Module) -> bool:
    return all(parameter.dtype == torch.float32 for parameter in module.parameters())


def _is_plain_lora(module: Any) -> bool:
    """Whether it is peft's map W x + s B A x around a frozen `nn.Linear`, and nothing else."""
    if type(module).__module__ != "peft.tuners.lora.layer" or type(module).__name__ != "Linear":
        return False
    return (
        type(module.base_layer) is nn.Linear
        and not any(parameter.requires_grad for parameter in module.base_layer.parameters())
        and list(module.lora_A) == list(module.active_adapters)
        and len(module.lora_A) == 1
        and not (module.merged or module.disable_adapters or module.lora_variant)
        and all(isinstance(dropout, nn.Identity) for dropout in module.lora_dropout.values())
        and all(up.bias is None for up in module.lora_B.values())
    )


class _RMSNorm(torch.autograd.Function):
    """y = w · x r with r = (mean(x²) + ε)^−½ along the last dimension, so dx = r · (w dy) − x · r³ · mean(w dy · x)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
        root = squares.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, root)
        normed: torch.Tensor = (x * root).mul_(weight)
        return normed

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        x, weight, root = ctx.saved_tensors
        scaled = gradients[0] * weight
        inner = torch.linalg.vecdot(scaled, x).unsqueeze(-1).mul_(root.pow(3)).div_(x.shape[-1])
        return scaled.mul_(root).addcmul_(x, inner, value=-1), None, None


class _LoraMap(torch.autograd.Function):
    """y = W x + b + s B A x; only x, A and B have gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        inner = rows @ down.T
        ctx.save_for_backward(rows, weight, down, up, inner)
        ctx.shape, ctx.scaling = x.shape, scaling
        mapped = nn.functional.linear(rows, weight, bias).addmm_(inner, up.T, alpha=scaling)
        return mapped.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, None, None, torch.Tensor, torch.Tensor, None]:
        rows, weight, down, up, inner = ctx.saved_tensors
        out = gradients[0].reshape(-1, len(weight))
        to_inner = (out @ up).mul_(ctx.scaling)
        below = (out @ weight).addmm_(to_inner, down).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return below, None, None, to_inner.T @ rows, (out.T @ inner).mul_(ctx.scaling), None
