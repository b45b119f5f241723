"""The content baseline: how much of the utilities the words of the tasks explain."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def content(
    tasks: Annotated[Path, typer.Option(help="texts: JSON list, JSONL or CSV with task_id and prompt")],
    utilities: Annotated[
        Path, typer.Option(help="CSV: task_id, mu, sigma; its order is the order of the folds")
    ],
    topics: Annotated[Path, typer.Option(help="JSON or CSV: the topic of every task")],
    out: Annotated[Path, typer.Option(help="metrics (JSON)", rich_help_panel=FILE)],
    encoder: Annotated[Literal["minilm", "tfidf"], typer.Option(help="features of a text")] = "minilm",
    folds: Annotated[int, typer.Option(help="cross-validation folds", min=2)] = 5,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            help="how many topics are held out together, in every combination (1); or their names (a,b), repeat for more folds"
        ),
    ] = None,
    minimum_topic: Annotated[
        int, typer.Option(help="topics with fewer tasks are never held out", min=0)
    ] = 10,
    resamples: Annotated[
        int, typer.Option(help="bootstrap resamples of tasks", min=1, callback=counts.resamples)
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED)] = 0,
) -> None:
    """Write cross-validated R², R² of topics alone, and r on held-out topics."""
    import numpy as np

    from assay.statistics.bootstrap import Resampling
    from assay.statistics.estimates import Estimate
    from assay.storage.files import write_json
    from assay.studies.preferences.probing.content import encode_texts
    from assay.studies.preferences.probing.content_study import content_estimates
    from assay.studies.preferences.probing.inputs import keep_tasks
    from assay.studies.preferences.probing.topic_folds import parse_hold_out
    from assay.studies.preferences.utilities.task_files import read_texts
    from assay.studies.preferences.utilities.topics import read_topics
    from assay.studies.preferences.utilities.utility_files import read_utilities
    from stages.shared.step_progress import stepping

    texts, taxonomy = read_texts(tasks), read_topics(topics)
    kept = keep_tasks(read_utilities(utilities), taxonomy, [set(texts)], held_in="texts")
    size, chosen = parse_hold_out(hold_out or ["1"], taxonomy, kept.tasks.topics)
    with stepping("encode", len(kept.tasks.ids)) as tell:
        features = encode_texts(
            [texts[task] for task in kept.tasks.ids], encoder, tell=lambda done: tell(done, "texts")
        )
    estimates = content_estimates(
        features,
        kept.tasks.mu,
        kept.tasks.topics,
        alphas=np.logspace(0, 6, 10).tolist(),
        folds=folds,
        minimum_topic=minimum_topic,
        hold_out=size,
        chosen=chosen,
        resampling=Resampling(seed, resamples),
    )
    numbers: dict[str, float | int | str] = {"encoder": encoder, **kept.counts, **taxonomy.metrics()}
    for name, value in estimates.items():
        numbers |= value.metrics(name) if isinstance(value, Estimate) else {name: value}
    write_json(out, numbers)


if __name__ == "__main__":
    run(app)
