"""Measure which tasks a model prefers: active learning asks it to choose between two, again and again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stages.preferences import backends
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.option_groups import grouped_options
from stages.shared.outputs import FILE
from stages.shared.scratch import scratch_root

app = typer.Typer(add_completion=False)


@app.command()
@grouped_options
def measure(
    asking: backends.Asking,
    tasks: Annotated[Path, typer.Option(help="tasks (JSONL, JSON or CSV: id, text)")],
    samples: Annotated[
        int, typer.Option(help="how often each pair is asked", min=1, callback=counts.repeats)
    ],
    degree: Annotated[int, typer.Option(help="partners of each task in the initial random graph", min=1)],
    batch: Annotated[int, typer.Option(help="pairs per iteration after the first", min=1)],
    max_iterations: Annotated[
        int,
        typer.Option(
            help="iterations at most, the initial graph's included", min=1, callback=counts.iterations
        ),
    ],
    threshold: Annotated[
        float,
        typer.Option(
            help="rank correlation between iterations at which to stop", callback=counts.correlation
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="choices and refusals, one row each (Parquet)", rich_help_panel=FILE)
    ],
    failures: Annotated[
        Path, typer.Option(help="samples without a choice and why (JSONL)", rich_help_panel=FILE)
    ],
    metrics: Annotated[Path, typer.Option(help="counts and rates (JSON)", rich_help_panel=FILE)],
    quantile: Annotated[
        float,
        typer.Option(help="a pair qualifies within it, in |Δμ| and in degree", callback=counts.quantile),
    ] = 0.3,
    exclude: Annotated[Path | None, typer.Option(help="ids of tasks to leave out, one per line")] = None,
    sample: Annotated[int | None, typer.Option(help="draw so many of the tasks that are left", min=1)] = None,
    strata: Annotated[
        Path | None, typer.Option(help="topics (JSON or CSV), of which equally many tasks are drawn")
    ] = None,
    system_prompt: Annotated[str | None, typer.Option(help="system message of every question")] = None,
) -> None:
    """Write every choice, what failed, and the counts. Killed, it goes on where it was.

    Unfinished work waits in the folder that ASSAY_SCRATCH names, else in .scratch.
    """
    from assay.storage.files import write_json
    from assay.studies.preferences.asking.active_learning import ActiveLearningSettings
    from assay.studies.preferences.asking.measure import measured
    from assay.studies.preferences.asking.measurement_files import (
        summarize,
        write_failures,
        write_measurements,
    )
    from assay.studies.preferences.utilities.task_files import read_texts
    from stages.preferences.asking_progress import asking_progress

    settings = ActiveLearningSettings(
        degree=degree,
        batch=batch,
        max_iterations=max_iterations,
        samples=samples,
        threshold=threshold,
        quantile=quantile,
        seed=asking.seed,
        pair_order_seed=asking.seed,
    )
    texts, n_excluded = choose_tasks(read_texts(tasks), exclude, strata, sample, asking.seed)
    with (
        backends.open_backend(asking) as backend,
        asking_progress() as progress,
        failures_kept(failures, out),
        measured(
            backend,
            texts,
            settings,
            system_prompt=system_prompt,
            scratch=scratch_root(),
            progress=progress,
        ) as measurement,
    ):
        counts = summarize(measurement)
        facts = backends.provenance(backend, {"system_prompt": system_prompt, "settings": vars(settings)})
        n_rows = write_measurements(out, measurement.samples, facts)
        n_failed = write_failures(failures, measurement.samples)
        write_json(metrics, {**counts, "tasks": len(texts), "tasks_excluded": n_excluded})
    typer.echo(
        f"{out}: {n_rows} answers to {counts['pairs']} pairs of {len(texts)} tasks, {n_failed} failed, "
        f"{measurement.resumed} of an earlier run; rank correlation {counts['rank_correlation']:.4f}"
    )


@contextmanager
def failures_kept(failures: Path, out: Path) -> Iterator[None]:
    """Where the run ends because nothing is answered, write what came instead, unless it would stand beside an earlier result."""
    from assay.storage.together import at_once
    from assay.studies.preferences.asking.measure import samples_of
    from assay.studies.preferences.asking.measurement_files import write_failures
    from assay.studies.preferences.asking.recorder import NoAnswersError

    try:
        yield
    except NoAnswersError as error:
        if not out.exists():
            with at_once():
                write_failures(failures, samples_of(error.failures))
        raise


def choose_tasks(
    texts: dict[str, str], exclude: Path | None, strata: Path | None, sample: int | None, seed: int
) -> tuple[dict[str, str], int]:
    """The tasks to compare (text by id), in the order of their numbers, and how many were excluded."""
    from assay.errors import AssayError
    from assay.studies.preferences.asking.sampling import read_exclusions, stratified_sample, without
    from assay.studies.preferences.utilities.topics import read_topics

    excluded = frozenset() if exclude is None else read_exclusions(exclude, texts)
    kept, n_excluded = without(list(texts), excluded)
    if strata is not None and sample is None:
        raise AssayError("--strata says how to draw a sample; give --sample as well")
    if sample is not None:
        topic = {} if strata is None else read_topics(strata).of
        groups: dict[str, list[str]] = {}
        for task in kept:
            groups.setdefault(topic.get(task, ""), []).append(task)
        kept = stratified_sample(groups, sample, seed=seed)
    if len(kept) < 2:
        raise AssayError(f"{len(kept)} of {len(texts)} tasks are left to compare; it takes two")
    assert excluded.isdisjoint(kept), "an excluded task is left"
    return {task: texts[task] for task in kept}, n_excluded


if __name__ == "__main__":
    run(app)
