"""Tiny random models of every supported family, saved as ordinary Hugging Face folders."""

from pathlib import Path

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

N_LAYERS, D_MODEL, N_HEADS, HEAD_DIM, D_MLP = 3, 16, 4, 6, 24
_SIZES = {
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_WINDOW = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
FAMILIES = ("gemma2", "gemma3_text", "gemma3", "llama", "mistral", "qwen2", "qwen3", "gpt2")


def build(model_type: str, vocab_size: int = 60) -> torch.nn.Module:
    """A random causal language model; every parameter, norm scales and biases too, is drawn so that none is neutral."""
    torch.manual_seed(0)
    sizes = _SIZES | {"vocab_size": vocab_size}
    with_heads = sizes | {"head_dim": HEAD_DIM}
    if model_type == "gemma2":
        model = Gemma2ForCausalLM(Gemma2Config(**with_heads, sliding_window=4))
    elif model_type == "gemma3_text":
        model = Gemma3ForCausalLM(Gemma3TextConfig(**with_heads, **_WINDOW))
    elif model_type == "gemma3":
        config = Gemma3Config(text_config=with_heads | _WINDOW, vision_config=_VISION, mm_tokens_per_image=1)
        model = Gemma3ForConditionalGeneration(config)
    elif model_type == "llama":
        model = LlamaForCausalLM(LlamaConfig(**with_heads, attention_bias=True, mlp_bias=True))
    elif model_type == "mistral":
        model = MistralForCausalLM(MistralConfig(**with_heads, sliding_window=4))
    elif model_type == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**sizes))
    elif model_type == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**with_heads))
    else:
        size = {
            "n_embd": D_MODEL,
            "n_layer": N_LAYERS,
            "n_head": N_HEADS,
            "n_inner": D_MLP,
            "n_positions": 64,
        }
        model = GPT2LMHeadModel(GPT2Config(**size, vocab_size=vocab_size, bos_token_id=1, eos_token_id=2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    return model.eval()


def save(folder: Path, model_type: str, tokenizer: PreTrainedTokenizerFast | None = None) -> Path:
    """Save a tiny model, and a tokenizer whose vocabulary it has, as one Hugging Face folder."""
    model = build(model_type, vocab_size=60 if tokenizer is None else len(tokenizer))
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder
