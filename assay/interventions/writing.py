"""Writing activations: hooks that change a site's tensor for some rows and tokens of a batch, and come off again."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from assay.interventions.interventions import Intervention, apply, check_intervention
from assay.models.architecture import Architecture, Tap
from assay.models.sites import Site
from assay.prompts.positions import Layout, parse_written, written


@dataclass(frozen=True)
class Row:
    """One row of a batch: its record's layout, the interventions on it (applied in order) and where its tokens lie.

    Column c of the forward pass holds token `first + c`; a negative token is padding on the left. Tokens from
    `length` on are padding on the right.
    """

    layout: Layout
    interventions: tuple[Intervention, ...]
    first: int
    length: int


@dataclass(frozen=True)
class _Edit:
    """Interventions on disjoint elements [batch, seq]: `rows`, `columns` int64 (n,) and how many in turn each touches."""

    rows: torch.Tensor
    columns: torch.Tensor
    parts: tuple[tuple[Intervention, int], ...]


class Writer:
    """Context manager with write hooks where `interventions` need them; they are removed also after an exception.

    Before each forward pass say what its batch holds: `aim(rows, width)`. A pass that was not aimed at is unchanged.
    Nothing is edited in place, and only touched tokens get new values. A `Capture` entered inside reads what was written.

        with Writer(architecture, interventions) as writer:
            writer.aim(rows, ids.shape[1])
            logits = model(input_ids=ids).logits
    """

    def __init__(self, architecture: Architecture, interventions: Iterable[Intervention]):
        self.head_dim = architecture.head_dim
        self.taps: dict[tuple[Site, int], Tap] = {}
        for intervention in interventions:
            check_intervention(intervention, architecture)
            place = (intervention.site, intervention.layer)
            self.taps[place] = architecture.tap(*place)
        self._hooks = ExitStack()
        self._edits: dict[tuple[Site, int], list[_Edit]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as hooks:
            for place, tap in self.taps.items():
                hooks.callback(self._attach(place, tap).remove)
            self._hooks = hooks.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._hooks.close()
        self._edits = {}

    def aim(self, rows: Sequence[Row], width: int) -> None:
        """The next forward pass has these batch rows, each of `width` columns. Until the next call it stays so."""
        # A row's first interventions at a place make one edit, its second ones the next: one copy of the tensor each.
        groups: dict[tuple[Site, int, int], dict[int, list[tuple[int, np.ndarray]]]] = {}
        known: dict[int, Intervention] = {}
        for number, row in enumerate(rows):
            depth: dict[tuple[Site, int], int] = {}
            for intervention in row.interventions:
                columns = _columns(intervention, row, width)
                if not len(columns):
                    continue
                place = (intervention.site, intervention.layer)
                depth[place] = depth.get(place, -1) + 1
                known[id(intervention)] = intervention
                group = groups.setdefault((*place, depth[place]), {})
                group.setdefault(id(intervention), []).append((number, columns))
        self._edits = {}
        for site, layer, order in sorted(groups, key=lambda key: key[2]):
            group = groups[site, layer, order]
            where = [pair for pairs in group.values() for pair in pairs]
            numbers = np.repeat([number for number, _ in where], [len(columns) for _, columns in where])
            parts = tuple((known[key], sum(len(c) for _, c in pairs)) for key, pairs in group.items())
            edit = _Edit(
                torch.from_numpy(numbers), torch.from_numpy(np.concatenate([c for _, c in where])), parts
            )
            self._edits.setdefault((site, layer), []).append(edit)

    def _attach(self, place: tuple[Site, int], tap: Tap) -> RemovableHandle:
        if tap.side == "input":

            def before(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
                edits = self._edits.get(place)
                return (self._write(edits, tap.pick(args, None)), *args[1:]) if edits else None

            return tap.module.register_forward_pre_hook(before)

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            edits = self._edits.get(place)
            if not edits:
                return None
            written = self._write(edits, tap.pick(args, output))
            return (written, *output[1:]) if isinstance(output, tuple) else written

        return tap.module.register_forward_hook(after)

    def _write(self, edits: list[_Edit], hidden: torch.Tensor) -> torch.Tensor:
        """A copy of `hidden` [batch, seq, width] in which the touched elements are changed, in order."""
        for edit in edits:
            where = (edit.rows.to(hidden.device), edit.columns.to(hidden.device))
            values = torch.split(hidden[where], [count for _, count in edit.parts])
            changed = [
                apply(part, rows, self.head_dim) for (part, _), rows in zip(edit.parts, values, strict=True)
            ]
            hidden = hidden.index_put(where, torch.cat(changed))
        return hidden


def _columns(intervention: Intervention, row: Row, width: int) -> np.ndarray:
    """The columns (int64) of this pass that an intervention changes in a row; none where it changes nothing."""
    if intervention.is_noop:
        return np.empty(0, dtype=np.int64)
    start, stop = max(row.first, 0), min(row.first + width, row.length)
    return written(parse_written(intervention.scope), row.layout, start, stop) - row.first
