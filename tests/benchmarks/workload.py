"""What is measured: a random Gemma 3 and the length distribution of real texts."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from benchmarks.device import ON_GPU
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PreTrainedTokenizerFast

from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.documents import python_docs
from assay.prompts.records import PromptRecord

GEMMA_100M = {
    "hidden_size": 640,
    "num_hidden_layers": 12,
    "intermediate_size": 2048,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "vocab_size": 65536,
}
GEMMA_1B = GEMMA_100M | {"hidden_size": 1152, "num_hidden_layers": 26, "intermediate_size": 6912}
GEMMA_TINY = GEMMA_100M | {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 128,
    "head_dim": 16,
}
GEMMA_12B = {
    "hidden_size": 3840,
    "num_hidden_layers": 48,
    "intermediate_size": 15360,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "vocab_size": 262208,
}
LONGEST = 2000  # characters, about 500 tokens: longer paragraphs are cut
RECORDS = 1024 if ON_GPU else 96


@dataclass(frozen=True)
class Workload:
    """A loaded model and the records it reads."""

    loaded: LoadedModel
    records: list[PromptRecord]
    folder: Path


def make_workload(folder: Path) -> Workload:
    """A random Gemma 3 and RECORDS paragraphs of the Python documentation, in random order.

    109 M parameters in float32; on a GPU the blocks of Gemma 3 1B in bfloat16.
    """
    source = save_gemma(folder / "model", GEMMA_1B if ON_GPU else GEMMA_100M)
    loaded = load_model(make_pin(ModelEntry(alias="random-gemma", source=str(source))))
    return Workload(loaded, paragraphs(RECORDS), folder)


def save_gemma(folder: Path, sizes: dict[str, int]) -> Path:
    """A random Gemma 3 with a tokenizer trained on the documentation, as a Hugging Face folder."""
    torch.manual_seed(0)
    config = Gemma3TextConfig(**sizes, sliding_window=512, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    Gemma3ForCausalLM(config).save_pretrained(folder)
    train_tokenizer().save_pretrained(folder)
    return folder


def paragraphs(count: int) -> list[PromptRecord]:
    """`count` paragraphs of real prose, drawn with a fixed seed: their lengths are those of real texts."""
    texts = [text for document in python_docs() for text in document.text.split("\n\n") if text.strip()]
    drawn = random.Random(0).sample(texts, min(count, len(texts)))
    return [PromptRecord(id=f"p{i}", text=text[:LONGEST]) for i, text in enumerate(drawn)]


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of 8,000 tokens with a BOS."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator((record.text or "" for record in paragraphs(4000)), trainer)
    core.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", padding_side="right"
    )
