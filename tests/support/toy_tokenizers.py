"""Small tokenizers with the structure of the real ones: same normalisation, same post-processing, same chat templates."""

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "The capital of France is Paris. the cat sat on the mat, and the dog ran.",
    "Question: is the city of Rome north of the city of Oslo?\nAnswer: no, it is south.",
    "You are a helpful assistant. Please answer the question in one word.",
    "def hello(world):\n    return end_of_turn + start_of_turn\n\nuser model system assistant",
] * 3

GEMMA3_TEMPLATE = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {{- message['content'] | trim -}}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"""

GEMMA2_TEMPLATE = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"""

LLAMA3_TEMPLATE = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
{%- else %}{%- set system_message = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\nToday Date: " + date_string + "\n\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"""

QWEN3_TEMPLATE = """{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\n') if '</think>' in message.content else message.content %}
        {{- '<|im_start|>assistant\n' + content + '<|im_end|>\n' }}
    {%- elif message.role == 'user' or not loop.first %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}"""

# Mistral drops a system message in silence unless it opens a user turn; the tokenizer is sentencepiece's "prefix space".
MISTRAL_TEMPLATE = """{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ ' [INST] ' + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"""


def gemma3() -> PreTrainedTokenizerFast:
    """BOS from the template and from the post-processor; the system message is folded by the template."""
    return _gemma(GEMMA3_TEMPLATE)


def gemma2() -> PreTrainedTokenizerFast:
    """As Gemma 3, but the template raises on a system role."""
    return _gemma(GEMMA2_TEMPLATE)


def gemma_base() -> PreTrainedTokenizerFast:
    """A base model's: BOS from the post-processor, no chat template."""
    return _gemma(None)


def llama3() -> PreTrainedTokenizerFast:
    """Byte-level; BOS from the template and from the post-processor."""
    core = _byte_level(["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"])
    core.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
            ),
        ]
    )
    return _wrap(core, LLAMA3_TEMPLATE, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")


def qwen3() -> PreTrainedTokenizerFast:
    """Byte-level with NFC normalisation, no BOS; `<think>` is an added token that is not special."""
    core = _byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    core.normalizer = normalizers.NFC()
    core.post_processor = processors.ByteLevel(trim_offsets=False)
    core.add_tokens([AddedToken(text, special=False, normalized=False) for text in ("<think>", "</think>")])
    return _wrap(core, QWEN3_TEMPLATE, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def gpt2() -> PreTrainedTokenizerFast:
    """Byte-level, no chat template; the BOS token is also the EOS token and the tokenizer adds none itself."""
    core = _byte_level(["<|endoftext|>"])
    core.post_processor = processors.ByteLevel(trim_offsets=True)
    return _wrap(core, None, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def mistral() -> PreTrainedTokenizerFast:
    """Sentencepiece style: a space is put before every text; the template silently drops a system message."""
    core = _sentencepiece(["<unk>", "<s>", "</s>"])
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _wrap(core, MISTRAL_TEMPLATE, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


BUILDERS = {build.__name__: build for build in (gemma3, gemma2, gemma_base, llama3, qwen3, gpt2, mistral)}


def _gemma(template: str | None) -> PreTrainedTokenizerFast:
    core = _sentencepiece(["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"])
    core.normalizer = normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    core.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    core.add_tokens(
        [AddedToken(text, special=False, normalized=False) for text in ("\n\n", "\n\n\n", "<table>")]
    )
    return _wrap(core, template, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")


def _sentencepiece(special: list[str]) -> Tokenizer:
    core = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    core.normalizer = normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    alphabet = sorted(set("".join(CORPUS)) - {" ", "\n"} | {"▁"})
    size = 256 + len(special) + len(alphabet) + 120
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special + byte_tokens, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator([line.replace("\n", " ") for line in CORPUS], trainer)
    core.pre_tokenizer = None
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return _without_special(core, byte_tokens)


def _without_special(core: Tokenizer, byte_tokens: list[str]) -> Tokenizer:
    """The same tokenizer, with the byte tokens in the vocabulary only, as in a real one: text never matches them."""
    import json

    state = json.loads(core.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in byte_tokens]
    return Tokenizer.from_str(json.dumps(state))


def _byte_level(special: list[str]) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + len(special) + 120,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    core.train_from_iterator(CORPUS, trainer)
    return core


def _wrap(core: Tokenizer, template: str | None, **special: str) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, **special)
    tokenizer.chat_template = template
    return tokenizer
