"""Where a decoder's blocks and the tensors inside them are: dotted templates, kept as data.

A family is found by the `model_type` of the model's config, its modules by exact dotted path. Nothing is found by
substring, so the extra modules of a LoRA wrapper are never mistaken for the ones they wrap.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from assay.errors import AssayError
from assay.models.sites import SITES, Site

Side = Literal["input", "output"]


@dataclass(frozen=True)
class Family:
    """The dotted templates of one decoder family.

    `stacks` are the places of the text decoder below the (unwrapped) model, the first that exists wins: below a
    language-model head, below a multimodal wrapper, or the model itself (""). `sites` are relative to a block.
    `attention` is the fast implementation that computes what the family defines (sdpa cannot soft-cap scores).
    `float16_overflows`: activations exceed 65,504, so that float16 gives NaN.
    """

    stacks: tuple[str, ...]
    blocks: str
    embed: str
    final_norm: str
    sites: dict[Site, tuple[str, Side]]
    attention: Literal["sdpa", "eager"] = "sdpa"
    float16_overflows: bool = False


# Llama, Mistral, Qwen 2 and Qwen 3 add the outputs of self_attn and mlp to the residual as they are.
_PRE_NORM: dict[Site, tuple[str, Side]] = {
    "resid": ("", "output"),
    "attn_out": ("self_attn", "output"),
    "mlp_out": ("mlp", "output"),
    "mlp_neurons": ("mlp.down_proj", "input"),
    "heads": ("self_attn.o_proj", "input"),
}
# Gemma 2 and 3 norm both outputs again before adding them (modeling_gemma3.py, Gemma3DecoderLayer.forward).
_POST_NORM: dict[Site, tuple[str, Side]] = {
    **_PRE_NORM,
    "attn_out": ("post_attention_layernorm", "output"),
    "mlp_out": ("post_feedforward_layernorm", "output"),
}
_GPT2: dict[Site, tuple[str, Side]] = {
    "resid": ("", "output"),
    "attn_out": ("attn", "output"),
    "mlp_out": ("mlp", "output"),
    "mlp_neurons": ("mlp.c_proj", "input"),
    "heads": ("attn.c_proj", "input"),
}


def _llama_like(*stacks: str) -> Family:
    return Family(stacks, blocks="layers", embed="embed_tokens", final_norm="norm", sites=_PRE_NORM)


def _gemma(*stacks: str, attention: Literal["sdpa", "eager"]) -> Family:
    plain = _llama_like(*stacks)
    return replace(plain, sites=_POST_NORM, attention=attention, float16_overflows=True)


FAMILIES: dict[str, Family] = {
    "gemma2": _gemma("model", "", attention="eager"),
    "gemma3_text": _gemma("model", "", attention="sdpa"),
    "gemma3": _gemma("model.language_model", "language_model", attention="sdpa"),
    "llama": _llama_like("model", ""),
    "mistral": _llama_like("model", ""),
    "qwen2": _llama_like("model", ""),
    "qwen3": _llama_like("model", ""),
    "gpt2": Family(("transformer", ""), blocks="h", embed="wte", final_norm="ln_f", sites=_GPT2),
}


@dataclass(frozen=True)
class Sizes:
    """The sizes of a text decoder, read from its config alone."""

    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_mlp: int
    vocab_size: int
    context_length: int


@dataclass(frozen=True)
class Tap:
    """A place to read or write a tensor [batch, seq, width]: the input or the output of a module."""

    module: nn.Module
    side: Side

    def pick(self, args: tuple[Any, ...], output: Any) -> torch.Tensor:
        """The site's tensor among what a forward hook gets; the first element where a module returns a tuple."""
        value = args if self.side == "input" else output
        tensor = value[0] if isinstance(value, tuple) else value
        if not isinstance(tensor, torch.Tensor):
            raise AssayError(f"the {self.side} of {type(self.module).__name__} is not a tensor")
        return tensor


@dataclass(frozen=True)
class Architecture:
    """The sizes of a decoder and its modules, by site and layer."""

    family: Family
    sizes: Sizes
    model: nn.Module
    stack: nn.Module

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return self.sizes.n_layers

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.sizes.d_model

    @property
    def n_heads(self) -> int:
        """Number of query heads of a block."""
        return self.sizes.n_heads

    @property
    def head_dim(self) -> int:
        """Width of one head's output."""
        return self.sizes.head_dim

    @property
    def d_mlp(self) -> int:
        """Number of MLP neurons of a block."""
        return self.sizes.d_mlp

    @property
    def embed(self) -> nn.Module:
        """Token embedding."""
        return self.stack.get_submodule(self.family.embed)

    @property
    def final_norm(self) -> nn.Module:
        """The norm between the last block and the unembedding."""
        return self.stack.get_submodule(self.family.final_norm)

    @property
    def unembed(self) -> nn.Module:
        """The map from the residual stream to logits. Raises AssayError on a model without a head."""
        head = dict(self.model.named_children()).get("lm_head")
        if head is None:
            raise AssayError(
                f"{type(self.model).__name__} has no language-model head; load it as a causal language model"
            )
        return head

    def block(self, layer: int) -> nn.Module:
        """Decoder block `layer`, 0-based."""
        if not 0 <= layer < self.n_layers:
            raise AssayError(
                f"layer {layer} of {self.n_layers}: the model has blocks 0 to {self.n_layers - 1}"
            )
        return self.stack.get_submodule(f"{self.family.blocks}.{layer}")

    def tap(self, site: Site, layer: int) -> Tap:
        """Where the tensor [batch, seq, width(site)] of `site` in block `layer` is read."""
        self.width(site)
        path, side = self.family.sites[site]
        return Tap(self.block(layer).get_submodule(path), side)

    def width(self, site: Site) -> int:
        """Last dimension of the site's tensor: d_model, d_mlp (mlp_neurons) or n_heads · head_dim (heads)."""
        if site not in self.family.sites:
            raise AssayError(f"unknown site {site!r}; choose one of {', '.join(SITES)}")
        return {"mlp_neurons": self.d_mlp, "heads": self.n_heads * self.head_dim}.get(site, self.d_model)


def locate(model: nn.Module) -> Architecture:
    """Find the decoder inside a Hugging Face model, with or without a head, a multimodal wrapper or a PEFT wrapper.

    Raises AssayError that names the supported families when there is no template for the model.
    """
    inner = _unwrap(model)
    config = getattr(inner, "config", None)
    model_type = getattr(config, "model_type", type(inner).__name__)
    family = find_family(model_type)
    for path in family.stacks:
        stack = _submodule(inner, path)
        if stack is not None and _submodule(stack, f"{family.blocks}.0") is not None:
            return Architecture(family=family, sizes=read_sizes(config), model=inner, stack=stack)
    raise AssayError(
        f"{type(inner).__name__} says it is {model_type}, yet has no decoder blocks where that family keeps them"
    )


def find_family(model_type: str) -> Family:
    """The templates of a `model_type`. Raises AssayError that names the supported ones."""
    if model_type not in FAMILIES:
        raise AssayError(
            f"no architecture template for model type {model_type!r}; supported: {', '.join(sorted(FAMILIES))}"
        )
    return FAMILIES[model_type]


def read_sizes(config: Any) -> Sizes:
    """Sizes of the text decoder that a Hugging Face config describes; a multimodal config's `text_config` is followed."""
    find_family(config.model_type)
    text = config.get_text_config()
    d_model, n_heads = text.hidden_size, text.num_attention_heads
    # GPT-2 has neither key-value groups nor a free head width, and writes its MLP width only if it is not 4 · d_model.
    d_mlp = (text.n_inner or 4 * d_model) if text.model_type == "gpt2" else text.intermediate_size
    return Sizes(
        n_layers=text.num_hidden_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=getattr(text, "num_key_value_heads", None) or n_heads,
        head_dim=getattr(text, "head_dim", None) or d_model // n_heads,
        d_mlp=d_mlp,
        vocab_size=text.vocab_size,
        context_length=text.max_position_embeddings,
    )


def _unwrap(model: nn.Module) -> nn.Module:
    """The transformers model inside PEFT wrappers (all of which offer `get_base_model`)."""
    inner: Any = model
    while hasattr(inner, "get_base_model"):
        inner = inner.get_base_model()
    unwrapped: nn.Module = inner
    return unwrapped


def _submodule(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path)
    except AttributeError:
        return None
