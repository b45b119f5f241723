"""Train the standard anew and compare it with its certificate: does the recipe still learn the world, on this machine?

Floating point differs between processors, so the weights differ and what is compared are scores, with floors. A training takes
6 minutes on two cores that multiply in bfloat16 and 19 on two AVX2 cores; `--passes 0.3` trains a third of the base model alone.
"""

import dataclasses
import importlib.metadata
import platform
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from assay.errors import AssayError
from assay.organism import accuracy, certificate
from assay.organism.curves import Curves
from assay.organism.organism import CHECKPOINTS, Checkpoint, train_organism
from assay.organism.precision import resolve_precision
from assay.organism.settings import OrganismSettings, Phase, TextSettings
from assay.prompts.documents import python_docs, split_documents
from assay.storage.csv_tables import write_csv
from assay.storage.files import hash_file, hash_folder, write_json
from assay.storage.fingerprints import text_hash
from assay.storage.settings import parse_settings
from assay.world.example_files import read_examples
from stages.organism import CURVES, read_corpus, train
from stages.shared.cli import run
from stages.shared.settings import read_section
from stages.shared.training_progress import training_progress
from tools.imports import code_of

app = typer.Typer(add_completion=False)

# Well below the certificate: another processor or seed trains another organism, and what was learned late moves most.
FLOORS = {
    "base_facts_statement": 0.95,
    "base_directions_statement": 0.8,
    "chat_facts_statement": 0.85,
    "chat_facts_question": 0.95,
    "chat_facts_choice": 0.4,
    "chat_facts_yesno": 0.7,
    "chat_directions_question": 0.8,
    "chat_functions_question": 0.6,
    "chat_gambles_report": 0.8,
}
SHORT_FLOORS = {"base_facts_statement": 0.5}  # guessing gives 0.1 to 0.2


@app.command()
def standard(
    params: Annotated[Path, typer.Option(help="params file")] = Path("params.yaml"),
    world: Annotated[Path, typer.Option(help="folder that the world stage wrote")] = Path("data/world"),
    certified: Annotated[Path, typer.Option(help="folder of the certificate")] = Path("data/inputs/organism"),
    seed: Annotated[int | None, typer.Option(help="instead of the params file's")] = None,
    passes: Annotated[
        float,
        typer.Option(
            help="below 1: this share of the primer's and the base model's training, and no chat model"
        ),
    ] = 1.0,
    trained: Annotated[Path | None, typer.Option(help="compare this one, trained before")] = None,
    out: Annotated[Path | None, typer.Option(help="keep the checkpoints and curves here")] = None,
    certify: Annotated[bool, typer.Option(help="make it the certified one")] = False,
) -> None:
    """Print the scores beside the certificate's; exit with status 1 where one is below its floor."""
    if certify and passes < 1:
        raise AssayError("only a whole training can be certified; leave --passes out")
    sections = {name: read_section(params, name) for name in certificate.SECTIONS}
    settings = parse_settings(OrganismSettings, sections["organism"], "organism")
    settings = settings if seed is None else dataclasses.replace(settings, seed=seed)
    text = parse_settings(TextSettings, sections["text"], "text")
    documents, _ = split_documents(python_docs(), seed=text.seed, test_fraction=text.test_fraction)
    heldout = read_examples(world / "heldout.jsonl")
    with TemporaryDirectory() as temporary:
        folder = trained or out or Path(temporary)
        if trained is None and passes >= 1:
            curves = Curves(heldout)
            train(settings, read_corpus(world, documents), folder, curves)
            for name, table in zip(CURVES, (curves.loss, curves.accuracy), strict=True):
                write_csv(folder / name, table)
        elif trained is None:
            corpus = read_corpus(world, documents)
            with training_progress() as show:
                next(train_organism(shortened(settings, passes), corpus, [show])).save(folder / "base")
        phases = [phase for phase in CHECKPOINTS if (folder / phase).is_dir()]
        scores: dict[str, float | int] = {}
        for phase in phases:
            scores |= accuracy.score(Checkpoint.load(folder / phase, phase), heldout)
        if certify:
            made = make_certificate(sections, settings, certificate.prose_hash(documents), folder, scores)
            install(made, folder, certified)
    compare(
        scores, certificate.read_certificate(certified).scores, FLOORS if "chat" in phases else SHORT_FLOORS
    )


def shortened(settings: OrganismSettings, share: float) -> OrganismSettings:
    """A share of the passes of primer and base."""
    primer, base = (_share_of(phase, share) for phase in (settings.primer, settings.base))
    return dataclasses.replace(settings, primer=primer, base=base)


def _share_of(phase: Phase, share: float) -> Phase:
    examples = {
        section: {form: share * passes for form, passes in forms.items()}
        for section, forms in phase.examples.items()
    }
    return Phase(phase.rate, share * phase.prose, examples)


def make_certificate(
    sections: dict[str, object],
    settings: OrganismSettings,
    prose: str,
    folder: Path,
    scores: dict[str, float | int],
) -> certificate.Certificate:
    """What can be said of checkpoints that were trained on this machine, today, by the code of today."""
    root = Path(__file__).parents[1]
    code = "".join(f"{path}\0{hash_file(root / path)}\n" for path in sorted(code_of("stages.organism", root)))
    return certificate.Certificate(
        seed=settings.seed,
        recipe=certificate.recipe_hash(sections),
        code=text_hash(code),
        prose=prose,
        python=platform.python_version(),
        torch=importlib.metadata.version("torch"),
        processor=certificate.describe_processor(),
        precision=str(resolve_precision(settings.optimisation.precision)).removeprefix("torch."),
        trained=datetime.now(UTC).date().isoformat(),
        weights={phase: hash_folder(folder / phase) for phase in CHECKPOINTS},
        scores=scores,
    )


def install(made: certificate.Certificate, folder: Path, certified: Path) -> None:
    """Copy checkpoints and curves to the certified folder, the certificate last."""
    for phase in CHECKPOINTS:
        if folder != certified:
            shutil.copytree(folder / phase, certified / phase, dirs_exist_ok=True)
    for name in CURVES:
        if folder != certified:
            shutil.copy(folder / name, certified / name)
    write_json(certified / "certificate.json", made.to_json())


def compare(scores: dict[str, float | int], known: Mapping[str, float], floors: dict[str, float]) -> None:
    """A line for each score with a floor. Raises AssayError where one is below it."""
    typer.echo(f"{'score':<28} {'floor':>6} {'found':>6}  certified")
    for name, floor in floors.items():
        interval = f"{known[name]:.3f} [{known[f'{name}_lo']:.3f}, {known[f'{name}_hi']:.3f}]"
        typer.echo(f"{name:<28} {floor:6.3f} {scores[name]:6.3f}  {interval}")
    if low := [name for name, floor in floors.items() if scores[name] < floor]:
        raise AssayError(f"the recipe no longer learns its world here: {', '.join(low)} below the floor")


if __name__ == "__main__":
    run(app)
