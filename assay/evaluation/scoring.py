"""Scoring items: the log-probability of every candidate, under many configs of interventions at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from assay.evaluation.answers import Answer
from assay.evaluation.encoding import Question
from assay.evaluation.passes import Job, Runner, SharedPrefixes, WholeRows
from assay.forward.batching import Halver, plan_batches
from assay.interventions.interventions import Intervention
from assay.interventions.writing import Writer
from assay.models.architecture import Architecture

Configs = Mapping[str, Sequence[Intervention]]
"""config id → interventions applied together; none for the model as it is."""


def score(
    model: Any,
    architecture: Architecture,
    questions: Sequence[Question],
    configs: Configs,
    *,
    token_budget: int = 4096,
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[Answer]]:
    """Score every question under every config; answers are in the order of `questions`.

    A batch mixes questions and configs, sorted by length; neither its make-up nor a split for lack of memory changes
    which row gets which interventions. Configs that touch no token of a question share one row, so that their answers
    are the same to the last bit; what several configs leave untouched, lower blocks and earlier tokens, runs once.

    Args:
        model: a causal language model in evaluation mode, under PEFT or not.
        architecture: the map of its modules.
        questions: see `encode_items`.
        configs: see `Configs`.
        token_budget: most padded tokens of a forward pass.
        progress: told how many rows are done more, batch by batch; there are `count_rows` for each config.

    Raises AssayError for an intervention that does not fit the model and for logits that are not finite.
    """
    sums = {config: [np.zeros(len(question.answers)) for question in questions] for config in configs}
    with Writer(architecture, {id(i): i for each in configs.values() for i in each}.values()) as writer:
        for start, jobs in _by_start(questions, configs).items():
            runner: Runner = WholeRows(model, architecture, writer)
            if start is not None and len(jobs) > len({(job.number, job.branch) for job in jobs}):
                runner = SharedPrefixes(architecture, writer, start, jobs, token_budget)
            for done, logps in _run(runner, jobs, token_budget):
                for job, values in zip(done, logps, strict=True):
                    for config in job.configs:
                        np.add.at(sums[config][job.number], [candidate for candidate, _ in job.reads], values)
                if progress is not None:
                    progress(sum(len(job.configs) for job in done))
    return {
        config: [
            Answer(question.item, tuple(logps.tolist()))
            for question, logps in zip(questions, found, strict=True)
        ]
        for config, found in sums.items()
    }


def count_rows(questions: Iterable[Question]) -> int:
    """How many batch rows `score` runs for each config."""
    return sum(len(question.rows) for question in questions)


def _run(
    runner: Runner, jobs: Sequence[Job], token_budget: int
) -> Iterator[tuple[list[Job], list[np.ndarray]]]:
    """Yield (jobs, what they read) batch by batch."""
    lengths = [len(job.ids) for job in jobs]
    halver = Halver(lengths, [job.question.item.record.id for job in jobs])
    for batch in plan_batches(lengths, token_budget):
        for part, values in halver.run(batch, lambda part: runner.run([jobs[index] for index in part])):
            yield [jobs[index] for index in part], values


def _by_start(questions: Sequence[Question], configs: Configs) -> dict[int | None, list[Job]]:
    """Jobs by the lowest block that they change. Those that change none go with the highest of the others, if any."""
    groups: dict[int | None, list[Job]] = {}
    for number, question in enumerate(questions):
        jobs = _jobs(number, question, configs)
        highest = max((job.start for job in jobs if job.start is not None), default=None)
        for job in jobs:
            groups.setdefault(highest if job.start is None else job.start, []).append(job)
    return groups


def _jobs(number: int, question: Question, configs: Configs) -> list[Job]:
    """A job for each branch of a question and each set of interventions that touch it."""
    effects = {config: question.touched_by(interventions) for config, interventions in configs.items()}
    alike: dict[tuple[int, ...], list[str]] = {}
    for config, effect in effects.items():
        alike.setdefault(tuple(map(id, effect)), []).append(config)
    return [
        Job(number, question, branch, reads, names, effects[names[0]])
        for branch, reads in question.rows
        for names in alike.values()
    ]
