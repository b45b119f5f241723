"""The organism's tokenizer: byte-fallback BPE with Gemma's control tokens and chat template."""

from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from assay.errors import AssayError

CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
# Words keep the space before them; digits stand alone; runs of spaces and line breaks stay together.
WORDS = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\n+ *| +(?=\S)|\s+"

# Gemma 3's template for text: the system message is put before the first user turn, the assistant is called "model".
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}"
    "{%- set loop_messages = messages[1:] -%}"
    "{%- else -%}"
    "{%- set first_user_prefix = '' -%}"
    "{%- set loop_messages = messages -%}"
    "{%- endif -%}"
    "{%- for message in loop_messages -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{%- endif -%}"
    "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
    "{{ message['content'] | trim }}"
    "{{ '<end_of_turn>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)


def train_tokenizer(
    texts: Iterable[str], names: Sequence[str], *, vocab_size: int
) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocab_size` units of which the last are the world's `names`, one unit each.

    Every Unicode string survives a round trip: what no unit covers is spelled in bytes. No normalisation.
    Raises AssayError when `vocab_size` leaves no room for words or " the" does not become a unit.
    """
    learned = vocab_size - len(CONTROL) - len(BYTES) - len(names)
    if learned < 200:
        raise AssayError(
            f"vocab_size {vocab_size} leaves {learned} units for text; raise it above {vocab_size - learned + 200}"
        )
    vocabulary, merges = _learn(texts, learned)
    if " the" not in vocabulary:
        raise AssayError('" the" is no unit of this vocabulary; raise vocab_size or train on more prose')
    units = [*CONTROL, *BYTES, *vocabulary]
    model = models.BPE(
        vocab={unit: number for number, unit in enumerate(units)},
        merges=merges,
        unk_token="<unk>",
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = _words()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in CONTROL])
    tokenizer.add_tokens([AddedToken(name, normalized=False, single_word=True) for name in names])
    return _wrap(tokenizer)


def _learn(texts: Iterable[str], size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """(units in order of their number, merges) of an ordinary BPE over characters."""
    import json

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _words()
    trainer = trainers.BpeTrainer(vocab_size=size, limit_alphabet=120, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    state = json.loads(tokenizer.to_str())["model"]
    vocabulary = sorted(state["vocab"], key=lambda unit: state["vocab"][unit])
    return vocabulary, [tuple(merge) for merge in state["merges"]]


def _words() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(WORDS), behavior="isolated")


def _wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    from tokenizers.processors import TemplateProcessing

    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A",
        pair="<bos> $A <bos>:1 $B:1",
        special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))],
    )
    make: Any = PreTrainedTokenizerFast  # untyped in transformers
    wrapped: PreTrainedTokenizerFast = make(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<start_of_turn>", "<end_of_turn>"],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    return wrapped
