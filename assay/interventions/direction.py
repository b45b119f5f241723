"""Directions: one vector per layer with where it comes from, their algebra, and their file format."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from assay.arrays import Floats
from assay.errors import AssayError
from assay.interventions.interventions import Intervention, Operator
from assay.models.same_model import require_same_model
from assay.models.sites import SITES, Site
from assay.storage.tensors import open_tensors, write_tensors

_KEY = "assay.direction"


@dataclass(frozen=True)
class DirectionInfo:
    """Where a direction comes from.

    Attributes:
        pin: fingerprint of the model pin.
        site: where in the block it is read and written.
        method: how it was found, with its settings.
        scales: mean norm of the site's activations by layer, the natural unit of a coefficient; may be empty.
        training: SHA-256 over what it was estimated from.
    """

    pin: str
    site: Site
    method: str
    scales: Mapping[int, float]
    training: str


@dataclass(frozen=True, eq=False)
class Direction:
    """`vectors` [width] float64 by layer. Immutable: every operation returns a new direction.

    `2 * d`, `-d`, `a + b`, `a - b`; two operands must be of one model, site and set of layers, and the result keeps
    the first one's method.
    """

    vectors: Mapping[int, Floats]
    info: DirectionInfo

    def __post_init__(self) -> None:
        if not self.vectors:
            raise AssayError("a direction needs a vector for at least one layer")
        frozen = {}
        for layer, vector in sorted(self.vectors.items()):
            copy = np.array(vector, dtype=np.float64)
            if copy.ndim != 1 or not np.isfinite(copy).all():
                raise AssayError(
                    f"the direction at layer {layer} must be one finite vector, found {copy.shape}"
                )
            copy.flags.writeable = False
            frozen[layer] = copy
        object.__setattr__(self, "vectors", frozen)

    @property
    def layers(self) -> list[int]:
        """The layers it has a vector of, sorted."""
        return list(self.vectors)

    @property
    def layer(self) -> int:
        """Its layer where it has one. Raises AssayError where it has several."""
        if len(self.vectors) > 1:
            raise AssayError(f"this direction has the layers {self.layers}; choose one with `at`")
        return self.layers[0]

    @property
    def vector(self) -> Floats:
        """Its vector [width] where it has one layer. Raises AssayError where it has several."""
        return self.vectors[self.layer]

    def at(self, layer: int) -> "Direction":
        """The same direction at one of its layers alone. Raises AssayError for a layer it does not have."""
        return Direction({layer: self._at(layer)}, self.info)

    def __mul__(self, factor: float) -> "Direction":
        return self._map(lambda layer: factor * self.vectors[layer])

    __rmul__ = __mul__

    def __neg__(self) -> "Direction":
        return -1.0 * self

    def __add__(self, other: "Direction") -> "Direction":
        self._match(other)
        return self._map(lambda layer: self.vectors[layer] + other.vectors[layer])

    def __sub__(self, other: "Direction") -> "Direction":
        return self + -other

    def unit(self) -> "Direction":
        """The same direction with vectors of norm 1. Raises AssayError where one is zero."""
        return self._map(lambda layer: self.vectors[layer] / self._norm(layer))

    def cosine(self, other: "Direction") -> dict[int, float]:
        """Cosine similarity by layer. Raises AssayError where a vector is zero."""
        self._match(other)
        return {
            layer: float(self.vectors[layer] @ other.vectors[layer] / self._norm(layer) / other._norm(layer))
            for layer in self.layers
        }

    def project(self, X: ArrayLike, layer: int) -> Floats:
        """Activations [n, width] → [n]: their length along the unit direction at `layer`."""
        vector = self._at(layer)
        activations = np.asarray(X, dtype=np.float64)
        if activations.ndim != 2 or activations.shape[1] != len(vector):
            raise AssayError(
                f"this direction reads activations [n, {len(vector)}], found {activations.shape}"
            )
        projections: Floats = activations @ vector / self._norm(layer)
        return projections

    def intervention(
        self, operator: Operator, layer: int, coefficient: float, scope: str = "all"
    ) -> Intervention:
        """The intervention with this direction's vector at `layer` (float32)."""
        vector = torch.tensor(self._at(layer), dtype=torch.float32)
        return Intervention(operator, self.info.site, layer, coefficient, scope, vector)

    def _map(self, change: Callable[[int], Floats]) -> "Direction":
        return Direction({layer: change(layer) for layer in self.layers}, self.info)

    def _at(self, layer: int) -> Floats:
        if layer not in self.vectors:
            raise AssayError(f"the direction has no vector of layer {layer}; it has layers {self.layers}")
        return self.vectors[layer]

    def _norm(self, layer: int) -> float:
        norm = float(np.linalg.norm(self._at(layer)))
        if norm == 0:
            raise AssayError(f"the vector at layer {layer} is zero: it has no direction; take the layer out")
        return norm

    def _match(self, other: "Direction") -> None:
        require_same_model("the second direction", other.info.pin, self.info.pin)
        for what, mine, theirs in (
            ("sites", self.info.site, other.info.site),
            ("layers", self.layers, other.layers),
        ):
            if mine != theirs:
                raise AssayError(f"directions of different {what} cannot be combined: {mine} and {theirs}")


def save_direction(path: Path, direction: Direction) -> None:
    """Write a direction as safetensors, one tensor per layer, whole or not at all; equal ones give equal bytes."""
    info = dataclasses.asdict(direction.info)
    info["scales"] = {str(layer): float(scale) for layer, scale in direction.info.scales.items()}
    write_tensors(path, _KEY, {f"layer.{layer}": v for layer, v in direction.vectors.items()}, info)


def load_direction(path: Path, pin: str | None = None) -> Direction:
    """A direction from its file; `pin` is the fingerprint of the model it must be of.

    Raises AssayError when the file is no direction or one of another model.
    """
    with open_tensors(path, _KEY, "directions") as file:
        scales = {int(layer): scale for layer, scale in file.about["scales"].items()}
        vectors = {int(name.removeprefix("layer.")): file.read(name) for name in file.names}
        direction = Direction(vectors, DirectionInfo(**{**file.about, "scales": scales}))
    if direction.info.site not in SITES:
        raise AssayError(f"unknown site {direction.info.site!r} in {path}; make it again")
    if pin is not None:
        require_same_model(path, direction.info.pin, pin)
    return direction
