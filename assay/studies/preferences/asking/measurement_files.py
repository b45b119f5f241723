"""Measurements as files: choices in Parquet, failures in JSON Lines, and the numbers that sum them up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay.errors import AssayError
from assay.prompts.records import write_rows
from assay.statistics.estimates import Estimate, wilson
from assay.statistics.jackknife import rate
from assay.storage.parquet_files import write_parquet
from assay.studies.preferences.asking.asking import ChoiceAnswer
from assay.studies.preferences.asking.measure import Measurement, Sample


def write_measurements(path: Path, samples: Sequence[Sample], facts: Mapping[str, str]) -> int:
    """Write the samples that are choices or refusals as Parquet, in the order asked; returns how many.

    Columns: task_a (presented first), task_b, choice (a, b or refusal), iteration, sample, rule (how the answer was read)
    and the beginning of the answer; `facts` go into the file's metadata. Equal samples give equal bytes.
    """
    import pyarrow as pa

    valid = [sample for sample in samples if sample.answer.choice is not None]
    columns: dict[str, Any] = {
        "task_a": pa.array([sample.task_a for sample in valid], pa.string()),
        "task_b": pa.array([sample.task_b for sample in valid], pa.string()),
        "choice": pa.array([sample.answer.choice for sample in valid], pa.string()),
        "iteration": pa.array([sample.iteration for sample in valid], pa.int32()),
        "sample": pa.array([sample.sample for sample in valid], pa.int32()),
        "rule": pa.array([sample.answer.rule for sample in valid], pa.string()),
        "response": pa.array([_printable(sample.answer.text) for sample in valid], pa.string()),
    }
    write_parquet(path, columns, facts)
    return len(valid)


def write_failures(path: Path, samples: Sequence[Sample]) -> int:
    """Write the samples that failed (JSON Lines), with their category and what came instead; returns how many."""
    return write_rows(
        path,
        (
            {
                "iteration": sample.iteration,
                "task_a": sample.task_a,
                "task_b": sample.task_b,
                "sample": sample.sample,
                "failure": sample.answer.failure,
                "text": sample.answer.text,
            }
            for sample in samples
            if sample.answer.failure is not None
        ),
    )


def summarize(measurement: Measurement) -> dict[str, float | int]:
    """Flat metrics: counts, rates of refusals and of choices of the task presented first, failures by category.

    Intervals are bootstrapped by pair, because the samples of a pair are alike. Raises AssayError when nothing was chosen.
    """
    pairs = {
        frozenset((sample.task_a, sample.task_b)): number for number, sample in enumerate(measurement.samples)
    }
    answered = [sample for sample in measurement.samples if sample.answer.choice is not None]
    n_failed = len(measurement.samples) - len(answered)
    pair = np.array([pairs[frozenset((sample.task_a, sample.task_b))] for sample in answered])
    refused = np.array([sample.answer.choice == "refusal" for sample in answered])
    first = np.array([sample.answer.choice == "a" for sample in answered])
    if not answered or refused.all():
        raise AssayError(
            f"none of {len(measurement.samples)} answers is a choice; check the model and the template"
        )
    chosen = ~refused
    return {
        "pairs": len(pairs),
        "answers": len(measurement.samples),
        "iterations": len(measurement.rank_correlations),
        "converged": int(measurement.converged),
        "rank_correlation": measurement.rank_correlations[-1],
        **count_answers([sample.answer for sample in measurement.samples], measurement.retries),
        **rate_by_pair(refused, pair, n_dropped=n_failed).metrics("refused"),
        **rate_by_pair(
            first[chosen], pair[chosen], n_dropped=len(measurement.samples) - int(chosen.sum())
        ).metrics("first_chosen"),
    }


def rate_by_pair(hits: ArrayLike, pairs: ArrayLike, *, n_dropped: int) -> Estimate:
    """The rate of `hits` [n] (booleans), with an interval over their `pairs` [n]; Wilson's for a single pair."""
    values = np.asarray(hits, dtype=bool)
    if len(np.unique(pairs)) < 2:
        return wilson(int(values.sum()), len(values), n_dropped=n_dropped)
    return rate(values, pairs, n_dropped=n_dropped)


def count_answers(answers: Sequence[ChoiceAnswer], retries: Mapping[str, int]) -> dict[str, int]:
    """Answers by the rule that read them, failures and repeated requests by category."""
    rules = Counter(answer.rule for answer in answers if answer.rule is not None)
    failures = Counter(answer.failure for answer in answers if answer.failure is not None)
    return {
        **{f"read_by_{name}": count for name, count in rules.items()},
        "failures": failures.total(),
        **{f"failures_{name}": count for name, count in failures.items()},
        **{f"retries_{name}": count for name, count in retries.items()},
    }


def _printable(text: str) -> str:
    """The text with question marks for lone surrogates, which no file can hold as text."""
    return text.encode("utf-8", "replace").decode("utf-8")
