"""What is trained: one or several runs that share a frozen model, a depth and cached prefixes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from assay.finetuning.examples import Example


@dataclass(frozen=True)
class Run:
    """One training among several that go through the same batches: its initial values and its learning rate."""

    seed: int
    lr: float


class Trainee(Protocol):
    """`start` is the block whose input training does not change. `per_row` says that each batch row may be of another run."""

    start: int
    per_row: bool

    def parameters(self, run: int) -> list[torch.nn.Parameter]:
        """What the optimiser of a run changes."""

    def enter(
        self, hidden: torch.Tensor, examples: Sequence[Example], cuts: Sequence[int], runs: Sequence[int]
    ) -> torch.Tensor:
        """`hidden` [batch, tail, d_model] as it enters block `start`, with what each row's run writes into it.

        Row i holds the tokens of `examples[i]` from `cuts[i]` on, under run `runs[i]`.
        """
