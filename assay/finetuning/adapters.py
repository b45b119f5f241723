"""Trained adapters on disk, with everything needed to apply them again: steering vectors, and LoRA as PEFT folders."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from assay.errors import AssayError
from assay.interventions.interventions import Intervention
from assay.models.architecture import Architecture
from assay.models.loading import LoadedModel
from assay.models.sites import Site
from assay.storage.files import atomic_path, read_json, write_json

Method = Literal["vector", "lora"]
DESCRIPTION, VECTORS = "adapter.json", "vectors.safetensors"
_PEFT_CONFIG = (
    "adapter_config.json"  # peft writes the modules in the order of a set, which differs between processes
)
FILES = (DESCRIPTION, VECTORS, _PEFT_CONFIG, "adapter_model.safetensors")
"""Every file of an adapter's folder."""
_KEY = "assay.vectors"


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter is and how it was made.

    Attributes:
        method: "vector" or "lora".
        pin: fingerprint of the model it was trained on.
        model: that model's alias, for people.
        site: where a vector is added; "" for LoRA.
        layers: the block(s) it changes.
        scopes: the position rule of each vector, by its name; empty for LoRA.
        seed: of its initial values.
        lr: learning rate.
        step: optimiser steps behind it.
        training: SHA-256 over the examples it was trained on.
    """

    method: Method
    pin: str
    model: str
    site: Site | Literal[""]
    layers: tuple[int, ...]
    scopes: Mapping[str, str]
    seed: int
    lr: float
    step: int
    training: str


@dataclass(frozen=True)
class SteeringVectors:
    """Trained vectors [d_model] float32 by name."""

    vectors: Mapping[str, torch.Tensor]
    info: AdapterInfo

    def interventions(self, coefficient: float = 1.0, scope: str | None = None) -> list[Intervention]:
        """One `add` for each vector, at the tokens it was trained at (or at `scope` instead)."""
        assert self.info.site != ""
        (layer,) = self.info.layers
        return [
            Intervention(
                "add", self.info.site, layer, coefficient, scope or self.info.scopes[name], vector.clone()
            )
            for name, vector in self.vectors.items()
        ]


@dataclass(frozen=True)
class Adapted:
    """A model under an adapter: run `model` with `interventions` (none for LoRA), as `generate` takes them."""

    model: nn.Module
    architecture: Architecture
    interventions: tuple[Intervention, ...]
    info: AdapterInfo


def save_vectors(folder: Path, adapter: SteeringVectors) -> None:
    """Write vectors as `vectors.safetensors`, with `adapter.json` for people; equal ones give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: vector.detach().float().cpu().contiguous() for name, vector in adapter.vectors.items()}
    metadata = {_KEY: json.dumps(dataclasses.asdict(adapter.info), sort_keys=True, allow_nan=False)}
    with atomic_path(folder / VECTORS) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    write_json(folder / DESCRIPTION, dataclasses.asdict(adapter.info))


def save_lora(folder: Path, wrapped: Any, info: AdapterInfo) -> None:
    """Write a PEFT folder that `PeftModel.from_pretrained` loads, and `adapter.json` beside its files; equal ones give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    wrapped.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    config = read_json(folder / _PEFT_CONFIG)
    write_json(folder / _PEFT_CONFIG, config | {"target_modules": sorted(config["target_modules"])})
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
    write_json(folder / DESCRIPTION, dataclasses.asdict(info))


def read_info(folder: Path) -> AdapterInfo:
    """What the adapter in a folder is. Raises AssayError when there is none."""
    fields = read_json(folder / DESCRIPTION)
    try:
        return _info(fields)
    except (TypeError, KeyError) as error:
        raise AssayError(
            f"{folder / DESCRIPTION} is not a description of this version ({error}); train again"
        ) from error


def load_vectors(folder: Path) -> SteeringVectors:
    """The vectors of a folder. Raises AssayError when it holds none."""
    path = Path(folder) / VECTORS
    try:
        with safe_open(path, framework="pt") as file:
            metadata = (file.metadata() or {}).get(_KEY)
            if metadata is None:
                raise AssayError(
                    f"{path} holds no steering vectors; give a folder that a training stage wrote"
                )
            info = _info(json.loads(metadata))
            return SteeringVectors({name: file.get_tensor(name) for name in info.scopes}, info)
    except FileNotFoundError as error:
        raise AssayError(
            f"{path} does not exist; run the training stage that makes it, or check the path"
        ) from error
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise AssayError(
            f"{path} is not a readable file of steering vectors: {error}; train again"
        ) from error


def check_pin(folder: Path, info: AdapterInfo, loaded: LoadedModel) -> None:
    """Raise AssayError when the adapter of a folder is of another model."""
    if info.pin != loaded.pin.fingerprint:
        raise AssayError(
            f"{folder} was trained on another model ({info.model}, pin {info.pin[:12]}) than {loaded.pin.alias} "
            f"({loaded.pin.fingerprint[:12]}); give that model or train again"
        )


@contextmanager
def open_adapter(folder: Path, loaded: LoadedModel) -> Iterator[Adapted]:
    """The model under the adapter of a folder; afterwards it is as it was, so that many take turns on one model.

    Raises AssayError when the adapter is of another model.
    """
    info = read_info(folder)
    check_pin(folder, info, loaded)
    if info.method == "vector":
        added = tuple(load_vectors(folder).interventions())
        yield Adapted(loaded.model, loaded.architecture, added, info)
        return
    from peft import PeftModel

    _check_numbers(folder / _PEFT_CONFIG)
    try:
        wrapped = PeftModel.from_pretrained(loaded.model, folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise AssayError(
            f"{folder} is not a readable PEFT folder: {error}; train again or give another folder"
        ) from error
    wrapped.eval().requires_grad_(False)
    try:
        yield Adapted(wrapped, loaded.architecture, (), info)
    finally:
        remove_adapter(loaded.model, wrapped)


def _check_numbers(path: Path) -> None:
    """Raise AssayError for a config with NaN or an infinity, which peft would compute with."""
    try:
        json.dumps(read_json(path), allow_nan=False)
    except ValueError as error:
        raise AssayError(f"{path} holds a NaN or an infinity; train again or correct it") from error


def remove_adapter(model: nn.Module, wrapped: Any) -> None:
    """Take a PEFT wrapper off: `model` has its own modules again, frozen, and no trace of the adapter."""
    wrapped.unload()
    if "peft_config" in model.__dict__:
        del model.peft_config
    model.requires_grad_(False)


def _info(fields: Mapping[str, Any]) -> AdapterInfo:
    return AdapterInfo(**{**fields, "layers": tuple(fields["layers"])})
