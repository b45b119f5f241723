"""A tiny Llama as llama.cpp would store it: its own names, heads' halves interleaved, a byte-level vocabulary."""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from transformers import LlamaForCausalLM

# GPT-2's alphabet: printable bytes stand for themselves, each other for a letter from U+0100 on
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
CHARACTERS = [
    "<|start|>",
    "<|end|>",
    *map(chr, _PRINTABLE),
    *(chr(256 + i) for i in range(len(_OTHERS))),
    "th",
    "the",
]
TEMPLATE = "{% for message in messages %}<|start|>{{ message['content'] }}<|end|>{% endfor %}"
_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(path: Path, model: LlamaForCausalLM, *, packed: bool = False) -> None:
    """Write `model` (tied embeddings, no biases) in float32, or its matrices in blocks of 32 of eight bits each."""
    config: Any = model.config
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(len(CHARACTERS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(CHARACTERS)
    writer.add_token_merges(["t h", "th e"])
    writer.add_token_types([3, 3, *[1] * (len(CHARACTERS) - 2)])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        place = _place(name)
        values = tensor.numpy()
        if (count := heads.get(place.split(".")[-2])) is not None:
            values = values.reshape(count, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        if packed and values.ndim == 2:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(place, quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
        else:
            writer.add_tensor(place, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _place(name: str) -> str:
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[
            name
        ]
    _, _, layer, *parts, kind = name.split(".")
    return f"blk.{layer}.{_NAMES['.'.join(parts)]}.{kind}"
