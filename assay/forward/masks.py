"""Attention masks written out: which key each query sees, for keys that may lie in a prefix."""

from typing import Any

import torch

# modeling_{gemma2,gemma3,qwen2,qwen3}.py take a mask for each kind of layer; the others take one tensor for all.
_BY_LAYER_TYPE = ("gemma2", "gemma3_text", "qwen2", "qwen3")
Mask = torch.Tensor | dict[str, torch.Tensor]


def attention_mask(
    text_config: Any,
    keys: torch.Tensor,
    valid: torch.Tensor,
    queries: torch.Tensor,
    dtype: torch.dtype,
) -> Mask:
    """What the blocks of a family add to attention scores: 0 where a query sees a key, else the least finite number.

    `keys` [batch, n_keys] and `queries` [batch, n_queries] are token positions, `valid` [batch, n_keys] says which
    keys are tokens and not padding. Tensors are [batch, 1, n_queries, n_keys]; a dict holds one for each layer type.
    """
    seen = (queries[:, :, None] >= keys[:, None, :]) & valid[:, None, :]
    return seen_mask(text_config, seen, keys, queries, dtype)


def seen_mask(
    text_config: Any, seen: torch.Tensor, keys: torch.Tensor, queries: torch.Tensor, dtype: torch.dtype
) -> Mask:
    """The same where `seen` [batch, n_queries, n_keys] says which key a query would see if no layer had a sliding window."""
    distance = queries[:, :, None] - keys[:, None, :]
    window = getattr(text_config, "sliding_window", None)
    sliding = seen if window is None else seen & (distance < window)
    if text_config.model_type in _BY_LAYER_TYPE:
        return {"full_attention": _additive(seen, dtype), "sliding_attention": _additive(sliding, dtype)}
    return _additive(sliding, dtype)


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill(~seen, torch.finfo(dtype).min)[:, None]
