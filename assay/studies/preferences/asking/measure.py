"""Measuring preferences: active learning proposes pairs, a backend answers, and a kill loses nothing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.arrays import Ints
from assay.errors import AssayError
from assay.storage.fingerprints import fingerprint
from assay.storage.journal import Journal
from assay.storage.scratch import scratch_folder
from assay.studies.preferences.asking.active_learning import ActiveLearning, ActiveLearningSettings
from assay.studies.preferences.asking.asking import Backend, ChoiceAnswer, Question
from assay.studies.preferences.asking.recorder import Progress, Recorder
from assay.studies.preferences.utilities.comparisons import CHOICES, Comparisons

SCHEMA_VERSION = 2  # of the journal: one of another version is never resumed


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer to one presentation of a pair: `task_a` was presented first; sample numbers count from 0."""

    iteration: int
    task_a: str
    task_b: str
    sample: int
    answer: ChoiceAnswer


def samples_of(answers: Sequence[ChoiceAnswer]) -> list[Sample]:
    """The samples that answers of `measured` belong to, by their ids."""
    keys: list[tuple[int, str, str, int]] = [json.loads(answer.id) for answer in answers]
    return [
        Sample(iteration, task_a, task_b, sample, answer)
        for (iteration, task_a, task_b, sample), answer in zip(keys, answers, strict=True)
    ]


@dataclass(frozen=True)
class Measurement:
    """All samples, in the order in which they were asked, and how the active learning went."""

    samples: list[Sample]
    rank_correlations: list[float]
    converged: bool
    retries: dict[str, int]
    resumed: int


@contextmanager
def measured(
    backend: Backend,
    texts: Mapping[str, str],
    settings: ActiveLearningSettings,
    *,
    system_prompt: str | None = None,
    both_orders: bool = False,
    scratch: Path,
    progress: Progress | None = None,
) -> Iterator[Measurement]:
    """Measure tasks (text by id) and yield the result; when the block ends normally, the work is done and its journal goes.

    Answers wait in a folder of `scratch` keyed by everything that determines them. The same command, run again after a
    kill, goes on where it was, and the result is the one of an uninterrupted run wherever the backend is deterministic.
    With `both_orders` half of a pair's samples present either task first; else all present the same one.
    Raises AssayError for a second writer, a full disk, a backend that fails again and again, and samples that cannot be halved.
    """
    if both_orders and settings.samples % 2:
        raise AssayError(
            f"each pair is asked equally often in both orders, so samples must be even; found {settings.samples}"
        )
    facts = {
        "tasks": list(texts.items()),
        "settings": asdict(settings),
        "system_prompt": system_prompt,
        "both_orders": both_orders,
    }
    with (
        scratch_folder(scratch, fingerprint_answers(backend, facts)) as folder,
        Journal(folder / "answers.jsonl") as journal,
    ):
        recorder = Recorder(journal, backend, progress)
        yield _measure(recorder, texts, settings, system_prompt, both_orders, progress, backend)


def fingerprint_answers(backend: Backend, facts: dict[str, Any]) -> str:
    """SHA-256 over everything that determines the answers."""
    content = {"schema": SCHEMA_VERSION, "backend": dict(backend.identity), **facts}
    return fingerprint(content)


def _measure(
    recorder: Recorder,
    texts: Mapping[str, str],
    settings: ActiveLearningSettings,
    system_prompt: str | None,
    both_orders: bool,
    progress: Progress | None,
    backend: Backend,
) -> Measurement:
    learning = ActiveLearning(len(texts), settings)
    ids = list(texts)
    samples: list[Sample] = []
    if progress is not None:
        progress.start(most_answers(len(texts), settings))
    while not learning.finished:
        pairs = learning.propose()
        orders = [(pairs, pairs[:, ::-1])[s % 2 if both_orders else 0] for s in range(settings.samples)]
        asked = [(first, second, s) for s, order in enumerate(orders) for first, second in order.tolist()]
        questions = [
            Question(
                json.dumps([learning.iteration, ids[first], ids[second], sample]),
                texts[ids[first]],
                texts[ids[second]],
                system_prompt,
                repeat=sample // 2 if both_orders else sample,
            )
            for first, second, sample in asked
        ]
        answers = recorder.ask(questions)
        samples += [
            Sample(learning.iteration, ids[first], ids[second], sample, answer)
            for (first, second, sample), answer in zip(asked, answers, strict=True)
        ]
        learning.record(_outcomes(ids, np.array(asked), answers))
        if progress is not None:
            progress.iterate(learning.iteration, learning.rank_correlations[-1])
    return Measurement(
        samples,
        learning.rank_correlations,
        learning.converged,
        dict(backend.retries),
        recorder.resumed,
    )


def most_answers(n_tasks: int, settings: ActiveLearningSettings) -> int:
    """Answers that are asked for when the active learning does not converge."""
    initial = n_tasks * min(settings.degree, n_tasks - 1) // 2
    later = (settings.max_iterations - 1) * settings.batch
    return settings.samples * min(initial + later, n_tasks * (n_tasks - 1) // 2)


def _outcomes(ids: Sequence[str], asked: Ints, answers: Sequence[ChoiceAnswer]) -> Comparisons:
    """Counts of the answers that are choices or refusals; failures are in none. `asked` is [n, 3]: first, second, sample."""
    valid = [index for index, answer in enumerate(answers) if answer.choice is not None]
    choices = [CHOICES.index(answer.choice) for answer in answers if answer.choice is not None]
    return Comparisons.from_choices(ids, asked[valid, 0], asked[valid, 1], choices)
