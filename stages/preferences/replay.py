"""Replay a recorded run of active learning: does the selection rule choose what was asked?"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.errors import AssayError
from stages.shared.cli import read_mapping, run
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from assay.studies.preferences.asking.active_learning import ActiveLearningSettings
    from assay.studies.preferences.asking.replay import Replay
    from assay.studies.preferences.utilities.comparisons import Comparisons

app = typer.Typer(add_completion=False)

BATCH_STEP = 50  # batches of published runs are multiples of it


@app.command()
def replay(
    measurements: Annotated[Path, typer.Option(help="choices in the order in which they were asked")],
    settings: Annotated[
        Path,
        typer.Option(
            help="YAML of the run: seed, n_iterations, rank_correlations, and degree, batch where known"
        ),
    ],
    tasks: Annotated[
        Path | None,
        typer.Option(
            help="CSV whose task_id column orders the tasks; else a thurstonian*.csv beside the choices"
        ),
    ] = None,
    degree: Annotated[
        int | None, typer.Option(help="partners in the first graph; else the settings', else 5", min=1)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="pairs per later iteration; else the settings', else from the counts", min=1),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="JSON: pairs chosen, rank correlations", rich_help_panel=FILE)
    ] = None,
) -> None:
    """Say how many of the recorded pairs the rule selects, and compare the rank correlations."""
    from assay.storage.files import write_json
    from assay.studies.preferences.asking.replay import replay as run_again
    from assay.studies.preferences.utilities.measurements import read_comparisons
    from stages.preferences.task_order import in_task_order
    from stages.shared.step_progress import stepping

    recorded = read_mapping(settings)
    comparisons = in_task_order(read_comparisons(measurements), measurements, tasks)
    n_tasks = whole(settings, recorded, "n_tasks", default=len(comparisons.ids))
    if n_tasks != len(comparisons.ids):
        raise AssayError(
            f"{settings} speaks of {n_tasks} tasks, the order of tasks lists {len(comparisons.ids)}; give --tasks"
        )
    rule = rule_of(settings, recorded, comparisons, degree=degree, batch=batch)
    typer.echo(f"degree {rule.degree}, batch {rule.batch}, seed {rule.seed}", err=True)
    with stepping("replay", rule.max_iterations) as tell:
        found = run_again(comparisons, rule, tell=tell)
    report = summary(found, correlations(settings, recorded))
    if metrics is not None:
        write_json(metrics, report)
    for number, iteration in enumerate(found.iterations, 1):
        typer.echo(
            f"iteration {number}: {iteration.proposed} pairs chosen, {iteration.recorded} of them recorded, "
            f"rank correlation {iteration.rank_correlation:.5f}"
        )
    verdict = "every" if found.selected_pairs == found.recorded_pairs else "NOT every"
    typer.echo(
        f"{verdict} recorded pair was chosen: {found.selected_pairs} of {found.recorded_pairs}; {found.lost_pairs} chosen pairs "
        f"have no record; {found.oriented_share:.1%} of later presentations predicted"
    )


def rule_of(
    path: Path,
    recorded: Mapping[str, Any],
    comparisons: "Comparisons",
    *,
    degree: int | None,
    batch: int | None,
) -> "ActiveLearningSettings":
    """The run's rule. What older files do not say takes its published value; the batch follows from the counts."""
    import numpy as np

    from assay.studies.preferences.asking.active_learning import ActiveLearningSettings

    n = len(comparisons.ids)
    iterations = whole(path, recorded, "n_iterations")
    degree = degree or whole(path, recorded, "degree", "initial_degree", default=5)
    if batch is None:
        pairs = np.sort(np.stack([comparisons.first, comparisons.second], axis=1), axis=1)
        later = len(np.unique(pairs, axis=0)) - n * degree // 2
        guess = BATCH_STEP * -(-later // (BATCH_STEP * max(iterations - 1, 1)))
        batch = whole(path, recorded, "batch", "batch_size", default=max(guess, 1))
    seed = whole(path, recorded, "seed")
    picks = recorded.get("picks", "shuffled")  # published records say nothing of it
    if picks not in ("own", "shuffled"):
        raise AssayError(f"{path}: field 'picks': expected own or shuffled, found {picks!r}")
    return ActiveLearningSettings(
        degree=degree,
        batch=batch,
        max_iterations=iterations,
        threshold=1.0,  # stop where the record does
        quantile=float(recorded.get("quantile", 0.3)),
        seed=seed,
        pair_order_seed=whole(path, recorded, "pair_order_seed", default=seed),
        refusals=recorded.get("refusals", "as-b"),
        tolerance=recorded.get("tolerance", "reference"),
        picks=picks,
    )


def whole(path: Path, recorded: Mapping[str, Any], *names: str, default: int | None = None) -> int:
    """The integer under the first of `names` that is there. Raises AssayError naming file and field."""
    for name in names:
        if name in recorded:
            value = recorded[name]
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise AssayError(f"{path}: field '{name}': expected a whole number, found {value!r}")
            return value
    if default is None:
        raise AssayError(f"{path}: field '{names[0]}' is missing; add it as the run had it")
    return default


def correlations(path: Path, recorded: Mapping[str, Any]) -> list[float]:
    """The recorded rank correlations; none where the file has none."""
    values = recorded.get("rank_correlations", [])
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        raise AssayError(f"{path}: field 'rank_correlations': expected a list of numbers, found {values!r}")
    return [float(value) for value in values]


def summary(found: "Replay", recorded: list[float]) -> dict[str, float | int]:
    """Flat metrics; the deviation is over iterations that both know."""
    replayed = [iteration.rank_correlation for iteration in found.iterations]
    deviations = [abs(a - b) for a, b in zip(replayed, recorded, strict=False)]
    return {
        "iterations": len(replayed),
        "recorded_pairs": found.recorded_pairs,
        "selected_pairs": found.selected_pairs,
        "lost_pairs": found.lost_pairs,
        "oriented_share": found.oriented_share,
        **{f"rank_correlation_{number}": value for number, value in enumerate(replayed, 1)},
        **({"rank_correlation_deviation": max(deviations)} if deviations else {}),
    }


if __name__ == "__main__":
    run(app)
