"""The control of shuffled labels: training rows with the responses of one another."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def shuffle_responses(
    data: Annotated[Path, typer.Option(help="training rows of the fine-tuning stage (JSONL)")],
    seed: Annotated[int, typer.Option(help="of the shuffle", min=0, max=MOST_SEED)],
    out: Annotated[
        Path,
        typer.Option(help="the same rows, each with another row's response (JSONL)", rich_help_panel=FILE),
    ],
) -> None:
    """Write a training set in which the responses are as frequent as before and belong to nothing."""
    from assay.evaluation import controls
    from assay.finetuning.data import read_training_records
    from assay.prompts.records import write_records

    records = read_training_records(data)
    shuffled = controls.shuffle_responses(records, seed)
    count = write_records(out, shuffled)
    kept = sum(before.response == after.response for before, after in zip(records, shuffled, strict=True))
    typer.echo(f"{out}: {count} rows, of which {kept} have the same response as before")


if __name__ == "__main__":
    run(app)
