"""Asking given pairs under given conditions, in both orders: what the out-of-distribution part compares."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.errors import AssayError
from assay.files import write_json
from assay.journal import Journal
from assay.preferences.asking import Answer, Backend, Question
from assay.preferences.comparisons import Choice
from assay.preferences.measure import fingerprint
from assay.preferences.measurements import write_table
from assay.preferences.recorder import Progress, Recorder
from assay.preferences.tasks import Task
from assay.records import read_rows
from assay.scratch import scratch_folder

_SWAPPED: dict[Choice, Choice] = {"a": "b", "b": "a", "refusal": "refusal"}


@dataclass(frozen=True)
class GivenPair:
    """Two task ids to be compared under a condition; `system_prompt` None is no system message at all."""

    condition_id: str
    task_a: str
    task_b: str
    system_prompt: str | None = None


@dataclass(frozen=True)
class PairCounts:
    """How often each task of a pair was chosen, whatever the order; failures are not part of `n_total`."""

    condition_id: str
    task_a: str
    task_b: str
    n_a: int
    n_b: int
    n_refusals: int
    n_failed: int

    @property
    def n_total(self) -> int:
        """Choices and refusals."""
        return self.n_a + self.n_b + self.n_refusals


def read_pairs(path: Path, tasks: Sequence[Task]) -> list[GivenPair]:
    """Read pairs (JSON Lines: condition_id, task_a, task_b, system_prompt where there is one), in file order.

    Raises AssayError naming file, line and field; also for a task that `tasks` lacks, a pair that repeats under its
    condition in either order, and a condition with two system prompts.
    """
    known = {task.id for task in tasks}
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
    """All answers of a run: `counts` per pair in file order, the single `answers`, and repeated requests by category."""

    counts: list[PairCounts]
    answers: list[Answer]
    retries: dict[str, int]
    resumed: int


@contextmanager
def asked_pairs(
    backend: Backend,
    tasks: Sequence[Task],
    pairs: Sequence[GivenPair],
    *,
    repeats: int,
    scratch: Path,
    progress: Progress | None = None,
) -> Iterator[PairAnswers]:
    """Ask every pair `repeats` times, half of them in each order, and yield the counts; resumable as `measured` is.

    Raises AssayError for an odd number of repeats, which could not be halved.
    """
    if repeats < 2 or repeats % 2:
        raise AssayError(
            f"each pair is asked equally often in both orders, so repeats must be even; found {repeats}"
        )
    text = {task.id: task.text for task in tasks}
    keys = [(pair, repeat) for repeat in range(repeats) for pair in pairs]
    questions = [_question(pair, repeat, text) for pair, repeat in keys]
    facts = {"pairs": [[q.id, q.task_a, q.task_b, q.system_prompt] for q in questions]}
    with (
        scratch_folder(scratch, fingerprint(backend, facts)) as folder,
        Journal(folder / "answers.jsonl") as journal,
    ):
        if progress is not None:
            progress.start(len(questions))
        recorder = Recorder(journal, backend, progress)
        answers = recorder.ask(questions)
        counts = _count(pairs, keys, answers)
        yield PairAnswers(counts, answers, dict(backend.retries), recorder.resumed)


def _question(pair: GivenPair, repeat: int, text: dict[str, str]) -> Question:
    """Even repeats present task_a first, odd ones task_b."""
    first, second = (pair.task_a, pair.task_b) if repeat % 2 == 0 else (pair.task_b, pair.task_a)
    name = json.dumps([pair.condition_id, pair.task_a, pair.task_b, repeat])
    return Question(name, text[first], text[second], pair.system_prompt)


def _count(
    pairs: Sequence[GivenPair], keys: Sequence[tuple[GivenPair, int]], answers: Sequence[Answer]
) -> list[PairCounts]:
    counts: dict[GivenPair, Counter[Choice | None]] = {pair: Counter() for pair in pairs}
    for (pair, repeat), answer in zip(keys, answers, strict=True):
        swapped = repeat % 2 == 1 and answer.choice is not None
        counts[pair][_SWAPPED[answer.choice] if swapped and answer.choice else answer.choice] += 1
    return [
        PairCounts(
            pair.condition_id,
            pair.task_a,
            pair.task_b,
            n_a=count["a"],
            n_b=count["b"],
            n_refusals=count["refusal"],
            n_failed=count[None],
        )
        for pair, count in counts.items()
    ]


_COLUMNS = ("condition_id", "task_a", "task_b", "n_a", "n_b", "n_refusals", "n_total", "n_failed")


def write_counts(path: Path, counts: Sequence[PairCounts]) -> None:
    """Write the rows as {"results": [...]} where the file is called *.json, else as Parquet, in file order."""
    if path.suffix == ".json":
        rows = [{name: getattr(count, name) for name in _COLUMNS} for count in counts]
        write_json(path, {"results": rows})
        return
    write_table(path, {name: [getattr(count, name) for count in counts] for name in _COLUMNS}, {})
