"""The training loop: several runs through the same batches, on cached prefixes, with validation on the way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch

from assay.errors import AssayError
from assay.finetuning.learner import Learner
from assay.finetuning.trainee import Run, Trainee
from assay.forward.encoded import Example
from assay.forward.prefixes import Prefixes
from assay.forward.suffix import Suffix
from assay.models.architecture import Architecture


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        epochs: passes over the examples; 0 leaves the initial values.
        batch: examples in an optimiser step.
        warmup: steps over which the learning rate rises linearly.
        decay: whether it then falls linearly to 0.
        order_seed: of the order of examples, which all runs share.
        validate_every: steps between validations, 0 for once after each epoch; there is always one before and after.
        token_budget: most padded tokens of a forward pass.
        cache_bytes: memory for prefixes; those that do not fit are computed again in each step.
        max_steps: most optimiser steps, whatever `epochs` says; 0 for no limit.
    """

    epochs: int
    batch: int
    warmup: int = 0
    decay: bool = False
    order_seed: int = 0
    validate_every: int = 0
    token_budget: int = 4096
    cache_bytes: int = 2**31
    max_steps: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.warmup, self.validate_every, self.max_steps) < 0 or self.batch < 1:
            raise AssayError(
                "training needs epochs, warmup, validate_every and max_steps of 0 or more, and batch ≥ 1"
            )

    def steps(self, n_examples: int) -> int:
        """Optimiser steps of a training on so many examples."""
        steps = self.epochs * -(-n_examples // self.batch)
        return min(steps, self.max_steps) if self.max_steps else steps


@dataclass(frozen=True)
class Point:
    """One point of a run's curve: after `step` optimiser steps on "validation", else of step `step` before its update.

    `loss` is the mean cross-entropy in nats over response tokens, `accuracy` the share of examples of which every
    response token was the likeliest one.
    """

    run: int
    step: int
    epoch: int
    split: Literal["train", "validation"]
    loss: float
    accuracy: float


class Prepared:
    """What all runs on one set of examples share: the suffix of the model from block `start` on, and the prefixes.

    `share_tokens`: the tokens before an example's first change are computed once as well. True for vectors, which touch
    chosen tokens; False for LoRA, which changes every token.
    """

    def __init__(
        self,
        architecture: Architecture,
        start: int,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: TrainingSettings,
        *,
        share_tokens: bool,
    ):
        if not examples:
            raise AssayError("there is no example to learn; give at least one")
        self.suffix = Suffix(architecture, start)
        self.settings = settings
        self.room = settings.cache_bytes
        self.examples = self._prefixes(examples, share_tokens)
        self.validation = self._prefixes(validation, share_tokens)

    def _prefixes(self, examples: Sequence[Example], share_tokens: bool) -> Prefixes:
        budget = self.settings.token_budget
        prefixes = Prefixes(
            self.suffix, examples, share_tokens=share_tokens, token_budget=budget, budget_bytes=self.room
        )
        prefixes.fill()
        self.room = prefixes.room
        return prefixes


def train(
    prepared: Prepared,
    trainee: Trainee,
    runs: Sequence[Run],
    *,
    on_step: Callable[[int], None] | None = None,
) -> Iterator[Point]:
    """Train in place and yield the curves as they grow; deterministic by the seeds.

    `on_step(step)` is called after every optimiser step, and once before the first with 0: save an early checkpoint
    there. Raises AssayError when a loss is NaN or infinite.
    """
    settings, n_examples = prepared.settings, len(prepared.examples.examples)
    n_steps = settings.steps(n_examples)
    learner = Learner(prepared.suffix, prepared.examples, trainee, len(runs), settings.token_budget)
    judge = Learner(prepared.suffix, prepared.validation, trainee, len(runs), settings.token_budget)
    optimizers = [
        torch.optim.AdamW(trainee.parameters(r), lr=run.lr, weight_decay=0.0) for r, run in enumerate(runs)
    ]
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, _rate(settings, n_steps)) for o in optimizers]
    yield from _validate(judge, 0, 0)
    if on_step is not None:
        on_step(0)
    for step, (epoch, chosen, ends_epoch) in enumerate(islice(_batches(settings, n_examples), n_steps), 1):
        for run, (loss, accuracy) in enumerate(learner.step(chosen)):
            if not np.isfinite(loss):
                raise AssayError(
                    f"the loss of seed {runs[run].seed} is not finite at step {step}; lower its learning rate {runs[run].lr}"
                )
            yield Point(run, step, epoch, "train", loss, accuracy)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        every = settings.validate_every
        if step < n_steps and every and step % every == 0:
            yield from _validate(judge, step, epoch)
        if on_step is not None:
            on_step(step)
        if step == n_steps or (ends_epoch and not every):
            yield from _validate(judge, step, epoch)


def _batches(settings: TrainingSettings, n_examples: int) -> Iterator[tuple[int, list[int], bool]]:
    """(epoch, examples, whether it is the epoch's last) of every batch of all epochs."""
    for epoch in range(settings.epochs):
        order = np.random.default_rng([settings.order_seed, epoch]).permutation(n_examples)
        for first in range(0, n_examples, settings.batch):
            stop = first + settings.batch
            yield epoch, order[first:stop].tolist(), stop >= n_examples


def _rate(settings: TrainingSettings, n_steps: int) -> Callable[[int], float]:
    def rate(step: int) -> float:
        if step < settings.warmup:
            return (step + 1) / settings.warmup
        if not settings.decay:
            return 1.0
        return (n_steps - step) / max(1, n_steps - settings.warmup)

    return rate


def _validate(judge: Learner, step: int, epoch: int) -> Iterator[Point]:
    if judge.examples:
        for run, (loss, accuracy) in enumerate(judge.judge()):
            yield Point(run, step, epoch, "validation", loss, accuracy)
