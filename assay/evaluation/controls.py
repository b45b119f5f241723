"""Negative controls of an adapter: random ones of equal size, and training rows whose answers are exchanged.

An untrained LoRA adapter is no control: it begins with B = 0 and changes nothing, so it is the base model. Its control
is a random one whose product BA has the trained one's Frobenius norm in every module.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from assay.errors import AssayError
from assay.finetuning.adapters import SteeringVectors
from assay.interventions.direction import Direction
from assay.prompts.records import PromptRecord
from assay.statistics.draws import item_seed


def random_vectors(adapter: SteeringVectors, draw: int) -> SteeringVectors:
    """Gaussian directions with the norms of the trained vectors, at the same site, layer and tokens.

    `draw` numbers the control: equal numbers give equal directions.
    """
    drawn = {}
    for name, trained in adapter.directions.items():
        like = torch.tensor(trained.vector, dtype=torch.float32)
        noise = torch.randn(like.shape, generator=_generator(draw, name))
        vector = (noise * (like.norm() / noise.norm())).double().numpy()
        about = replace(trained.info, method=f"random {draw}, of the norm of: {trained.info.method}")
        drawn[name] = Direction({trained.layer: vector}, about)
    return replace(adapter, directions=drawn)


@contextmanager
def random_lora(wrapped: Any, draw: int) -> Iterator[None]:
    """Give every LoRA module of a PEFT model Gaussian A and B with ‖BA‖ as trained; afterwards it has its own again."""
    trained: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
    try:
        with torch.no_grad():
            for name, a, b in _lora_pairs(wrapped):
                trained += [(a, a.detach().clone()), (b, b.detach().clone())]
                norm = product_norm(a, b)
                generator = _generator(draw, name)
                for weight in (a, b):
                    weight.copy_(torch.randn(weight.shape, generator=generator))
                b.mul_(norm / product_norm(a, b))
        yield
    finally:
        with torch.no_grad():
            for parameter, value in trained:
                parameter.copy_(value)


def product_norm(a: torch.Tensor, b: torch.Tensor) -> float:
    """Frobenius norm of BA, for A [rank, n_in] and B [n_out, rank], without making the product."""
    a, b = a.detach().double(), b.detach().double()
    return float(((b.T @ b) * (a @ a.T)).sum().clamp(min=0).sqrt())


def shuffle_responses(records: Sequence[PromptRecord], seed: int) -> list[PromptRecord]:
    """The same prompts with the responses of one another: what is left to learn is how often each answer occurs.

    Raises AssayError where all responses are the same, so that nothing would be shuffled.
    """
    responses = [(record.response, record.response_ids) for record in records]
    if len(set(responses)) < 2:
        raise AssayError(
            "all rows have the same response, so shuffling changes nothing; this control needs two"
        )
    order = np.random.default_rng(seed).permutation(len(records))
    return [
        replace(record, response=responses[place][0], response_ids=responses[place][1])
        for record, place in zip(records, order, strict=True)
    ]


def _lora_pairs(wrapped: Any) -> Iterator[tuple[str, torch.nn.Parameter, torch.nn.Parameter]]:
    """(module name, A, B) of every adapted module."""
    for name, module in wrapped.named_modules():
        weights = getattr(module, "lora_A", None)
        if weights is not None and len(weights):
            for adapter in weights:
                yield name, weights[adapter].weight, module.lora_B[adapter].weight


def _generator(draw: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(item_seed(draw, name) % 2**63)
