"""What training never changes, computed once: activations below the trained layer, keys and values before the tokens."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from assay.forward.batching import Halver, pad, plan_batches
from assay.forward.encoded import Example
from assay.forward.suffix import Suffix, Tokens


@dataclass(frozen=True)
class Prefix:
    """What one example brings into the suffix. Its tokens from `cut` on (the tail) are computed in each step.

    `tail` [n_inputs − cut, d_model] is the input of block `start`; `past` [cut, kept layers, 2, n_kv_heads, head_dim]
    the keys and values of the tokens before.
    """

    cut: int
    tail: torch.Tensor
    past: torch.Tensor

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return self.tail.nbytes + self.past.nbytes


class Prefixes:
    """The prefixes of examples, kept as long as they fit into `budget_bytes`; those beyond are computed when asked for."""

    def __init__(
        self,
        suffix: Suffix,
        examples: Sequence[Example],
        *,
        share_tokens: bool,
        token_budget: int,
        budget_bytes: int,
    ):
        self.suffix = suffix
        self.examples = examples
        self.cuts = [example.first_change if share_tokens else 0 for example in examples]
        self.token_budget = token_budget
        self.room = budget_bytes
        self._kept: dict[int, Prefix] = {}
        self._halver = Halver([e.n_inputs for e in examples], [e.id for e in examples])

    def tail_length(self, index: int) -> int:
        """Tokens of an example that each step computes."""
        return self.examples[index].n_inputs - self.cuts[index]

    def get(self, indices: Sequence[int]) -> list[Prefix]:
        """The prefixes of some examples, in order."""
        missing = sorted({index for index in indices if index not in self._kept})
        fresh: dict[int, Prefix] = {}
        lengths = [self.examples[index].n_inputs for index in missing]
        for batch in plan_batches(lengths, self.token_budget):
            for part, prefixes in self._halver.run([missing[i] for i in batch], self._capture):
                fresh.update(zip(part, prefixes, strict=True))
        for index, prefix in fresh.items():
            if prefix.n_bytes <= self.room:
                self.room -= prefix.n_bytes
                self._kept[index] = prefix
        return [self._kept.get(index) or fresh[index] for index in indices]

    def fill(self) -> None:
        """Compute prefixes until one finds no room, in length-sorted batches."""
        for batch in plan_batches([e.n_inputs for e in self.examples], self.token_budget):
            self.get(batch)
            if not self._kept.keys() >= set(batch):
                return

    @torch.no_grad()
    def _capture(self, indices: Sequence[int]) -> list[Prefix]:
        """One forward pass that records the input of block `start` and, where an example shares tokens, keys and values.

        Without shared tokens the blocks from `start` on would compute what nobody reads; they are left out.
        """
        suffix = self.suffix
        batch = pad([self.examples[index].ids[:-1] for index in indices], pad_id=0)
        lengths = torch.tensor([self.examples[index].n_inputs for index in indices])
        columns = torch.arange(batch.ids.shape[1]).expand(len(indices), -1)
        tokens = Tokens(batch.ids, columns, columns < lengths[:, None])
        recorder = _Recorder(suffix.start)
        handle = suffix.entry.register_forward_pre_hook(recorder.enter)
        needs_keys = any(self.cuts[index] for index in indices)
        try:
            with nullcontext() if needs_keys else suffix.left_out():
                suffix.run_stack(on_device(tokens, suffix.device), keys=recorder)
        finally:
            handle.remove()
        return [self._cut(recorder, row, index) for row, index in enumerate(indices)]

    def _cut(self, recorder: "_Recorder", row: int, index: int) -> Prefix:
        cut, n_inputs = self.cuts[index], self.examples[index].n_inputs
        assert recorder.hidden is not None
        sizes = self.suffix.architecture.sizes
        past = recorder.hidden.new_zeros(cut, 0, 2, sizes.n_kv_heads, sizes.head_dim)
        if cut and recorder.layers:
            pairs = [torch.stack([k[row, :, :cut], v[row, :, :cut]]) for k, v in recorder.layers]
            stacked = torch.stack([pair.to(self.suffix.device) for pair in pairs])
            past = stacked.permute(3, 0, 1, 2, 4).contiguous()  # from [layers, 2, heads, cut, dim]
        return Prefix(cut, recorder.hidden[row, cut:n_inputs].clone(), past)


class _Recorder:
    """Stands in for a key-value cache: keeps what the blocks from `start` on give it, and the input of the first."""

    def __init__(self, start: int):
        self.start = start
        self.hidden: torch.Tensor | None = None
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def enter(self, _module: nn.Module, args: tuple[Any, ...]) -> None:
        """Pre-hook of the entry."""
        self.hidden = args[0]

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_args: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep keys and values, and hand them on."""
        if layer >= self.start:
            self.layers.append((key, value))
        return key, value


class Past:
    """The pasts of a batch's rows, as keys and values that come before the tail's."""

    def __init__(self, prefixes: Sequence[Prefix], rows: torch.Tensor, start: int):
        """`rows` int64 [batch] says which of `prefixes` each batch row continues."""
        self.start = start
        self.rows = rows
        self.padded = pad_sequence([prefix.past for prefix in prefixes], batch_first=True)
        self.lengths = torch.tensor([prefix.cut for prefix in prefixes], device=self.padded.device)[rows]

    def tokens(self) -> Tokens:
        """Positions and validity of the past's columns [batch, longest past]; their ids do not matter."""
        columns = torch.arange(self.padded.shape[1], device=self.padded.device).expand(len(self.rows), -1)
        return Tokens(torch.zeros_like(columns), columns, columns < self.lengths[:, None])

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_args: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the past's keys and values before the new ones; blocks below `start` are not run."""
        past = self.padded[:, :, layer - self.start].permute(2, 0, 3, 1, 4)[
            :, self.rows.to(self.padded.device)
        ]
        both = past.to(key)
        return torch.cat([both[0], key], dim=2), torch.cat([both[1], value], dim=2)


def on_device(tokens: Tokens, device: torch.device) -> Tokens:
    """The same tokens on `device`."""
    return Tokens(tokens.ids.to(device), tokens.positions.to(device), tokens.valid.to(device))


def tail_tokens(prefixes: Sequence[Prefix], examples: Sequence[Example], device: torch.device) -> Tokens:
    """The tails of some examples, padded on the right."""
    batch = pad([e.ids[p.cut : e.n_inputs] for p, e in zip(prefixes, examples, strict=True)], pad_id=0)
    cuts = np.array([prefix.cut for prefix in prefixes])
    lengths = np.array([example.n_inputs for example in examples]) - cuts
    columns = np.arange(batch.ids.shape[1])[None, :]
    last = (cuts + lengths - 1)[:, None]  # padding repeats it: learned position embeddings end somewhere
    positions = np.minimum(columns + cuts[:, None], last)
    tokens = Tokens(batch.ids, torch.from_numpy(positions), torch.from_numpy(columns < lengths[:, None]))
    return on_device(tokens, device)
