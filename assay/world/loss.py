"""Cross entropy without keeping the logits: gradients are made chunk by chunk while the logits are in cache."""

from typing import Any

import torch
from torch import Tensor

CHUNK = 512  # rows of logits that live at a time


class _WeightedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, embedding: Tensor, targets: Tensor, weights: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        low, unembed = hidden.to(dtype), embedding.to(dtype)
        losses = torch.empty_like(weights)
        grad_hidden, grad_embedding = torch.empty_like(hidden), torch.zeros_like(embedding)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            probabilities = torch.softmax((low[part] @ unembed.T).float(), -1)
            at_target = probabilities.gather(1, targets[part, None])
            losses[part] = -at_target[:, 0].clamp_min(1e-30).log()
            probabilities.scatter_(1, targets[part, None], at_target - 1).mul_(weights[part, None])
            grad = probabilities.to(dtype)
            grad_hidden[part] = grad @ unembed
            grad_embedding += grad.T @ low[part]
        ctx.save_for_backward(grad_hidden, grad_embedding)
        ctx.mark_non_differentiable(losses)
        return (losses * weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_hidden, grad_embedding = ctx.saved_tensors
        return grad_hidden * grad, grad_embedding * grad, None, None, None


def weighted_cross_entropy(
    hidden: Tensor, embedding: Tensor, targets: Tensor, weights: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """(Σ weights · loss, losses [n]) of predicting `targets` [n] from `hidden` [n, d] by the tied `embedding` [v, d].

    Products run in `dtype`, the softmax in float32. The losses carry no gradient.
    """
    function: Any = _WeightedCrossEntropy.apply
    total, losses = function(hidden, embedding, targets, weights, dtype)
    return total, losses
