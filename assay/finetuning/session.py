"""One fine-tuning from examples to saved adapters: several vectors' runs at once, LoRA runs one after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from assay.errors import AssayError
from assay.finetuning.adapters import AdapterInfo, Method, SteeringVectors, save_lora, save_vectors
from assay.finetuning.data import digest
from assay.finetuning.loop import Point, Prepared, TrainingSettings, train
from assay.finetuning.lora import LoraShape, TrainableLora, adapted
from assay.finetuning.trainee import Run
from assay.finetuning.vectors import TrainableVectors
from assay.forward.encoded import Example
from assay.forward.fused import fused
from assay.models.loading import LoadedModel
from assay.models.sites import Site


@dataclass(frozen=True)
class VectorShape:
    """Where steering vectors are trained: `scopes` gives each vector's name the tokens it is added at."""

    site: Site
    layer: int
    scopes: Mapping[str, str]


Save = Callable[[int, int, Callable[[Path], None]], None]


@dataclass(frozen=True)
class TrainingTask:
    """What is learned: examples to train on and to validate on, and how."""

    examples: Sequence[Example]
    validation: Sequence[Example]
    settings: TrainingSettings
    checkpoints: frozenset[int] = frozenset()

    @property
    def n_steps(self) -> int:
        """Optimiser steps of a run."""
        return self.settings.steps(len(self.examples))


def finetune(
    loaded: LoadedModel, shape: VectorShape | LoraShape, runs: Sequence[Run], task: TrainingTask, save: Save
) -> Iterator[Point]:
    """Train every run and yield the curves as they grow: vectors all at once, LoRA one after the other.

    All runs share the prefixes. `save(run, step, write)` is called for each run at the steps of `task.checkpoints` and
    at the last one: `write(folder)` writes the adapter there. The model is left as it was. Raises AssayError for a
    checkpoint that is no step of the training.
    """
    wrong = [step for step in task.checkpoints if not 0 <= step <= task.n_steps]
    if wrong:
        raise AssayError(
            f"there is no step {wrong[0]} to save: this training has {task.n_steps} steps; choose among 0 to {task.n_steps}"
        )
    if isinstance(shape, VectorShape):
        return _finetune_vectors(loaded, shape, runs, task, save)
    return _finetune_lora(loaded, shape, runs, task, save)


def _finetune_vectors(
    loaded: LoadedModel, shape: VectorShape, runs: Sequence[Run], task: TrainingTask, save: Save
) -> Iterator[Point]:
    trainee = TrainableVectors(loaded.architecture, shape.site, shape.layer, shape.scopes, runs)
    made = partial(
        _info, loaded, task, method="vector", site=shape.site, layers=(shape.layer,), scopes=shape.scopes
    )

    def on_step(step: int) -> None:
        if step == task.n_steps or step in task.checkpoints:
            for number, run in enumerate(runs):
                rows = trainee.vectors[number].detach().double().cpu().numpy()
                adapter = SteeringVectors.trained(
                    dict(zip(trainee.names, rows, strict=True)), made(run, step)
                )
                save(number, step, partial(save_vectors, adapter=adapter))

    with fused(loaded.model):
        prepared = Prepared(
            loaded.architecture,
            shape.layer + 1,
            task.examples,
            task.validation,
            task.settings,
            share_tokens=True,
        )
        yield from train(prepared, trainee, runs, on_step=on_step)


def _finetune_lora(
    loaded: LoadedModel, shape: LoraShape, runs: Sequence[Run], task: TrainingTask, save: Save
) -> Iterator[Point]:
    start = min(shape.layers)
    prepared = Prepared(
        loaded.architecture, start, task.examples, task.validation, task.settings, share_tokens=False
    )
    made = partial(_info, loaded, task, method="lora", site="", layers=shape.layers, scopes={})
    for number, run in enumerate(runs):
        with adapted(loaded.model, loaded.architecture, shape, run.seed) as lora, fused(loaded.model):

            def on_step(step: int, number: int = number, run: Run = run, lora: TrainableLora = lora) -> None:
                if step == task.n_steps or step in task.checkpoints:
                    save(number, step, partial(save_lora, wrapped=lora.adapted, info=made(run, step)))

            for point in train(prepared, lora, [run], on_step=on_step):
                yield replace(point, run=number)


def _info(
    loaded: LoadedModel,
    task: TrainingTask,
    run: Run,
    step: int,
    *,
    method: Method,
    site: Site | Literal[""],
    layers: tuple[int, ...],
    scopes: Mapping[str, str],
) -> AdapterInfo:
    return AdapterInfo(
        method=method,
        pin=loaded.pin.fingerprint,
        model=loaded.pin.alias,
        site=site,
        layers=layers,
        scopes=scopes,
        seed=run.seed,
        lr=run.lr,
        step=step,
        training=digest(task.examples),
    )
