"""Probes on disk: safetensors with JSON metadata, one probe per layer; no pickle."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import AssayError
from assay.models.same_model import require_same_model
from assay.models.sites import SITES, Site
from assay.probes.linear import Probe, UtilityProbe
from assay.storage.tensors import TensorFile, open_tensors, write_tensors

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
        position: which tokens were read (vocabulary of the activation store); "" where the rows are labelled one by one.
    """

    pin: str
    site: str
    method: str
    concept: str
    training: str
    best_layer: int
    position: str = ""


def save_probes(
    path: Path, probes: Mapping[int, Probe] | Mapping[int, UtilityProbe], info: ProbeInfo
) -> None:
    """Write one probe per layer, whole or not at all; equal probes give equal bytes.

    Utility probes keep their penalties (ridge's α) in the metadata, which is how a reader tells them from classifiers.
    """
    if info.best_layer not in probes:
        raise AssayError(
            f"layer {info.best_layer} is the best layer, but the probes are of layers {sorted(probes)}"
        )
    arrays = {f"layer.{layer}.weight": probe.weight for layer, probe in probes.items()}
    for layer, probe in probes.items():
        arrays[f"layer.{layer}.bias_scale_converged"] = np.array(
            [probe.bias, probe.scale, float(probe.converged)]
        )
    described = {name: value for name, value in dataclasses.asdict(info).items() if value != ""}
    penalties = {
        str(layer): probe.penalty for layer, probe in probes.items() if isinstance(probe, UtilityProbe)
    }
    if penalties:
        described["penalties"] = penalties
    write_tensors(path, _KEY, arrays, {**described, "layers": sorted(probes)})


def load_probes(path: Path) -> tuple[dict[int, Probe] | dict[int, UtilityProbe], ProbeInfo]:
    """All probes of a file by layer, and where they come from. Raises AssayError when it is not a probe file."""
    with open_tensors(path, _KEY, "probes") as file:
        fields = dict(file.about)
        layers, penalties = fields.pop("layers"), fields.pop("penalties", None)
        info = ProbeInfo(**fields)
        if penalties is None:
            return {layer: Probe(**_read(file, layer)) for layer in layers}, info
        utility = {
            layer: UtilityProbe(**_read(file, layer), penalty=penalties[str(layer)]) for layer in layers
        }
        return utility, info


def load_probe(path: Path, layer: int | None = None) -> Probe | UtilityProbe:
    """The probe of one layer, by default the layer chosen on validation data.

    It reads raw activations: `load_probe(path).decision_function(X)` and `.predict(X)`, which is a class or a utility; a
    classifier has `.predict_proba(X)` as well.
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
        probes, info = load_probes(path)
        found[name] = {layer: probe for layer, probe in probes.items() if isinstance(probe, Probe)}
        if not found[name]:
            raise AssayError(f"{path} holds utility probes, not classifiers; give a file of the token study")
        sites.add(info.site)
        require_same_model(path, info.pin, pin)
        if len(sites) > 1 or found[name].keys() != next(iter(found.values())).keys():
            raise AssayError(
                f"{path} reads another site or other layers than the first probe file; fit both again"
            )
    site = sites.pop()
    if site not in SITES:
        raise AssayError(f"unknown site {site!r} in a probe file; fit it again")
    return found, site


def _read(file: TensorFile, layer: int) -> dict[str, Any]:
    """The fields that all probes have."""
    bias, scale, converged = file.read(f"layer.{layer}.bias_scale_converged")
    weight = np.asarray(file.read(f"layer.{layer}.weight"), dtype=np.float64)
    return {"weight": weight, "bias": float(bias), "scale": float(scale), "converged": bool(converged)}
