"""What is trained: one or several runs that share a frozen model, a depth and cached prefixes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from assay.errors import AssayError
from assay.forward.encoded import Example


@dataclass(frozen=True)
class Run:
    """One training among several that go through the same batches: its initial values and its learning rate."""

    seed: int
    lr: float

    def __post_init__(self) -> None:
        if not 0 < self.lr < float("inf"):
            raise AssayError(f"a learning rate must be a finite number above 0, found {self.lr}")


class Trainee(Protocol):
    """Several runs' parameters, and what they write into the input of the first block that is run."""

    def parameters(self, run: int) -> list[torch.nn.Parameter]:
        """What the optimiser of a run changes."""

    def enter(
        self, hidden: torch.Tensor, examples: Sequence[Example], cuts: Sequence[int], runs: Sequence[int]
    ) -> torch.Tensor:
        """`hidden` [batch, tail, d_model] as it enters block `start`, with what each row's run writes into it.

        Row i holds the tokens of `examples[i]` from `cuts[i]` on, under run `runs[i]`.
        """
