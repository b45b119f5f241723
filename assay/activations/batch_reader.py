"""One batch of encoded records through the model: padded ids in, rows of the store out."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from assay.activations.capture import Capture
from assay.activations.pooling import Pooling, pool
from assay.activations.store import ON_DISK, StoreDtype
from assay.errors import AssayError
from assay.forward.batching import PaddingSide, pad
from assay.models.architecture import Architecture
from assay.models.devices import input_device
from assay.models.sites import Site

TORCH_DTYPES: dict[StoreDtype, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class Selection:
    """Where the wanted tokens of a batch are: batch row and column of each [tokens], and tokens per record [batch]."""

    rows: torch.Tensor
    columns: torch.Tensor
    counts: torch.Tensor

    def to(self, device: torch.device) -> "Selection":
        """The same selection on `device`."""
        return Selection(self.rows.to(device), self.columns.to(device), self.counts.to(device))


@dataclass(frozen=True)
class _Kept:
    """What stays of one layer: rows in the store's dtype, the sum of each selected token and of each row."""

    rows: torch.Tensor
    token_sums: torch.Tensor
    row_sums: torch.Tensor


class BatchReader:
    """Context manager that reads one site at several layers, pooled, batch by batch, and leaves no hook behind.

    The rows of a record do not depend on the other records of its batch, on their order or on the padding side
    (up to float rounding of the matrix products).
    """

    def __init__(
        self,
        model: Any,
        architecture: Architecture,
        site: Site,
        layers: Sequence[int],
        *,
        pooling: Pooling,
        dtype: StoreDtype,
        pad_id: int = 0,
        padding_side: PaddingSide = "right",
    ):
        self.model = model
        self.site = site
        self.layers = list(layers)
        self.pooling = pooling
        self.dtype = dtype
        self.pad_id = pad_id
        self.padding_side = padding_side
        text_config = model.config.get_text_config()
        self.causal = not getattr(text_config, "use_bidirectional_attention", False)
        self.device = input_device(architecture)
        self.width = architecture.width(site)
        self._capture = Capture(architecture, site, layers, keep=self._keep)
        self._selections: dict[torch.device, Selection] = {}

    def __enter__(self) -> Self:
        self._capture.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._capture.__exit__(kind, error, traceback)

    def read(
        self, names: Sequence[str], ids: Sequence[np.ndarray], positions: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Rows [rows, layers, width] in the store's dtype on disk, in the order of the records and their positions.

        `ids` and `positions` are int64 arrays per record, positions being indices into its ids; `names` are for errors.
        Raises AssayError that names record and layer when a selected activation is NaN or infinite.
        """
        batch = pad(ids, pad_id=self.pad_id, side=self.padding_side, causal=self.causal).to(self.device)
        selection = select_tokens(positions, batch.starts)
        self._selections = {torch.device("cpu"): selection}
        with torch.inference_mode():
            kept = self._capture.run(
                lambda: self.model(
                    input_ids=batch.ids,
                    attention_mask=batch.mask,
                    position_ids=batch.position_ids,
                    use_cache=False,
                )
            )
            self._wait()
        n_rows = len(selection.rows) if self.pooling == "none" else len(names)
        rows = np.empty((n_rows, len(self.layers), self.width), ON_DISK[self.dtype])
        for index, layer in enumerate(self.layers):
            self._check(layer, kept[layer], selection, names)
            rows[:, index] = _bits(kept.pop(layer).rows)
        return rows

    def _keep(self, hidden: torch.Tensor) -> _Kept:
        """Select, pool and convert on the device of `hidden` [batch, seq, width]; only the rows travel to the CPU."""
        if hidden.device not in self._selections:
            self._selections[hidden.device] = self._selections[torch.device("cpu")].to(hidden.device)
        selection = self._selections[hidden.device]
        values = hidden[selection.rows, selection.columns]
        rows = pool(values, selection.counts, self.pooling).to(TORCH_DTYPES[self.dtype])
        return _Kept(_to_cpu(rows), _to_cpu(_row_sums(values)), _to_cpu(_row_sums(rows)))

    def _wait(self) -> None:
        """Copies to the CPU run behind the forward pass on CUDA; wait until they have arrived."""
        for device in self._selections:
            if device.type == "cuda":
                torch.cuda.synchronize(device)

    def _check(self, layer: int, kept: _Kept, selection: Selection, names: Sequence[str]) -> None:
        wrong = ~torch.isfinite(kept.token_sums)
        if wrong.any():
            name = names[int(selection.rows[wrong][0])]
            raise AssayError(
                f"record {name!r}: the activations at layer {layer}, site {self.site}, are NaN or infinite in "
                f"{_short(self.model.dtype)}; load the model in bfloat16 or float32 (and check its weights if it is)"
            )
        wrong = ~torch.isfinite(kept.row_sums)
        if wrong.any():
            owners = selection.rows if self.pooling == "none" else torch.arange(len(names))
            raise AssayError(
                f"record {names[int(owners[wrong][0])]!r}: the activations at layer {layer}, site {self.site}, exceed the "
                f"range of {self.dtype}; store them as bfloat16 or float32"
            )


def select_tokens(positions: Sequence[np.ndarray], starts: np.ndarray) -> Selection:
    """The selection of `positions` (token indices per record) in a batch whose records begin at columns `starts`."""
    counts = np.array([len(tokens) for tokens in positions])
    rows = np.repeat(np.arange(len(positions)), counts)
    columns = np.concatenate(positions) + np.repeat(starts, counts)
    return Selection(*(torch.from_numpy(array.astype(np.int64)) for array in (rows, columns, counts)))


def _row_sums(values: torch.Tensor) -> torch.Tensor:
    """Float32 sum of each row: one cheap pass, and NaN or infinite if anything in the row is."""
    return values.sum(dim=1, dtype=torch.float32)


def _to_cpu(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to("cpu", non_blocking=tensor.is_cuda)


def _bits(rows: torch.Tensor) -> np.ndarray:
    """The rows as numpy has them on disk: bfloat16 as uint16 bits."""
    return rows.view(torch.uint16).numpy() if rows.dtype == torch.bfloat16 else rows.numpy()


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
