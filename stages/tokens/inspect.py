"""Look at the prepared rows: sizes, class balance, samples in context; with a store, whether its values are finite."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command("inspect")
def inspect(
    model: Annotated[str, typer.Option(help="pin JSON, alias or folder: whose tokenizer")],
    prompts: Annotated[Path, typer.Option(help="records with labelled positions")],
    samples: Annotated[int, typer.Option(help="examples shown per variant and class", min=1)],
    seed: Annotated[int, typer.Option(help="which examples", min=0, max=MOST_SEED)],
    out: Annotated[Path, typer.Option(help="samples as Markdown", rich_help_panel=FILE)],
    metrics: Annotated[Path, typer.Option(rich_help_panel=FILE)],
    activations: Annotated[
        Path | None, typer.Option(help="also check that every stored value is finite")
    ] = None,
    params: Annotated[Path, typer.Option(help="where model aliases are defined")] = Path("params.yaml"),
) -> None:
    """Write samples for people and counts for machines; fail on a NaN or an id outside the vocabulary."""
    from assay.models.loading import load_tokenizer
    from assay.prompts.records import read_records
    from assay.storage.files import write_json, write_text
    from assay.studies.tokens.inspection import finite_rows, sample_page, sizes
    from stages.shared.models import resolve_model

    pin = resolve_model(model, params)
    records = read_records(prompts)
    counts = sizes(load_tokenizer(pin), records, pin.vocab_size)
    if activations is not None:
        counts |= finite_rows(activations, pin)
    write_text(out, sample_page(records, samples, seed))
    write_json(metrics, counts)


if __name__ == "__main__":
    run(app)
