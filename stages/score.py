"""What the organism knows: accuracy of both checkpoints on held-out phrasings."""

from pathlib import Path

import typer

from assay.storage.files import write_json
from stages.shared.cli import run
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def score(
    world: Path = typer.Option(..., help="Folder that the world stage wrote."),
    organism: Path = typer.Option(..., help="Folder with the checkpoints base/ and chat/."),
    metrics: Path = typer.Option(..., help="Accuracies on held-out phrasings (JSON).", rich_help_panel=FILE),
) -> None:
    """Greedy answers to the held-out examples that a checkpoint can have met, compared token by token."""
    from assay.organism import accuracy
    from assay.organism.organism import CHECKPOINTS, Checkpoint
    from assay.world.example_files import read_examples

    heldout = read_examples(world / "heldout.jsonl")
    scores: dict[str, float | int] = {}
    for phase in CHECKPOINTS:
        scores |= accuracy.score(Checkpoint.load(organism / phase, phase), heldout)
        typer.echo(f"{phase}: statements {scores[f'{phase}_facts_statement']:.3f}")
    write_json(metrics, scores)


if __name__ == "__main__":
    run(app)
