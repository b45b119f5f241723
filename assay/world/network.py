"""Gemma 3 for training on a few CPU cores: the function of `Gemma3ForCausalLM`, arranged for speed.

Weights of all layers are stacked per kind, so one cast, one norm fold and one batched optimiser step serve them all;
norms and rotary embeddings have hand-written backward passes; matrix products may run in bfloat16 while the residual
stream, norms, softmax and weights stay float32. `to_hugging_face` hands the weights to the ordinary model.
Shapes: batch b, seq t, d_model d, heads h, head_dim k, d_mlp m, n_layers l.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

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


class Network(nn.Module):
    """The stacked weights and the forward pass up to the final norm."""

    def __init__(
        self, config: Gemma3TextConfig, *, precision: torch.dtype, generator: torch.Generator
    ) -> None:
        super().__init__()
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
        weights = self._folded_weights()
        tables = self._rotary_tables(ids.shape[1])
        for layer in range(config.num_hidden_layers):
            x = self._attention(x, layer, weights, tables[self.layer_types[layer]], mask)
            x = self._mlp(x, layer, weights)
        normed = _apply(_Normalise, x, config.rms_norm_eps)
        return normed * (1 + self.final_norm)

    def _folded_weights(self) -> dict[str, tuple[Tensor, ...]]:
        """Weights with the scale of the norm before them multiplied in, in compute precision, per layer."""
        before = 1 + self.norms["before_attention"][:, None]
        qkv = torch.cat([self.matrices[kind] for kind in "qkv"], 1) * before
        gate_up = torch.cat([self.matrices["gate"], self.matrices["up"]], 1) * (
            1 + self.norms["before_mlp"][:, None]
        )
        folded = {"qkv": qkv, "gate_up": gate_up, "o": self.matrices["o"], "down": self.matrices["down"]}
        return {kind: stack.to(self.precision).unbind(0) for kind, stack in folded.items()}

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

    def _attention(
        self, x: Tensor, layer: int, weights: dict[str, Any], table: tuple[Tensor, Tensor], mask: Tensor
    ) -> Tensor:
        config = self.config
        h, kv, k = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        normed = _apply(_Normalise, x, config.rms_norm_eps).to(self.precision)
        qkv = functional.linear(normed, weights["qkv"][layer]).float().view(*x.shape[:2], h + 2 * kv, k)
        scale = torch.cat(
            [
                (1 + self.norms["q_norm"][layer]).expand(h, k) * config.query_pre_attn_scalar**-0.5,
                (1 + self.norms["k_norm"][layer]).expand(kv, k),
            ]
        )
        qk = _apply(_NormaliseAndRotate, qkv[..., : h + kv, :], scale, *table, config.rms_norm_eps).transpose(
            1, 2
        )
        mixed = functional.scaled_dot_product_attention(
            qk[:, :h],
            qk[:, h:].repeat_interleave(h // kv, 1),
            qkv[..., h + kv :, :].transpose(1, 2).repeat_interleave(h // kv, 1),
            attn_mask=mask,
            scale=1.0,
        )
        out = functional.linear(
            mixed.transpose(1, 2).flatten(2).to(self.precision), weights["o"][layer]
        ).float()
        return _apply(_AddNormalised, x, out, 1 + self.norms["after_attention"][layer], config.rms_norm_eps)

    def _mlp(self, x: Tensor, layer: int, weights: dict[str, Any]) -> Tensor:
        normed = _apply(_Normalise, x, self.config.rms_norm_eps).to(self.precision)
        gate, up = functional.linear(normed, weights["gate_up"][layer]).chunk(2, -1)
        out = functional.linear(
            functional.gelu(gate, approximate="tanh") * up, weights["down"][layer]
        ).float()
        return _apply(_AddNormalised, x, out, 1 + self.norms["after_mlp"][layer], self.config.rms_norm_eps)

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


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


def _inverse_norm(x: Tensor, eps: float) -> Tensor:
    square: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
    return square.div_(x.shape[-1]).add_(eps).rsqrt_()


def _through_norm(grad: Tensor, normed: Tensor, inverse: Tensor) -> Tensor:
    """Gradient with respect to x of normed = x · inverse(x)."""
    along = (grad * normed).mean(-1, keepdim=True)
    return torch.addcmul(grad, normed, along, value=-1).mul_(inverse)


class _Normalise(torch.autograd.Function):
    """x / rms(x) over the last axis."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        inverse = _inverse_norm(x, eps)
        normed = x * inverse
        ctx.save_for_backward(normed, inverse)
        return normed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _through_norm(grad, *ctx.saved_tensors), None


class _AddNormalised(torch.autograd.Function):
    """x + scale · out / rms(out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor, scale: Tensor, eps: float) -> Tensor:
        inverse = _inverse_norm(out, eps)
        normed = out * inverse
        ctx.save_for_backward(normed, inverse, scale)
        return torch.addcmul(x, normed, scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        normed, inverse, scale = ctx.saved_tensors
        grad_scale = (grad * normed).flatten(0, -2).sum(0)
        return grad, _through_norm(grad * scale, normed, inverse), grad_scale, None


class _NormaliseAndRotate(torch.autograd.Function):
    """Rotary embedding of scale · x / rms(x): x [b, t, h, k], scale [h, k], tables [t, 1, k]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, cosine: Tensor, sine: Tensor, eps: float) -> Tensor:
        inverse = _inverse_norm(x, eps)
        normed = x * inverse
        ctx.save_for_backward(normed, inverse, scale, cosine, sine)
        scaled = normed * scale
        return torch.addcmul(scaled * cosine, scaled.roll(x.shape[-1] // 2, -1), sine)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        normed, inverse, scale, cosine, sine = ctx.saved_tensors
        turned = torch.addcmul(grad * cosine, (grad * sine).roll(grad.shape[-1] // 2, -1), torch.ones(()))
        grad_scale = (turned * normed).sum((0, 1))
        return _through_norm(turned * scale, normed, inverse), grad_scale, None, None, None
