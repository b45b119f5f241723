"""The training loop: packed batches over shards in threads, seeded."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assay.errors import AssayError
from assay.models.memory import keep_freed_memory
from assay.organism.loss import weighted_cross_entropy
from assay.organism.network import Network
from assay.organism.optimizer import Optimizer
from assay.organism.packing import Batch, Segment, make_batch, pack


@dataclass(frozen=True)
class Schedule:
    """How a phase is trained. Both rates rise over `warmup` steps, then fall on a line to `final` of their value."""

    rows: int
    length: int
    matrix_lr: float
    vector_lr: float
    warmup: int = 30
    final: float = 0.02
    shards: int = 2

    def rate(self, step: int, steps: int) -> float:
        """Multiplier of both rates at a step from 0."""
        warmup = min(self.warmup, steps // 4)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 1 - (1 - self.final) * (step - warmup) / max(1, steps - 1 - warmup)


@dataclass(frozen=True)
class Step:
    """What one step did: tokens are those of real segments, losses are means per kind, over answers and prose."""

    phase: str
    number: int
    steps: int
    tokens: int
    loss: float
    losses: dict[str, float]


Listener = Callable[[Step], None]


def train_phase(
    network: Network,
    optimizer: Optimizer,
    segments: Sequence[Segment],
    *,
    phase: str,
    schedule: Schedule,
    rng: np.random.Generator,
    listener: Listener,
) -> None:
    """One pass over the segments. Raises AssayError when the loss stops being finite."""
    longest = max((len(segment.ids) for segment in segments), default=0)
    if longest > schedule.length:
        raise AssayError(
            f"a training text has {longest} tokens, rows hold {schedule.length}; raise organism.length"
        )
    kinds = sorted({segment.kind for segment in segments})
    rows = pack(segments, schedule.length, rng)
    steps = len(rows) // schedule.rows
    if steps == 0:
        raise AssayError(
            f"phase {phase!r} fills {len(rows)} rows, a step takes {schedule.rows}; train on more text"
        )
    with serial_operators(), ThreadPoolExecutor(schedule.shards) as pool:
        for number in range(steps):
            chosen = rows[number * schedule.rows : (number + 1) * schedule.rows]
            batches = [
                make_batch(segments, chosen[shard :: schedule.shards], schedule.length, kinds)
                for shard in range(schedule.shards)
            ]
            scale = 1 / sum(float(batch.weights.sum()) for batch in batches)
            results = list(
                pool.map(
                    _shard_gradients,
                    *zip(*((network, optimizer.parameters, b, scale) for b in batches), strict=True),
                )
            )
            gradients = results[0].gradients
            for result in results[1:]:
                torch._foreach_add_(gradients, result.gradients)
            loss = sum(result.loss for result in results)
            if not np.isfinite(loss):
                raise AssayError(
                    f"the loss of phase {phase!r} is {loss} at step {number}; lower the learning rates"
                )
            rate = schedule.rate(number, steps)
            optimizer.step(
                gradients, matrix_lr=schedule.matrix_lr * rate, vector_lr=schedule.vector_lr * rate, pool=pool
            )
            tokens = sum(int((batch.segments > 0).sum()) for batch in batches)
            listener(Step(phase, number, steps, tokens, loss, _by_kind(results, kinds)))


@dataclass(frozen=True)
class _ShardResult:
    gradients: list[Tensor]
    loss: float
    losses: Tensor  # [rows · t]
    kinds: Tensor  # [rows · t], -1 for tokens of prompts and padding


def _shard_gradients(network: Network, parameters: list[Tensor], batch: Batch, scale: float) -> _ShardResult:
    hidden = network(batch.ids, batch.mask())
    targets, weights = batch.ids.roll(-1, 1), batch.weights.roll(-1, 1)  # the first weight of a row is 0
    total, losses = weighted_cross_entropy(
        hidden.flatten(0, 1),
        network.embedding,
        targets.flatten(),
        weights.flatten(),
        network.precision,
        network.chunk_gradients,
    )
    gradients = torch.autograd.grad(total * scale, parameters)
    kinds = torch.where(weights >= 1, batch.kinds.roll(-1, 1), -1)
    return _ShardResult(list(gradients), float(total.detach()) * scale, losses, kinds.flatten())


def _by_kind(results: Sequence[_ShardResult], kinds: Sequence[str]) -> dict[str, float]:
    losses, numbers = torch.cat([r.losses for r in results]), torch.cat([r.kinds for r in results])
    means = {}
    for number, kind in enumerate(kinds):
        if (chosen := numbers == number).any():
            means[kind] = float(losses[chosen].mean())
    return means


@contextmanager
def serial_operators() -> Iterator[None]:
    """One thread per operator while shards run in threads of their own.

    Operators here take well under a millisecond: two threads inside each of them wait for one another more than they
    compute, and hopelessly so on a machine that does something else as well.
    """
    before = torch.get_num_threads()
    keep_freed_memory()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
