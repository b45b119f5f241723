"""Ask a model to choose in given pairs of tasks, under given system prompts, in both orders."""

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
def ask_pairs(
    asking: backends.Asking,
    tasks: Annotated[Path, typer.Option(help="tasks (JSONL, JSON or CSV: id, text)")],
    pairs: Annotated[Path, typer.Option(help="JSONL: condition_id, task_a, task_b, system_prompt or null")],
    repeats: Annotated[
        int,
        typer.Option(
            help="how often each pair is asked, half of it in each order", min=1, callback=counts.repeats
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="counts per condition and pair (JSON, or Parquet by its suffix)", rich_help_panel=FILE
        ),
    ],
    metrics: Annotated[Path, typer.Option(help="counts and rates (JSON)", rich_help_panel=FILE)],
) -> None:
    """Write how often each task of each pair was chosen. Killed, it goes on where it was, as `measure` does."""
    from assay.storage.files import write_json
    from assay.studies.preferences.asking.given_pairs import (
        asked_pairs,
        read_pairs,
        summarize_pairs,
        write_counts,
    )
    from assay.studies.preferences.asking.position import mass_warning
    from assay.studies.preferences.utilities.task_files import read_texts
    from stages.preferences.asking_progress import asking_progress

    texts = read_texts(tasks)
    wanted = read_pairs(pairs, texts)
    with (
        backends.open_backend(asking) as backend,
        asking_progress() as progress,
        asked_pairs(
            backend, texts, wanted, repeats=repeats, scratch=scratch_root(), progress=progress
        ) as answered,
    ):
        write_counts(out, answered.counts, backends.provenance(backend, {"repeats": repeats}))
        numbers = summarize_pairs(answered)
        write_json(metrics, numbers)
    typer.echo(
        f"{out}: {len(wanted)} pairs under {numbers['conditions']} conditions, {numbers['answers']} answers, "
        f"{numbers['failures']} failed, {answered.resumed} of an earlier run"
    )
    if warning := mass_warning(numbers):
        typer.echo(f"warning: {warning}", err=True)


if __name__ == "__main__":
    run(app)
