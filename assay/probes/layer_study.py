"""A study of layers: each is fitted and judged, one in memory at a time, and one is chosen by what no reported number rests on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from assay.errors import AssayError


class LayerFindings(Protocol):
    """What was found at one layer: probes, their numbers, their controls, and by what the layer may be chosen."""

    @property
    def criterion(self) -> float:
        """How well the probe reads the data that choose, the higher the better; reported data have no part in it."""


Findings = TypeVar("Findings", bound=LayerFindings)


class LayerStudy(Mapping[int, Findings]):
    """The findings of every layer, by layer. Raises AssayError for none at all."""

    def __init__(self, findings: Mapping[int, Findings]) -> None:
        if not findings:
            raise AssayError("a study of layers needs at least one layer")
        self._findings = dict(findings)

    def __getitem__(self, layer: int) -> Findings:
        return self._findings[layer]

    def __iter__(self) -> Iterator[int]:
        return iter(self._findings)

    def __len__(self) -> int:
        return len(self._findings)

    @property
    def best_layer(self) -> int:
        """The layer with the highest criterion; the earliest among equals."""
        return max(self, key=lambda layer: (self[layer].criterion, -layer))

    @property
    def best(self) -> Findings:
        """The findings of the best layer."""
        return self[self.best_layer]


def study_layers(
    layers: Iterable[int], fit: Callable[[int], Findings], *, tell: Callable[[int], None] = lambda _: None
) -> LayerStudy[Findings]:
    """Fit every layer, in order. `tell` is told how many layers are done."""
    findings: dict[int, Findings] = {}
    for layer in layers:
        findings[layer] = fit(layer)
        tell(len(findings))
    return LayerStudy(findings)
