"""Muon for stacks of matrices: torch.optim.Muon takes one matrix at a time, which costs more than the maths here."""

from collections.abc import Iterable
from concurrent.futures import Executor

import torch
from torch import Tensor
from torch.optim import AdamW

# Quintic Newton-Schulz coefficients of the Muon authors, as in torch.optim.Muon.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
MOMENTUM = 0.95


class StackedMuon:
    """Muon with Nesterov momentum; parameters have shape [layers, rows, columns], each layer is a matrix of its own.

    The update has the root mean square of an AdamW step (`adjust_lr_fn="match_rms_adamw"` in torch). Newton-Schulz
    runs in `precision`, bfloat16 in torch.
    """

    def __init__(self, parameters: Iterable[Tensor], precision: torch.dtype = torch.bfloat16) -> None:
        self.parameters, self.precision = list(parameters), precision
        self.momenta = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self, gradients: Iterable[Tensor], lr: float, pool: Executor) -> None:
        """Move the parameters along `gradients`, given in their order; each is the work of one thread of `pool`."""
        jobs = zip(self.parameters, self.momenta, gradients, strict=True)
        largest_first = sorted(
            jobs, key=lambda job: -job[0].numel()
        )  # so that no thread waits long for the last
        list(pool.map(lambda job: self._move(job[0], job[1], job[2], lr), largest_first))

    @torch.no_grad()
    def _move(self, parameter: Tensor, momentum: Tensor, gradient: Tensor, lr: float) -> None:
        momentum.lerp_(gradient, 1 - MOMENTUM)
        update = orthogonalise(gradient.lerp(momentum, MOMENTUM).to(self.precision))
        parameter.sub_(update, alpha=lr * 0.2 * max(parameter.shape[1:]) ** 0.5)


def orthogonalise(stack: Tensor) -> Tensor:
    """Nearest semi-orthogonal matrix of every matrix in [layers, rows, columns], to Newton-Schulz accuracy."""
    tall = stack.shape[1] > stack.shape[2]
    x: Tensor = stack / stack.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x.mT @ x if tall else x @ x.mT  # the smaller of the two
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, *((x, polynomial) if tall else (polynomial, x)), beta=a)
    return x


class Optimizer:
    """Muon on the stacked matrices, AdamW on the rest, one global gradient clip."""

    def __init__(self, matrices: Iterable[Tensor], rest: Iterable[Tensor], precision: torch.dtype) -> None:
        self.muon = StackedMuon(matrices, precision)
        self.rest = list(rest)
        self.adamw = AdamW(self.rest, betas=(0.9, 0.95), weight_decay=0.0)

    @property
    def parameters(self) -> list[Tensor]:
        """Every trained tensor, in the order that `step` expects gradients."""
        return [*self.muon.parameters, *self.rest]

    def step(
        self,
        gradients: list[Tensor],
        *,
        matrix_lr: float,
        vector_lr: float,
        pool: Executor,
        clip: float = 1.0,
    ) -> None:
        """One update from the gradients of `parameters`, which are clipped in place; `pool` shares out the matrices."""
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
        )
        scale = float(clip / norm.clamp_min(clip))
        for gradient in gradients:
            gradient.mul_(scale)
        count = len(self.muon.parameters)
        self.muon.step(gradients[:count], matrix_lr, pool)
        for parameter, gradient in zip(self.rest, gradients[count:], strict=True):
            parameter.grad = gradient
        self.adamw.param_groups[0]["lr"] = vector_lr
        self.adamw.step()
