"""The organism, base and chat: the certified one, or, where the parameters are not those of its certificate, trained anew."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.organism.certificate import SECTIONS, Certificate, prose_hash, read_certificate, recipe_hash
from assay.storage.folders import atomic_folder
from stages.shared.cli import run
from stages.shared.outputs import FOLDER, WHOLE
from stages.shared.settings import read_section

if TYPE_CHECKING:
    from assay.organism.curves import Curves
    from assay.organism.organism import Corpus
    from assay.organism.settings import OrganismSettings
    from assay.prompts.documents import Document

app = typer.Typer(add_completion=False)

CURVES = ("loss.csv", "accuracy.csv")
_OF_A_MODEL = (
    "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json",
)  # fmt: skip
MADE = tuple(f"{phase}/{name}" for phase in ("base", "chat") for name in _OF_A_MODEL)


@app.command()
def organism(
    world: Path = typer.Option(..., help="Folder that the world stage wrote."),
    params: Path = typer.Option(
        ..., help="The params file; its sections `organism`, `text` and `world` are read."
    ),
    certified: Path = typer.Option(..., help="Folder of the certified weights, with certificate.json."),
    out: Path = typer.Option(
        ..., help="Folder for the checkpoints, base/ and chat/ (Hugging Face folders).", rich_help_panel=WHOLE
    ),
    plots: Path = typer.Option(
        ..., help="Folder for loss.csv, accuracy.csv and curves.png of the training.", rich_help_panel=FOLDER
    ),
) -> None:
    """Take the certified organism if its recipe is what the params file says, else train one, which takes 6 to 19 minutes."""
    import pandas as pd

    from assay.figures.training_curves import draw_training_curves
    from assay.organism.curves import Curves
    from assay.organism.settings import OrganismSettings, TextSettings
    from assay.prompts.documents import python_docs, split_documents
    from assay.storage.csv_tables import write_csv
    from assay.storage.settings import parse_settings
    from assay.world.example_files import read_examples

    sections = {name: read_section(params, name) for name in SECTIONS}
    settings = parse_settings(OrganismSettings, sections["organism"], "organism")
    text = parse_settings(TextSettings, sections["text"], "text")
    certificate = read_certificate(certified)
    documents, _ = split_documents(python_docs(), seed=text.seed, test_fraction=text.test_fraction)
    if _is_certified(certificate, sections, documents):
        certificate.check_weights(certified)
        with atomic_folder(out, MADE) as folder:
            for phase in certificate.weights:
                shutil.copytree(certified / phase, folder / phase)
        loss, accuracy = (pd.read_csv(certified / name, keep_default_na=False) for name in CURVES)
    else:
        curves = Curves(read_examples(world / "heldout.jsonl"))
        with atomic_folder(out, MADE) as folder:
            train(settings, read_corpus(world, documents), folder, curves)
        loss, accuracy = curves.loss, curves.accuracy
    for name, table in zip(CURVES, (loss, accuracy), strict=True):
        write_csv(plots / name, table)
    draw_training_curves(loss, accuracy, plots / "curves.png")


def read_corpus(world: Path, documents: "list[Document]") -> "Corpus":
    """What an organism may learn from: the world's train split and the training documents."""
    from assay.organism.organism import Corpus
    from assay.world.example_files import read_examples, read_names

    return Corpus(read_examples(world / "train.jsonl"), documents, read_names(world))


def train(settings: "OrganismSettings", corpus: "Corpus", out: Path, curves: "Curves") -> None:
    """Train, say how far it is, and write each checkpoint into the folder `out` as soon as it is there."""
    from assay.organism.compiling import missing_for_compiling
    from assay.organism.organism import train_organism
    from assay.organism.precision import resolve_precision
    from stages.shared.training_progress import training_progress

    if settings.optimisation.compile and (missing := missing_for_compiling()):
        typer.echo(
            f"not compiled, so training takes about 1.6 times as long: this machine lacks {missing}", err=True
        )
    precision = resolve_precision(settings.optimisation.precision)
    typer.echo(f"training with matrix products in {str(precision).removeprefix('torch.')}", err=True)
    with training_progress() as show:
        for checkpoint in train_organism(settings, corpus, [curves, show]):
            checkpoint.save(out / checkpoint.phase)


def _is_certified(
    certificate: Certificate, sections: Mapping[str, object], documents: "list[Document]"
) -> bool:
    if recipe_hash(sections) != certificate.recipe:
        typer.echo("these parameters are not those of the certified organism: training another one", err=True)
        return False
    if prose_hash(documents) != certificate.prose:
        typer.echo(
            f"the certified organism was trained on the prose of Python {certificate.python}, which is another than this "
            "Python's: documents that the token study holds out here may have been trained on",
            err=True,
        )
    typer.echo(f"the certified organism: seed {certificate.seed}, trained on {certificate.processor}")
    return True


if __name__ == "__main__":
    run(app)
