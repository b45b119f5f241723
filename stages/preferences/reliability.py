"""How reliable measured utilities are, before anything is read from them, and the ceiling that this sets to every r."""

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.errors import AssayError
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.statistics.estimates import Estimate

app = typer.Typer(add_completion=False)


@app.command()
def reliability(
    choices: Annotated[
        list[str], typer.Option(help="NAME=FILE of choices; repeat; two of the same tasks are compared")
    ],
    topics: Annotated[Path, typer.Option(help="JSON or CSV: the topic of every task")],
    splits: Annotated[int, typer.Option(help="random halves", min=1, callback=counts.shuffles)],
    resamples: Annotated[
        int, typer.Option(help="bootstrap resamples of tasks", min=1, callback=counts.resamples)
    ],
    seed: Annotated[int, typer.Option(help="of the halves and the bootstrap", min=0, max=MOST_SEED)],
    table: Annotated[
        Path, typer.Option(help="CSV: choices, of, value, lower, upper, n", rich_help_panel=FILE)
    ],
    figure: Annotated[Path, typer.Option(help="PNG of the same", rich_help_panel=FILE)],
    metrics: Annotated[Path, typer.Option(help="the same (JSON)", rich_help_panel=FILE)],
    smoothing: Annotated[
        float, typer.Option(help="choices added in each direction of every pair, as `fit` does", min=0)
    ] = 0.0,
) -> None:
    """Write r of random halves of the pairs, the reliability and its ceiling, also within topics; of orders and of wordings."""
    import pandas as pd

    from assay.figures.saved import save_with_table
    from assay.statistics.bootstrap import Resampling
    from assay.storage.files import write_json
    from assay.studies.preferences.probing.reliability_figure import draw_reliability
    from assay.studies.preferences.utilities import reliability as halving
    from assay.studies.preferences.utilities.measurements import read_comparisons
    from assay.studies.preferences.utilities.topics import read_topics
    from stages.shared.step_progress import stepping

    paths = named(choices)
    topic = read_topics(topics).of
    fitting, resampling = halving.Fitting(smoothing=smoothing), Resampling(seed, resamples)
    measured = {name: read_comparisons(path).compared("drop") for name, path in paths.items()}
    halves: dict[str, halving.Halves] = {}
    found: dict[str, Estimate] = {}
    with stepping("split", len(measured)) as tell:
        for done, (name, comparisons) in enumerate(measured.items(), 1):
            halves[name] = halving.split_pairs(comparisons, fitting, splits=splits, seed=seed)
            found |= prefixed(name, halving.split_half(halves[name], resampling))
            within = halving.split_half(halves[name].within(topic), resampling)
            found |= prefixed(f"{name}_within_topic", within)
            orders = halving.split_orders(comparisons, fitting, splits=splits, seed=seed)
            if orders is not None:
                order_r = halving.over_tasks(orders.ids, orders.correlation, resampling)
                found[f"{name}_order_r"] = order_r
            tell(done, f"{name}: reliability {found[f'{name}_reliability']}")
    for one, other in combinations(measured, 2):
        if len(set(measured[one].ids) & set(measured[other].ids)) >= halving.MINIMUM_TASKS:
            both = halving.parallel(
                measured[one], measured[other], (halves[one], halves[other]), fitting, resampling
            )
            found |= prefixed(f"{one}_{other}", both)
    rows = [
        {"measure": name, "value": one.value, "lower": one.lower, "upper": one.upper, "n": one.n}
        for name, one in found.items()
    ]
    save_with_table(pd.DataFrame(rows), draw_reliability, figure, csv=table)
    write_json(
        metrics, {key: value for name, one in found.items() for key, value in one.metrics(name).items()}
    )
    for name in measured:
        typer.echo(f"{name}: reliability {found[f'{name}_reliability']}, ceiling {found[f'{name}_ceiling']}")


def prefixed(prefix: str, found: "Mapping[str, Estimate]") -> "dict[str, Estimate]":
    """The estimates under `prefix_name`."""
    return {f"{prefix}_{name}": estimate for name, estimate in found.items()}


def named(choices: list[str]) -> dict[str, Path]:
    """NAME=FILE → file by name. Raises AssayError for another form and a name given twice."""
    paths: dict[str, Path] = {}
    for given in choices:
        name, separator, path = given.partition("=")
        if not separator or not name.isidentifier() or name in paths:
            raise AssayError(
                f"--choices {given!r} must be NAME=FILE with a new name made of letters and digits"
            )
        paths[name] = Path(path)
    return paths


if __name__ == "__main__":
    run(app)
