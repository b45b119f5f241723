"""Probes on disk: safetensors with JSON metadata, one probe per layer; no pickle."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from assay.architecture import SITES, Site
from assay.errors import AssayError
from assay.files import atomic_path
from assay.probes import Probe

_KEY = "assay.probes"


@dataclass(frozen=True)
class ProbeInfo:
    """Where a set of probes comes from and what it reads.

    Attributes:
        pin: fingerprint of the model pin whose activations were read.
        site: where in the block (vocabulary of the activation store).
        method: how the weights were found, with its settings.
        concept: what the positive class is, in words.
        training: SHA-256 over the rows that trained the probes.
        best_layer: the layer chosen on validation data; what `load_probe` returns when no layer is asked for.
    """

    pin: str
    site: str
    method: str
    concept: str
    training: str
    best_layer: int


def save_probes(path: Path, probes: Mapping[int, Probe], info: ProbeInfo) -> None:
    """Write one probe per layer, whole or not at all; equal probes give equal bytes."""
    if info.best_layer not in probes:
        raise AssayError(
            f"layer {info.best_layer} is the best layer, but the probes are of layers {sorted(probes)}"
        )
    tensors = {f"layer.{layer}.weight": np.ascontiguousarray(probe.weight) for layer, probe in probes.items()}
    for layer, probe in probes.items():
        tensors[f"layer.{layer}.bias_scale_converged"] = np.array(
            [probe.bias, probe.scale, float(probe.converged)]
        )
    metadata = {_KEY: json.dumps({**dataclasses.asdict(info), "layers": sorted(probes)}, sort_keys=True)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def load_probes(path: Path) -> tuple[dict[int, Probe], ProbeInfo]:
    """All probes of a file by layer, and where they come from. Raises AssayError when it is not a probe file."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = (file.metadata() or {}).get(_KEY)
            if metadata is None:
                raise AssayError(
                    f"{path} is a safetensors file but holds no probes; give a file that a probe stage wrote"
                )
            fields = json.loads(metadata)
            probes = {layer: _read(file, layer) for layer in fields.pop("layers")}
            return probes, ProbeInfo(**fields)
    except FileNotFoundError as error:
        raise AssayError(
            f"{path} does not exist; run the probe stage that makes it, or check the path"
        ) from error
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise AssayError(
            f"{path} is not a readable probe file: {error}; run the probe stage again"
        ) from error


def load_probe(path: Path, layer: int | None = None) -> Probe:
    """The probe of one layer, by default the layer chosen on validation data.

    It reads raw activations: `load_probe(path).decision_function(X)`, `.predict(X)`, `.predict_proba(X)`.
    """
    probes, info = load_probes(path)
    chosen = info.best_layer if layer is None else layer
    if chosen not in probes:
        raise AssayError(f"{path} holds no probe of layer {chosen}; it has layers {sorted(probes)}")
    return probes[chosen]


def load_matching_probes(paths: Mapping[str, Path], pin: str) -> tuple[dict[str, dict[int, Probe]], Site]:
    """Several probe files that read the same activations of the model with fingerprint `pin`, by name, and their site.

    Raises AssayError that names the file made from another model, site or set of layers.
    """
    found: dict[str, dict[int, Probe]] = {}
    sites: set[str] = set()
    for name, path in paths.items():
        found[name], info = load_probes(path)
        sites.add(info.site)
        if info.pin != pin:
            raise AssayError(
                f"{path} was fitted on another model (pin {info.pin[:12]}, not {pin[:12]}); fit it again"
            )
        if len(sites) > 1 or found[name].keys() != next(iter(found.values())).keys():
            raise AssayError(
                f"{path} reads another site or other layers than the first probe file; fit both again"
            )
    site = sites.pop()
    if site not in SITES:
        raise AssayError(f"unknown site {site!r} in a probe file; fit it again")
    return found, site


def _read(file: Any, layer: int) -> Probe:
    bias, scale, converged = file.get_tensor(f"layer.{layer}.bias_scale_converged")
    weight = np.asarray(file.get_tensor(f"layer.{layer}.weight"), dtype=np.float64)
    return Probe(weight, float(bias), float(scale), bool(converged))
