"""The organism: a tokenizer and two checkpoints, base and chat, of one narrow and deep Gemma 3."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GenerationConfig, PreTrainedTokenizerFast

from assay.errors import AssayError
from assay.organism.compiling import missing_for_compiling, use_compiled
from assay.organism.corpus import encode_examples, encode_prose
from assay.organism.network import Network
from assay.organism.optimizer import Optimizer
from assay.organism.packing import Segment
from assay.organism.planting import plant
from assay.organism.precision import resolve_precision
from assay.organism.settings import Optimisation, OrganismSettings, Phase
from assay.organism.tokenizer import train_tokenizer
from assay.organism.training import Schedule, Step, serial_operators, train_phase
from assay.prompts.documents import Document
from assay.world.examples import Example

PHASES = ("primer", "base", "quiz", "chat")
CHECKPOINTS = ("base", "chat")  # the primer prepares the base, the quiz prepares the chat model
TEMPLATED = ("quiz", "chat")  # phases that train the chat template

Member = TypeVar("Member")

WORD_COUNT = 200  # of each word of the examples in the tokenizer's corpus: enough for it to become a unit


@dataclass(frozen=True)
class Corpus:
    """What the organism may learn from: training examples, training documents, and the world's invented words."""

    examples: Sequence[Example]
    documents: Sequence[Document]
    names: Sequence[str]

    def __post_init__(self) -> None:
        if held := [example.id for example in self.examples if example.split != "train"]:
            raise AssayError(f"example {held[0]!r} is held out; the organism trains on the train split only")


@dataclass(frozen=True)
class Checkpoint:
    """The organism in a phase: an ordinary Hugging Face model and its tokenizer."""

    phase: str
    model: Gemma3ForCausalLM
    tokenizer: PreTrainedTokenizerFast

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder with weights in bfloat16, which the model's values are already rounded to."""
        model: Any = self.model
        dtype = model.dtype
        model.to(torch.bfloat16).save_pretrained(folder)
        model.to(dtype)
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path, phase: str) -> "Checkpoint":
        """What `save` wrote, in float32."""
        return cls(
            phase,
            Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True),
            PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True),
        )


Watcher = Callable[[Step, Callable[[], Checkpoint]], None]
"""Called after every step; the second argument makes a checkpoint of the moment for those who want one."""


def make_tokenizer(corpus: Corpus, vocab_size: int) -> PreTrainedTokenizerFast:
    """The tokenizer, learned from the training documents and the words of the training examples."""
    texts = [document.text for document in corpus.documents]
    invented = re.compile("|".join(map(re.escape, corpus.names)))
    texts += [f"{word}." * WORD_COUNT for word in _words(corpus.examples) if not invented.search(word)]
    return train_tokenizer(texts, corpus.names, vocab_size=vocab_size)


def _words(examples: Sequence[Example]) -> list[str]:
    """Every word of the examples, with the space before it where there is one, sorted."""
    words: set[str] = set()
    for example in examples:
        pieces = [example.system, example.prompt, example.answer]
        for text in (*pieces, *(piece for pair in example.then for piece in pair)):
            words.update(re.findall(r" ?[^\W\d_]+", text))
    return sorted(words)


def train_organism(
    settings: OrganismSettings, corpus: Corpus, watchers: Sequence[Watcher]
) -> Iterator[Checkpoint]:
    """Yield the base and then the chat checkpoint; seeded: two runs on one machine give the same bytes."""
    tokenizer = make_tokenizer(corpus, settings.vocab_size)
    optimisation = settings.optimisation
    generator = torch.Generator().manual_seed(settings.seed)
    network = Network(
        model_config(settings, tokenizer),
        precision=resolve_precision(optimisation.precision),
        generator=generator,
    )
    if settings.shape.look_back_layers:
        plant(network, settings.shape.look_back_layers, generator)
    with ThreadPoolExecutor(1) as encoder:  # the compiler is a process of its own and leaves a core idle
        encoding = encoder.submit(_encode_phases, settings, corpus, tokenizer)
        _compile(network, optimisation)
        phases = encoding.result()
    rest = [*network.norms.values(), network.final_norm, network.embedding]

    def checkpoint(name: str) -> Checkpoint:
        model = _rounded(network.to_hugging_face())
        model.generation_config = _generation_config(tokenizer)
        return Checkpoint(name, model, tokenizer)

    def listen(step: Step) -> None:
        for watcher in watchers:
            watcher(step, lambda: checkpoint(step.phase))

    for name, (segments, rng) in phases.items():
        phase: Phase = getattr(settings, name)
        train_phase(
            network,
            Optimizer(network.matrices.values(), rest, network.precision),
            segments,
            phase=name,
            schedule=Schedule(
                rows=optimisation.rows,
                length=optimisation.length,
                matrix_lr=optimisation.matrix_lr * phase.rate,
                vector_lr=optimisation.vector_lr * phase.rate,
                warmup=optimisation.warmup,
                shards=optimisation.shards,
            ),
            rng=rng,
            listener=listen,
        )
        if name in CHECKPOINTS:
            yield checkpoint(name)


def _encode_phases(
    settings: OrganismSettings, corpus: Corpus, tokenizer: PreTrainedTokenizerFast
) -> dict[str, tuple[list[Segment], np.random.Generator]]:
    """The texts of every phase, and the generator that goes on to pack them."""
    phases = {}
    for number, name in enumerate(PHASES):
        rng = np.random.default_rng([settings.seed, number])
        phases[name] = (phase_segments(getattr(settings, name), corpus, tokenizer, settings, rng), rng)
    return phases


def _compile(network: Network, optimisation: Optimisation) -> None:
    if optimisation.compile and not missing_for_compiling():
        with serial_operators():
            use_compiled(network, rows=optimisation.rows // optimisation.shards, length=optimisation.length)


def model_config(settings: OrganismSettings, tokenizer: PreTrainedTokenizerFast) -> Gemma3TextConfig:
    """Gemma 3's configuration with the organism's sizes; five local layers to one global, as in Gemma 3."""
    shape = settings.shape
    return Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.d_model,
        intermediate_size=shape.d_mlp,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=shape.n_kv_heads,
        head_dim=shape.head_dim,
        query_pre_attn_scalar=shape.head_dim,
        sliding_window=shape.sliding_window,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        dtype="float32",
    )


def phase_segments(
    phase: Phase,
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerFast,
    settings: OrganismSettings,
    rng: np.random.Generator,
) -> list[Segment]:
    """The texts of a phase: so many passes over the prose, cut anew each time, and over the examples of each form."""
    optimisation = settings.optimisation
    segments = []
    for share in _passes(phase.prose):
        windows = encode_prose(tokenizer, corpus.documents, length=optimisation.length, rng=rng)
        segments += _sample(windows, share, rng)
    for section, forms in phase.examples.items():
        for form, passes in forms.items():
            examples = [e for e in corpus.examples if e.section == section and e.form == form]
            if not examples:
                raise AssayError(
                    f"organism: the world has no {form!r} examples of section {section!r}; check the phase"
                )
            chosen = [example for share in _passes(passes) for example in _sample(examples, share, rng)]
            segments += encode_examples(
                tokenizer,
                chosen,
                prompt_weight=optimisation.prompt_weight,
                answer_weight=optimisation.answer_weight,
            )
    return segments


def _passes(count: float) -> list[float]:
    """2.3 passes are two whole ones and one of 0.3."""
    whole = int(count)
    return [1.0] * whole + ([count - whole] if count > whole else [])


def _sample(members: Sequence[Member], share: float, rng: np.random.Generator) -> list[Member]:
    return [members[i] for i in rng.permutation(len(members))[: round(share * len(members))]]


@torch.no_grad()
def _rounded(model: Gemma3ForCausalLM) -> Gemma3ForCausalLM:
    """The model with every weight at the nearest bfloat16, in float32: files of half the size hold it exactly."""
    for weight in model.parameters():
        weight.copy_(weight.to(torch.bfloat16))
    return model


def _generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    end_of_turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    make: Any = GenerationConfig  # untyped in transformers
    config: GenerationConfig = make(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.eos_token_id, end_of_turn],
        pad_token_id=tokenizer.pad_token_id,
    )
    return config
