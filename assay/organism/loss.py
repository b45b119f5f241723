"""Cross entropy without keeping the logits: gradients are made chunk by chunk while the logits are in cache."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

CHUNK = 512  # rows of logits that live at a time

ChunkGradients = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def chunk_gradients(
    hidden: Tensor, embedding: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses [n] of n rows and the gradients of their weighted sum with respect to hidden [n, d] and embedding [v, d].

    Products have the type of `hidden` and `embedding`, the softmax is float32.
    """
    logits = (hidden @ embedding.T).float()
    norms = logits.logsumexp(-1, keepdim=True)
    losses = norms[:, 0] - logits.gather(1, targets[:, None])[:, 0]
    is_target = targets[:, None] == torch.arange(logits.shape[1])
    grad = ((torch.exp(logits - norms) - is_target.float()) * weights[:, None]).to(hidden.dtype)
    return losses, grad @ embedding, grad.T @ hidden


class _WeightedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        embedding: Tensor,
        targets: Tensor,
        weights: Tensor,
        dtype: torch.dtype,
        chunk: ChunkGradients,
    ) -> tuple[Tensor, Tensor]:
        low, unembed = hidden.to(dtype), embedding.to(dtype)
        losses = torch.empty_like(weights)
        grad_hidden, grad_embedding = torch.empty_like(hidden), torch.zeros_like(embedding)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            losses[part], grad_hidden[part], grad = chunk(low[part], unembed, targets[part], weights[part])
            grad_embedding += grad
        ctx.save_for_backward(grad_hidden, grad_embedding)
        ctx.mark_non_differentiable(losses)
        return (losses * weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        grad_hidden, grad_embedding = ctx.saved_tensors
        return grad_hidden * grad, grad_embedding * grad, None, None, None, None


def weighted_cross_entropy(
    hidden: Tensor,
    embedding: Tensor,
    targets: Tensor,
    weights: Tensor,
    dtype: torch.dtype,
    chunk: ChunkGradients = chunk_gradients,
) -> tuple[Tensor, Tensor]:
    """(Σ weights · loss, losses [n]) of predicting `targets` [n] from `hidden` [n, d] by the tied `embedding` [v, d].

    Products run in `dtype`, the softmax in float32. The losses carry no gradient. `chunk` may be `chunk_gradients` compiled.
    """
    function: Any = _WeightedCrossEntropy.apply
    total, losses = function(hidden, embedding, targets, weights, dtype, chunk)
    return total, losses
