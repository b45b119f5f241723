"""Trained adapters on disk, with everything needed to apply them again: steering vectors, and LoRA as PEFT folders."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from safetensors import SafetensorError
from torch import nn

from assay.arrays import Floats
from assay.errors import AssayError
from assay.interventions.direction import Direction, DirectionInfo
from assay.interventions.interventions import Intervention
from assay.models.architecture import Architecture
from assay.models.loading import LoadedModel
from assay.models.registry import Pin
from assay.models.same_model import require_same_model
from assay.models.sites import Site
from assay.prompts.earlier_words import current_word, earlier_word
from assay.storage.files import hash_file, write_json
from assay.storage.fingerprints import fingerprint
from assay.storage.json_text import read_document, shape
from assay.storage.tensors import open_tensors, write_tensors

Method = Literal["vector", "lora"]
DESCRIPTION, VECTORS = "adapter.json", "vectors.safetensors"
_PEFT_CONFIG = (
    "adapter_config.json"  # peft writes the modules in the order of a set, which differs between processes
)
_PEFT_WEIGHTS = "adapter_model.safetensors"
FILES = (DESCRIPTION, VECTORS, _PEFT_CONFIG, _PEFT_WEIGHTS)
"""Every file of an adapter's folder."""
_KEY = "assay.vectors"
_FILES, _DIGEST = (
    "files",
    "digest",
)  # of the description: SHA-256 of PEFT's files, and of the description itself


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter is and how it was made.

    Attributes:
        method: "vector" or "lora".
        pin: fingerprint of the model it was trained on.
        model: that model's alias, for people.
        site: where a vector is added; "" for LoRA.
        layers: the block(s) it changes.
        scopes: the position at which each vector is added, by its name; empty for LoRA.
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
    """Directions by name, each with one vector [d_model] at the adapter's layer, and the run that trained them."""

    directions: Mapping[str, Direction]
    info: AdapterInfo

    @classmethod
    def trained(cls, vectors: Mapping[str, Floats], info: AdapterInfo) -> Self:
        """Vectors [d_model] that a training of this kind found."""
        assert info.site != ""
        (layer,) = info.layers
        about = DirectionInfo(
            pin=info.pin,
            site=info.site,
            method=f"learned: seed {info.seed}, learning rate {info.lr:g}, {info.step} steps",
            scales={},
            training=info.training,
        )
        return cls({name: Direction({layer: vector}, about) for name, vector in vectors.items()}, info)

    def interventions(self, coefficient: float = 1.0, scope: str | None = None) -> list[Intervention]:
        """One `add` for each direction, at the tokens it was trained at (or at `scope` instead)."""
        return [
            direction.intervention("add", direction.layer, coefficient, scope or self.info.scopes[name])
            for name, direction in self.directions.items()
        ]


@dataclass(frozen=True)
class Adapted:
    """A model under an adapter: run `model` with `interventions` (none for LoRA), as `generate` takes them."""

    model: nn.Module
    architecture: Architecture
    interventions: tuple[Intervention, ...]
    info: AdapterInfo


def save_vectors(folder: Path, adapter: SteeringVectors) -> None:
    """Write vectors (float32) as `vectors.safetensors`, with `adapter.json` for people; equal ones give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: direction.vector.astype(np.float32) for name, direction in adapter.directions.items()}
    write_tensors(folder / VECTORS, _KEY, arrays, _fields(adapter.info))
    _describe(folder, adapter.info)


def save_lora(folder: Path, wrapped: Any, info: AdapterInfo) -> None:
    """Write a PEFT folder that `PeftModel.from_pretrained` loads, and `adapter.json` beside its files; equal ones give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    wrapped.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    config = read_document(folder / _PEFT_CONFIG)
    write_json(folder / _PEFT_CONFIG, config | {"target_modules": sorted(config["target_modules"])})
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
    _describe(folder, info, files=(_PEFT_CONFIG, _PEFT_WEIGHTS))


def read_info(folder: Path) -> AdapterInfo:
    """What the adapter in a folder is. Raises AssayError when there is none, or its description is not as it was written."""
    fields = _description(folder)
    try:
        return _info({name: value for name, value in fields.items() if name not in (_FILES, _DIGEST)})
    except (TypeError, KeyError) as error:
        raise AssayError(
            f"{folder / DESCRIPTION} is not a description of this version ({error}); train again"
        ) from error


def load_vectors(folder: Path, pin: Pin | None = None) -> SteeringVectors:
    """The vectors of a folder as directions; `pin` is the model they must be of.

    Raises AssayError when the folder holds none, or those of another model.
    """
    path = Path(folder) / VECTORS
    with open_tensors(path, _KEY, "steering vectors") as file:
        info = _info(file.about)
        adapter = SteeringVectors.trained({name: file.read(name) for name in info.scopes}, info)
    if pin is not None:
        check_pin(folder, info, pin)
    return adapter


def check_pin(folder: Path, info: AdapterInfo, pin: Pin) -> None:
    """Raise AssayError when the adapter of a folder is of another model."""
    require_same_model(folder, info.pin, pin.fingerprint, found_alias=info.model, wanted_alias=pin.alias)


@contextmanager
def open_adapter(folder: Path, loaded: LoadedModel) -> Iterator[Adapted]:
    """The model under the adapter of a folder; afterwards it is as it was, so that many take turns on one model.

    Raises AssayError when the adapter is of another model.
    """
    info = read_info(folder)
    check_pin(folder, info, loaded.pin)
    if info.method == "vector":
        added = tuple(load_vectors(folder).interventions())
        yield Adapted(loaded.model, loaded.architecture, added, info)
        return
    from peft import PeftModel

    _check_numbers(folder / _PEFT_CONFIG)
    _check_files(folder)
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


def _describe(folder: Path, info: AdapterInfo, files: Sequence[str] = ()) -> None:
    """Write the description, with the hashes of PEFT's files, which have no place for a digest of their own."""
    fields = _fields(info) | ({_FILES: {name: hash_file(folder / name) for name in files}} if files else {})
    write_json(folder / DESCRIPTION, {**fields, _DIGEST: fingerprint(fields)})


def _description(folder: Path) -> dict[str, Any]:
    """The description; one without a digest, of an earlier version, is read as well."""
    fields = read_document(folder / DESCRIPTION)
    if not isinstance(fields, dict):
        raise AssayError(f"{folder / DESCRIPTION} must hold an object, found {shape(fields)}; train again")
    content = {name: value for name, value in fields.items() if name != _DIGEST}
    if fields.get(_DIGEST, fingerprint(content)) != fingerprint(content):
        raise AssayError(
            f"{folder / DESCRIPTION} is damaged or was changed by hand; train again, or take its {_DIGEST!r} out if you meant it"
        )
    return fields


def _check_files(folder: Path) -> None:
    """Raise AssayError where PEFT's files are not those that the description names."""
    hashes = _description(folder).get(_FILES, {})
    for name in (_PEFT_CONFIG, _PEFT_WEIGHTS):
        if name in hashes and (folder / name).is_file() and hash_file(folder / name) != hashes[name]:
            raise AssayError(
                f"{folder / name} is damaged or was changed by hand; train again, or take {_FILES!r} and {_DIGEST!r} out of "
                f"{DESCRIPTION} if you meant it"
            )


def _check_numbers(path: Path) -> None:
    """Raise AssayError for a config with NaN or an infinity, which peft would compute with."""
    try:
        json.dumps(read_document(path), allow_nan=False)
    except ValueError as error:
        raise AssayError(f"{path} holds a NaN or an infinity; train again or correct it") from error


def remove_adapter(model: nn.Module, wrapped: Any) -> None:
    """Take a PEFT wrapper off: `model` has its own modules again, frozen, and no trace of the adapter."""
    wrapped.unload()
    if "peft_config" in model.__dict__:
        del model.peft_config
    model.requires_grad_(False)


def _fields(info: AdapterInfo) -> dict[str, Any]:
    scopes = {name: earlier_word(expression) for name, expression in info.scopes.items()}
    return dataclasses.asdict(info) | {"scopes": scopes}


def _info(fields: Mapping[str, Any]) -> AdapterInfo:
    scopes = {name: current_word(expression) for name, expression in fields["scopes"].items()}
    return AdapterInfo(**{**fields, "layers": tuple(fields["layers"]), "scopes": scopes})
