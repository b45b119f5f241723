"""A page to browse tasks by utility, topic and what the probe gets wrong."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def view(
    tasks: Annotated[Path, typer.Option(help="tasks (JSONL, JSON or CSV: id, text)")],
    topics: Annotated[Path, typer.Option(help="topic by task (JSON or CSV)")],
    train_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu")],
    eval_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu")],
    activations: Annotated[Path, typer.Option(help="store with one row per task")],
    probes: Annotated[Path, typer.Option(help="utility probes of the same store; the best layer is shown")],
    model: Annotated[Path, typer.Option(help="pin of the model (JSON), for its name")],
    out: Annotated[Path, typer.Option(help="page to write (HTML)", rich_help_panel=FILE)],
) -> None:
    """Write the page. Tasks that were measured in neither half have no row and are counted on the command line."""
    from assay.activations.store import open_store
    from assay.models.pin_files import read_pin
    from assay.models.same_model import require_same_model
    from assay.probes.files import load_probes
    from assay.storage.files import write_text
    from assay.studies.preferences.probing.page import render_tasks, tasks_of_half
    from assay.studies.preferences.utilities.task_files import read_texts
    from assay.studies.preferences.utilities.topics import read_topics
    from assay.studies.preferences.utilities.utility_files import read_utilities

    texts, topic = read_texts(tasks), read_topics(topics).of
    measured = {"train": read_utilities(train_utilities), "eval": read_utilities(eval_utilities)}
    read, info = load_probes(probes)
    rows = []
    with open_store(activations) as store:
        made = store.header
        require_same_model(probes, info.pin, made.pin_fingerprint, wanted_alias=made.pin_alias)
        for split, utilities in measured.items():
            held = store.read(info.best_layer, store.rows_of_ids(utilities.ids))
            scores = read[info.best_layer].decision_function(held)
            rows += tasks_of_half(split, utilities, scores, texts, topic)
    write_text(out, render_tasks(rows, model=read_pin(model).alias, layer=info.best_layer))
    typer.echo(f"{out}: {len(rows)} of {len(texts)} tasks")


if __name__ == "__main__":
    run(app)
