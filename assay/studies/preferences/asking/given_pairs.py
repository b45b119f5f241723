"""Asking given pairs under given conditions, in both orders: what the out-of-distribution part compares."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.errors import AssayError
from assay.prompts.records import read_rows
from assay.storage.files import write_json
from assay.storage.journal import Journal
from assay.storage.parquet_files import write_parquet
from assay.storage.scratch import scratch_folder
from assay.studies.preferences.asking.asking import Backend, ChoiceAnswer, Question
from assay.studies.preferences.asking.measure import fingerprint_answers
from assay.studies.preferences.asking.measurement_files import count_answers, rate_by_pair
from assay.studies.preferences.asking.recorder import Progress, Recorder
from assay.studies.preferences.shifts.condition_counts import COUNTS, TEXTS, ConditionChoices
from assay.studies.preferences.utilities.comparisons import Choice

_SWAPPED: dict[Choice, Choice] = {"a": "b", "b": "a", "refusal": "refusal"}


@dataclass(frozen=True)
class GivenPair:
    """Two task ids to be compared under a condition; `system_prompt` None is no system message at all."""

    condition_id: str
    task_a: str
    task_b: str
    system_prompt: str | None = None


def read_pairs(path: Path, tasks: Collection[str]) -> list[GivenPair]:
    """Read pairs (JSON Lines: condition_id, task_a, task_b, system_prompt where there is one), in file order.

    Raises AssayError naming file, line and field; also for a task that is none of `tasks`, a pair that repeats under its
    condition in either order, and a condition with two system prompts.
    """
    known = set(tasks)
    seen: set[tuple[str, frozenset[str]]] = set()
    prompts: dict[str, str | None] = {}
    pairs = []
    for number, row in read_rows(path):
        try:
            pair = _parse_pair(row, known)
            if prompts.setdefault(pair.condition_id, pair.system_prompt) != pair.system_prompt:
                raise AssayError(
                    f"condition {pair.condition_id!r} has another system prompt on an earlier line"
                )
            key = (pair.condition_id, frozenset((pair.task_a, pair.task_b)))
            if key in seen:
                raise AssayError(
                    f"the pair {pair.task_a!r}, {pair.task_b!r} repeats under {pair.condition_id!r}"
                )
        except AssayError as error:
            raise AssayError(f"{path}, line {number}: {error}") from error
        seen.add(key)
        pairs.append(pair)
    if not pairs:
        raise AssayError(f"{path} holds no pair; write at least one JSON object per line")
    return pairs


def _parse_pair(row: dict[str, object], known: set[str]) -> GivenPair:
    names = ("condition_id", "task_a", "task_b")
    for name in names:
        if not isinstance(row.get(name), str):
            raise AssayError(f"field '{name}': expected a string, found {row.get(name)!r}")
    condition_id, task_a, task_b = (str(row[name]) for name in names)
    for name, task in (("task_a", task_a), ("task_b", task_b)):
        if task not in known:
            raise AssayError(f"field '{name}': there is no task {task!r}")
    if task_a == task_b:
        raise AssayError(f"field 'task_b': task {task_b!r} would be compared with itself")
    system_prompt = row.get("system_prompt")
    if system_prompt is not None and not isinstance(system_prompt, str):
        raise AssayError(f"field 'system_prompt': expected a string or null, found {system_prompt!r}")
    return GivenPair(condition_id, task_a, task_b, system_prompt)


@dataclass(frozen=True)
class PairAnswers:
    """All answers of a run: `counts` per condition and pair in file order, the single `answers`, and repeated requests by category."""

    counts: ConditionChoices
    answers: list[ChoiceAnswer]
    retries: dict[str, int]
    resumed: int


@contextmanager
def asked_pairs(
    backend: Backend,
    texts: Mapping[str, str],
    pairs: Sequence[GivenPair],
    *,
    repeats: int,
    scratch: Path,
    progress: Progress | None = None,
) -> Iterator[PairAnswers]:
    """Ask every pair of tasks (text by id) `repeats` times, half of them in each order, and yield the counts.

    Resumable as `measured` is.

    Raises AssayError for an odd number of repeats, which could not be halved.
    """
    if repeats < 2 or repeats % 2:
        raise AssayError(
            f"each pair is asked equally often in both orders, so repeats must be even; found {repeats}"
        )
    keys = [(pair, repeat) for repeat in range(repeats) for pair in pairs]
    questions = [_question(pair, repeat, texts) for pair, repeat in keys]
    facts = {"pairs": [[q.id, q.task_a, q.task_b, q.system_prompt] for q in questions]}
    with (
        scratch_folder(scratch, fingerprint_answers(backend, facts)) as folder,
        Journal(folder / "answers.jsonl") as journal,
    ):
        if progress is not None:
            progress.start(len(questions))
        recorder = Recorder(journal, backend, progress)
        answers = recorder.ask(questions)
        counts = _count(pairs, keys, answers)
        yield PairAnswers(counts, answers, dict(backend.retries), recorder.resumed)


def _question(pair: GivenPair, repeat: int, texts: Mapping[str, str]) -> Question:
    """Even repeats present task_a first, odd ones task_b."""
    first, second = (pair.task_a, pair.task_b) if repeat % 2 == 0 else (pair.task_b, pair.task_a)
    name = json.dumps([pair.condition_id, pair.task_a, pair.task_b, repeat])
    return Question(name, texts[first], texts[second], pair.system_prompt)


def _count(
    pairs: Sequence[GivenPair], keys: Sequence[tuple[GivenPair, int]], answers: Sequence[ChoiceAnswer]
) -> ConditionChoices:
    counts: dict[GivenPair, Counter[Choice | None]] = {pair: Counter() for pair in pairs}
    for (pair, repeat), answer in zip(keys, answers, strict=True):
        swapped = repeat % 2 == 1 and answer.choice is not None
        counts[pair][_SWAPPED[answer.choice] if swapped and answer.choice else answer.choice] += 1
    return ConditionChoices.of_rows(
        (pair.condition_id, pair.task_a, pair.task_b, count["a"], count["b"], count["refusal"], count.total())
        for pair, count in counts.items()
    )


def write_counts(path: Path, counts: ConditionChoices, facts: Mapping[str, str]) -> None:
    """Write the rows in file order: {**facts, "results": [...]} where the file is called *.json, else Parquet."""
    names = (*TEXTS, *COUNTS)
    if path.suffix == ".json":
        rows = [dict(zip(names, row, strict=True)) for row in counts.rows()]
        write_json(path, {**facts, "results": rows})
        return
    columns = zip(*counts.rows(), strict=True)
    write_parquet(path, {name: list(column) for name, column in zip(names, columns, strict=True)}, facts)


def summarize_pairs(answered: PairAnswers) -> dict[str, float | int]:
    """Flat metrics: counts, the rate of refusals (bootstrapped by pair), failures by category, pairs without any answer.

    Raises AssayError when nothing was answered.
    """
    counts = answered.counts
    answers, n_failed = counts.choices.answers, counts.n_failed
    if not answers.any():
        raise AssayError(f"none of {n_failed} questions was answered; check the model and the template")
    pair = np.repeat(np.arange(len(answers)), answers)
    refused = np.concatenate(
        [np.arange(n) < hits for n, hits in zip(answers, counts.choices.refusals, strict=True)]
    )
    return {
        "conditions": len(counts.conditions),
        "pairs": len(answers),
        "pairs_unanswered": int((answers == 0).sum()),
        "answers": len(answered.answers),
        **count_answers(answered.answers, answered.retries),
        **rate_by_pair(refused, pair, n_dropped=n_failed).metrics("refused"),
    }
