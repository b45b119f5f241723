"""Reading activations: hooks that come off again, and a forward pass that stops where nothing more is asked for."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from assay.errors import AssayError
from assay.models.architecture import Architecture, Tap
from assay.models.sites import Site

Kept = TypeVar("Kept")


class _StopForwardError(Exception):
    """Ends a forward pass after the deepest requested layer. `owner` is the capture that raised it."""

    def __init__(self, owner: object):
        super().__init__("the deepest requested layer has been read")
        self.owner = owner


class Capture(Generic[Kept]):
    """Context manager with read hooks on one site at several layers; they are removed also after an exception.

    `keep` gets the site's tensor [batch, seq, width] on its device while the forward pass runs and returns what is to
    stay of it. Only that stays: index, reduce or clone, never return a view, and nothing else of the tensor lives on.
    With `early_exit` the pass ends at the deepest layer, so deeper blocks, the final norm and logits are not computed.

        with Capture(architecture, "resid", [3, 7], keep=lambda hidden: hidden[:, -1].clone()) as capture:
            last = capture.run(lambda: model(input_ids=ids, use_cache=False))  # {3: [batch, d_model], 7: …}
    """

    def __init__(
        self,
        architecture: Architecture,
        site: Site,
        layers: Sequence[int],
        *,
        keep: Callable[[torch.Tensor], Kept],
        early_exit: bool = True,
    ):
        if not layers:
            raise AssayError("no layer was asked for; give at least one")
        self.taps = {layer: architecture.tap(site, layer) for layer in sorted(set(layers))}
        self.deepest = max(self.taps)
        self.keep = keep
        self.early_exit = early_exit
        self._handles: list[RemovableHandle] = []
        self._kept: dict[int, Kept] | None = None  # None outside `run`: the hooks then do nothing

    def __enter__(self) -> Self:
        try:
            for layer, tap in self.taps.items():
                self._handles.append(self._attach(layer, tap))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remove()

    def run(self, forward: Callable[[], object]) -> dict[int, Kept]:
        """Call `forward` (one forward pass of the model) and return what `keep` returned, by layer."""
        if not self._handles:
            raise RuntimeError("Capture.run outside its `with` block: there are no hooks")
        kept: dict[int, Kept] = {}
        self._kept = kept
        try:
            forward()
        except _StopForwardError as stop:
            if stop.owner is not self:
                raise
        finally:
            self._kept = None
        missing = self.taps.keys() - kept.keys()
        if missing:
            raise RuntimeError(f"the forward pass never reached layers {sorted(missing)}")
        return kept

    def _attach(self, layer: int, tap: Tap) -> RemovableHandle:
        if tap.side == "input":

            def before(_: nn.Module, args: tuple[Any, ...]) -> None:
                self._read(layer, tap.pick(args, None))

            return tap.module.register_forward_pre_hook(before)

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            self._read(layer, tap.pick(args, output))

        return tap.module.register_forward_hook(after)

    def _read(self, layer: int, tensor: torch.Tensor) -> None:
        if self._kept is None:
            return
        self._kept[layer] = self.keep(tensor)
        if self.early_exit and layer == self.deepest:
            raise _StopForwardError(self)

    def _remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
