"""Train the organism: a tokenizer, a base checkpoint and a chat checkpoint."""

from pathlib import Path

import typer

from assay.files import write_json, write_text
from stages.cli import run
from stages.settings import read_section

app = typer.Typer(add_completion=False)


@app.command()
def organism(
    world: Path = typer.Option(..., help="Folder that the world stage wrote."),
    params: Path = typer.Option(..., help="The params file; its sections `organism` and `text` are read."),
    out: Path = typer.Option(..., help="Folder for the checkpoints, base/ and chat/ (Hugging Face folders)."),
    metrics: Path = typer.Option(..., help="Accuracies on held-out phrasings (JSON)."),
    plots: Path = typer.Option(..., help="Folder for loss.csv, accuracy.csv and curves.png."),
) -> None:
    """Train on the world's train split and on the prose of the training documents; score on held-out phrasings."""
    from assay.text import python_docs, split_documents
    from assay.world.compiling import missing_for_compiling
    from assay.world.curves import Curves, draw_curves
    from assay.world.evaluation import score
    from assay.world.organism import Corpus, train_organism
    from assay.world.precision import resolve_precision
    from assay.world.settings import OrganismSettings, TextSettings, parse_settings
    from assay.world.tables import read_examples, read_names
    from stages.training_progress import training_progress

    settings = parse_settings(OrganismSettings, read_section(params, "organism"), "organism")
    text = parse_settings(TextSettings, read_section(params, "text"), "text")
    if settings.optimisation.compile and (missing := missing_for_compiling()):
        typer.echo(
            f"not compiled, so training takes about 1.6 times as long: this machine lacks {missing}", err=True
        )
    precision = resolve_precision(settings.optimisation.precision)
    typer.echo(f"training with matrix products in {str(precision).removeprefix('torch.')}", err=True)
    documents, _ = split_documents(python_docs(), seed=text.seed, test_fraction=text.test_fraction)
    corpus = Corpus(read_examples(world / "train.jsonl"), documents, read_names(world))
    heldout = read_examples(world / "heldout.jsonl")
    curves = Curves(heldout)
    scores: dict[str, float | int] = {}
    with training_progress() as show:
        for checkpoint in train_organism(settings, corpus, [curves, show]):
            checkpoint.save(out / checkpoint.phase)
            scores |= score(checkpoint, heldout)
    write_json(metrics, scores)
    write_text(plots / "loss.csv", curves.loss.to_csv(index=False, lineterminator="\n"))
    write_text(plots / "accuracy.csv", curves.accuracy.to_csv(index=False, lineterminator="\n"))
    draw_curves(plots / "curves.png", curves.loss, curves.accuracy)
    for phase in ("base", "chat"):
        typer.echo(f"{phase}: statements {scores[f'{phase}_facts_statement']:.3f}")


if __name__ == "__main__":
    run(app)
