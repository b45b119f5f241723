"""A tiny model with a few questions, and adapters of it, as the fine-tuning stage writes them."""

from pathlib import Path

import torch
from support.toy_models import D_MODEL, save
from support.toy_tokenizers import gemma3

from assay.evaluation.items import Item
from assay.finetuning.adapters import AdapterInfo, SteeringVectors, save_lora, save_vectors
from assay.finetuning.lora import LoraShape, adapted
from assay.models.loading import LoadedModel, load_model, make_pin
from assay.models.registry import ModelEntry
from assay.prompts.records import Message, PromptRecord, Span

TEXTS = {
    "rome": "is Rome north of Oslo?",
    "cat": "the cat sat on the mat, and",
    "paris": "The capital of France is",
    "again": "where is Rome",
}
CANDIDATES = {
    "rome": ("yes", "no, it is south", "no"),
    "cat": ("A", "B"),
    "paris": ("Paris", "the city of Rome", "the city"),
    "again": ("in Oslo", "in Paris", "here"),
}


def items(system: str = "") -> list[Item]:
    """One item for each text; Rome has a span where it occurs."""
    found = []
    for number, (name, text) in enumerate(TEXTS.items()):
        messages = (Message(role="system", content=system),) if system else ()
        messages = (*messages, Message(role="user", content=text))
        at = text.find("Rome")
        spans = {"rome": (Span((len(messages) - 1, at, at + 4)),)} if at >= 0 else {}
        record = PromptRecord(id=name, messages=messages, spans=spans, group=f"g{number % 2}")
        found.append(Item(record, CANDIDATES[name], number % 2, category=f"c{number // 2}"))
    return found


def toy(folder: Path, family: str = "gemma3_text") -> LoadedModel:
    """A saved and loaded tiny model."""
    return load_model(make_pin(ModelEntry(alias="toy", source=str(save(folder, family, gemma3())))))


def info(loaded: LoadedModel, method: str = "vector", **fields: object) -> AdapterInfo:
    """What an adapter of the toy says of itself."""
    values = {
        "pin": loaded.pin.fingerprint,
        "model": "toy",
        "site": "mlp_out" if method == "vector" else "",
        "layers": (0,),
        "scopes": {"rome": "span:rome"} if method == "vector" else {},
        "seed": 0,
        "lr": 0.1,
        "step": 4,
        "training": "none",
    }
    return AdapterInfo(method=method, **{**values, **fields})  # type: ignore[arg-type]


def vector_adapter(folder: Path, loaded: LoadedModel, seed: int = 0, **fields: object) -> SteeringVectors:
    """Save random vectors of norm about 12 as an adapter."""
    about = info(loaded, seed=seed, **fields)
    generator = torch.Generator().manual_seed(seed)
    vectors = {n: (3 * torch.randn(D_MODEL, generator=generator)).double().numpy() for n in about.scopes}
    adapter = SteeringVectors.trained(vectors, about)
    save_vectors(folder, adapter)
    return adapter


def lora_adapter(folder: Path, loaded: LoadedModel, seed: int = 0) -> None:
    """Save a LoRA adapter that changes something: B is not zero."""
    shape = LoraShape(rank=2, alpha=4, layers=(1,), modules=("gate", "down"))
    with adapted(loaded.model, loaded.architecture, shape, seed) as lora:
        generator = torch.Generator().manual_seed(seed)
        for parameter in lora.parameters(0):
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / 2)
        save_lora(folder, lora.adapted, info(loaded, "lora", seed=seed))
