"""Gemma 3 for training on a few CPU cores: the function of `Gemma3ForCausalLM`, arranged for speed.

Weights of all layers are stacked per kind, so one cast and one batched optimiser step serve them all;
matrix products may run in bfloat16 while the residual stream, norms, softmax and weights stay float32; a layer is one
function without side effects, so that torch can compile it (`compiling`). `to_hugging_face` hands the weights to the ordinary model.
Shapes: batch b, seq t, d_model d, heads h, head_dim k, d_mlp m, n_layers l.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assay.organism.loss import chunk_gradients

KINDS = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
NORMS = {
    "before_attention": "input_layernorm",
    "after_attention": "post_attention_layernorm",
    "before_mlp": "pre_feedforward_layernorm",
    "after_mlp": "post_feedforward_layernorm",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
}


class LayerWeights(NamedTuple):
    """One layer: matrices [out, in] in compute precision, norm scales [d], those of queries and keys [h + kv, k]."""

    qkv: Tensor
    o: Tensor
    gate_up: Tensor
    down: Tensor
    before_attention: Tensor
    qk_scale: Tensor
    after_attention: Tensor
    before_mlp: Tensor
    after_mlp: Tensor


class Network(nn.Module):
    """The stacked weights and the forward pass up to the final norm."""

    def __init__(
        self, config: Gemma3TextConfig, *, precision: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.block, self.chunk_gradients = block, chunk_gradients  # or the same compiled, see `compiling`
        self.config, self.precision = config, precision
        self.layer_types: list[str] = list(config.layer_types or ())
        self.rope_thetas = {
            kind: float(rope["rope_theta"]) for kind, rope in (config.rope_parameters or {}).items()
        }
        layers, d, m = config.num_hidden_layers, config.hidden_size, config.intermediate_size
        k = config.head_dim
        q, kv = config.num_attention_heads * k, config.num_key_value_heads * k
        shapes = {
            "q": (q, d),
            "k": (kv, d),
            "v": (kv, d),
            "o": (d, q),
            "gate": (m, d),
            "up": (m, d),
            "down": (d, m),
        }
        self.matrices = nn.ParameterDict(
            {
                kind: nn.Parameter(torch.randn(layers, *s, generator=generator) * s[1] ** -0.5)
                for kind, s in shapes.items()
            }
        )
        # Gemma stores scale - 1. Each sublayer starts at (2 l)^-0.5, so the sum of all has the embedding's size.
        widths = {kind: (k if kind.endswith("_norm") else d) for kind in NORMS}
        self.norms = nn.ParameterDict(
            {kind: nn.Parameter(torch.zeros(layers, width)) for kind, width in widths.items()}
        )
        for kind in ("after_attention", "after_mlp"):
            nn.init.constant_(self.norms[kind], (2 * layers) ** -0.5 - 1)
        self.final_norm = nn.Parameter(torch.zeros(d))
        self.embedding = nn.Parameter(torch.randn(config.vocab_size, d, generator=generator) * d**-0.5)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Final hidden states [b, t, d] of token ids [b, t]; `mask` [b, 1, t, t] is added to the scores.

        Rotary angles count from the row's start: attention depends on distances alone, so packed texts need no reset.
        """
        config = self.config
        x = functional.embedding(ids, self.embedding) * math.sqrt(config.hidden_size)
        tables = self._rotary_tables(ids.shape[1])
        for layer, weights in enumerate(self._layers()):
            x = self.block(x, weights, tables[self.layer_types[layer]], mask, config.rms_norm_eps)
        return _normalise(x, config.rms_norm_eps) * (1 + self.final_norm)

    def _layers(self) -> list[LayerWeights]:
        """The weights of each layer as views of stacks that were cast and joined once for all layers."""
        config, scale = self.config, {kind: 1 + norm for kind, norm in self.norms.items()}
        layers, k = config.num_hidden_layers, config.head_dim
        heads, kv = config.num_attention_heads, config.num_key_value_heads
        low = {kind: matrix.to(self.precision) for kind, matrix in self.matrices.items()}
        query_scale = scale["q_norm"] * config.query_pre_attn_scalar**-0.5
        qk_scale = torch.cat(
            [
                query_scale[:, None].expand(layers, heads, k),
                scale["k_norm"][:, None].expand(layers, kv, k),
            ],
            1,
        )
        stacks = LayerWeights(
            qkv=torch.cat([low["q"], low["k"], low["v"]], 1),
            o=low["o"],
            gate_up=torch.cat([low["gate"], low["up"]], 1),
            down=low["down"],
            before_attention=scale["before_attention"],
            qk_scale=qk_scale,
            after_attention=scale["after_attention"],
            before_mlp=scale["before_mlp"],
            after_mlp=scale["after_mlp"],
        )
        return [LayerWeights(*weights) for weights in zip(*(s.unbind(0) for s in stacks), strict=True)]

    def rotary_speeds(self, layer: int) -> Tensor:
        """Radians per token of the layer's rotary pairs, fastest first, float32 [head_dim / 2]."""
        return self._speeds(self.layer_types[layer])

    def _speeds(self, kind: str) -> Tensor:
        k = self.config.head_dim
        speeds: Tensor = self.rope_thetas[kind] ** (-torch.arange(0, k, 2, dtype=torch.float32) / k)
        return speeds

    def _rotary_tables(self, length: int) -> dict[str, tuple[Tensor, Tensor]]:
        tables = {}
        for kind in self.rope_thetas:
            angles = torch.arange(length, dtype=torch.float32)[:, None] * self._speeds(kind)
            sine = angles.sin()
            tables[kind] = (torch.cat([angles.cos()] * 2, -1)[:, None], torch.cat([-sine, sine], -1)[:, None])
        return tables

    @torch.no_grad()
    def to_hugging_face(self) -> Gemma3ForCausalLM:
        """An ordinary float32 model with copies of these weights."""
        model = Gemma3ForCausalLM(self.config)
        model.tie_weights()
        for layer, block in enumerate(model.model.layers):
            for kind, path in (KINDS | NORMS).items():
                stack = self.matrices[kind] if kind in self.matrices else self.norms[kind]
                block.get_submodule(path).weight.copy_(stack[layer])
        model.model.norm.weight.copy_(self.final_norm)
        model.model.embed_tokens.weight.copy_(self.embedding)
        model.train(False)
        return model


def block(x: Tensor, weights: LayerWeights, table: tuple[Tensor, Tensor], mask: Tensor, eps: float) -> Tensor:
    """One decoder layer on the residual stream x [b, t, d]; `table` holds cosines and signed sines [t, 1, k]."""
    x = _attend(x, weights, table, mask, eps)
    normed = (_normalise(x, eps) * weights.before_mlp).to(weights.gate_up.dtype)
    gate, up = functional.linear(normed, weights.gate_up).chunk(2, -1)
    out = functional.linear(_gelu(gate) * up, weights.down).float()
    return x + _normalise(out, eps) * weights.after_mlp


def _attend(
    x: Tensor, weights: LayerWeights, table: tuple[Tensor, Tensor], mask: Tensor, eps: float
) -> Tensor:
    cosine, sine = table
    both, k = weights.qk_scale.shape
    kv = weights.qkv.shape[0] // k - both
    normed = (_normalise(x, eps) * weights.before_attention).to(weights.qkv.dtype)
    qkv = functional.linear(normed, weights.qkv).float().view(*x.shape[:2], both + kv, k)
    qk, value = qkv.split_with_sizes([both, kv], 2)
    qk = _normalise(qk, eps) * weights.qk_scale
    turned = torch.cat([qk[..., k // 2 :], qk[..., : k // 2]], -1)
    query, key = (qk * cosine + turned * sine).transpose(1, 2).split_with_sizes([both - kv, kv], 1)
    repeat = both // kv - 1  # query heads per key head
    mixed = functional.scaled_dot_product_attention(
        query,
        key.repeat_interleave(repeat, 1),
        value.transpose(1, 2).repeat_interleave(repeat, 1),
        attn_mask=mask,
        scale=1.0,
    )
    out = functional.linear(mixed.transpose(1, 2).flatten(2).to(weights.o.dtype), weights.o).float()
    return x + _normalise(out, eps) * weights.after_attention


def _normalise(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def _gelu(x: Tensor) -> Tensor:
    """GELU's tanh form by the identity (1 + tanh u) / 2 = sigmoid(2u), which compiles to fewer instructions."""
    return x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
