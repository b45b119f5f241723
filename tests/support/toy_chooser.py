"""A tiny chat model that chooses: it answers "Task A:", "Task B:" or "I cannot", by a law that depends on the tasks.

Every next token is a function of the last one (the output layer is a table of followers), but whether " A" or " B" follows
"Task" also depends on what one attention layer reads in the prompt.
"""

from pathlib import Path

import torch
from support.toy_tokenizers import gemma3
from tokenizers import AddedToken
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from assay.prompts.records import PromptRecord
from assay.prompts.tokenization import encode

WIDTH = 256
STRENGTH = 14.0  # logit of a follower; all other tokens are near 0


def tokenizer() -> PreTrainedTokenizerFast:
    """The toy Gemma tokenizer with words for the answers."""
    built = gemma3()
    words = [AddedToken(text, special=False, normalized=False) for text in ("Task", " A", " B", "I cannot")]
    built.add_tokens(words)
    return built


def save_chooser(folder: Path, *, leaning: float = 5.0, refusing: float = 0.1) -> Path:
    """Save the model as a Hugging Face folder.

    `leaning` scales how far apart the logits of " A" and " B" can be; `refusing` is the share of answers "I cannot".
    """
    words = tokenizer()
    model = _model(words, leaning, refusing)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _model(words: PreTrainedTokenizerFast, leaning: float, refusing: float) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.convert_tokens_to_ids("<end_of_turn>"),
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    embeddings = torch.nn.functional.normalize(torch.randn(len(words), WIDTH), dim=1)
    lean = torch.nn.functional.normalize(torch.randn(WIDTH), dim=0)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(embeddings)
        layer = model.model.layers[0]
        layer.mlp.down_proj.weight.zero_()
        layer.self_attn.q_proj.weight.normal_(0, 0.3)
        layer.self_attn.k_proj.weight.normal_(0, 0.3)
        layer.self_attn.v_proj.weight.normal_(0, 0.05)
        layer.self_attn.o_proj.weight.copy_(0.02 * lean[:, None] * torch.randn(WIDTH))
        model.lm_head.weight.zero_()
        task, a, b, cannot = words.convert_tokens_to_ids(["Task", " A", " B", "I cannot"])
        colon, end = words.convert_tokens_to_ids([":", "<end_of_turn>"])
        start = _last_of_prompt(words)
        shares = torch.tensor([1 - refusing, refusing]).log().tolist()
        for last, follower, logit in (
            (start, task, STRENGTH + shares[0]),
            (start, cannot, STRENGTH + shares[1]),
            (task, a, STRENGTH),
            (task, b, STRENGTH),
            (a, colon, STRENGTH),
            (b, colon, STRENGTH),
            (colon, end, STRENGTH),
            (cannot, end, STRENGTH),
        ):
            model.lm_head.weight[follower] += logit / WIDTH**0.5 * embeddings[last]
        model.lm_head.weight[a] += leaning / WIDTH**0.5 * lean
        model.lm_head.weight[b] -= leaning / WIDTH**0.5 * lean
    model.generation_config = GenerationConfig(
        do_sample=True, eos_token_id=end, bos_token_id=words.bos_token_id, pad_token_id=words.pad_token_id
    )
    return model.eval()


def _last_of_prompt(words: PreTrainedTokenizerFast) -> int:
    record = PromptRecord(id="x", messages=({"role": "user", "content": "x"},))
    return int(encode(words, record).ids[-1])
