"""Trainable steering vectors: one or many, each added to the residual stream at the tokens of its scope."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from assay.errors import AssayError
from assay.finetuning.trainee import Run
from assay.forward.encoded import Example
from assay.models.architecture import Architecture
from assay.models.devices import input_device
from assay.models.sites import Site

VECTOR_SITES: tuple[Site, ...] = ("resid", "mlp_out")


class TrainableVectors:
    """Vectors named by the keys of `scopes`, of all `runs` at once; float32.

    At `mlp_out` a vector is added to what the block adds to the residual last, so it changes the block's output exactly
    as at `resid`. Initial values are Gaussian of norm 1, drawn from the run's seed.
    """

    def __init__(
        self,
        architecture: Architecture,
        site: Site,
        layer: int,
        scopes: Mapping[str, str],
        runs: Sequence[Run],
    ):
        if site not in VECTOR_SITES:
            raise AssayError(f"vectors are trained at {' or '.join(VECTOR_SITES)}, not at {site!r}")
        if not scopes or not runs:
            raise AssayError("nothing to train: give at least one vector with its scope and one run")
        architecture.block(layer)
        self.names = list(scopes)
        device = input_device(architecture)
        self.vectors = [
            torch.nn.Parameter(_unit_gaussian(len(scopes), architecture.d_model, run.seed).to(device))
            for run in runs
        ]

    def parameters(self, run: int) -> list[torch.nn.Parameter]:
        """The vectors [n_vectors, d_model] of a run."""
        return [self.vectors[run]]

    def enter(
        self, hidden: torch.Tensor, examples: Sequence[Example], cuts: Sequence[int], runs: Sequence[int]
    ) -> torch.Tensor:
        """The hidden states with each row's vectors added; where two touch a token, both are."""
        rows, columns, which = [], [], []
        for row, (example, cut, run) in enumerate(zip(examples, cuts, runs, strict=True)):
            for index, name in enumerate(self.names):
                tokens = example.touches[name]
                rows.append(np.full(len(tokens), row))
                columns.append(tokens - cut)
                which.append(np.full(len(tokens), run * len(self.names) + index))
        where = tuple(
            torch.from_numpy(np.concatenate(part).astype(np.int64)).to(hidden.device)
            for part in (rows, columns)
        )
        added = torch.cat(list[torch.Tensor](self.vectors))[
            torch.from_numpy(np.concatenate(which).astype(np.int64))
        ]
        wide = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
        return wide.index_put(where, added.to(wide), accumulate=True).to(hidden.dtype)


def _unit_gaussian(count: int, d_model: int, seed: int) -> torch.Tensor:
    vectors = torch.randn(count, d_model, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=1)
