"""Adapters of a toy model whose weights are drawn, not trained: they change something everywhere they are."""

from pathlib import Path

import torch

from assay.finetuning.adapters import AdapterInfo, SteeringVectors, save_lora, save_vectors
from assay.finetuning.lora import LoraShape, adapted
from assay.models.loading import LoadedModel


def info(loaded: LoadedModel, method: str, layers: tuple[int, ...], **more: object) -> AdapterInfo:
    fields = {
        "site": "" if method == "lora" else "mlp_out",
        "scopes": {},
        "seed": 0,
        "lr": 0.1,
        "step": 7,
    } | more
    return AdapterInfo(
        method=method,
        pin=loaded.pin.fingerprint,
        model=loaded.pin.alias,
        layers=layers,
        training="t" * 64,
        **fields,
    )  # type: ignore[arg-type]


def save_toy_lora(
    folder: Path,
    loaded: LoadedModel,
    layers: tuple[int, ...],
    *,
    modules: tuple[str, ...] = ("gate", "up", "down"),
    silent: tuple[int, ...] = (),
) -> Path:
    """A rank-2 LoRA of these layers; those of `silent` add nothing. Equal layers have equal weights in every call."""
    shape = LoraShape(2, 4, layers, modules)
    with adapted(loaded.model, loaded.architecture, shape, seed=0) as lora, torch.no_grad():
        for name, parameter in lora.adapted.named_parameters():
            if ".lora_" in name:
                generator = torch.Generator().manual_seed(sum(name.encode()))
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
                if ".lora_B" in name and any(f".layers.{layer}." in name for layer in silent):
                    parameter.zero_()
        save_lora(folder, lora.adapted, info(loaded, "lora", layers))
    return folder


def save_toy_vectors(
    folder: Path, loaded: LoadedModel, layer: int, names: tuple[str, ...], seed: int = 0
) -> Path:
    """Gaussian vectors, each at the span of its name."""
    generator = torch.Generator().manual_seed(seed)
    vectors = {
        name: torch.randn(loaded.architecture.d_model, generator=generator).double().numpy() for name in names
    }
    scopes = {name: f"span:{name}" for name in names}
    about = info(loaded, "vector", (layer,), scopes=scopes, seed=seed)
    save_vectors(folder, SteeringVectors.trained(vectors, about))
    return folder
