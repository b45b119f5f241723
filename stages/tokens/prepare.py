"""Cut a text source into windows, split by document, and choose balanced positions to probe."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE
from stages.shared.text_source import Documents, Language, Paths, Section, Source, read_source

app = typer.Typer(add_completion=False)


@app.command()
def prepare(
    model: Annotated[str, typer.Option(help="pin JSON, alias or folder: whose tokenizer")],
    source: Source,
    target: Annotated[str, typer.Option(help="exactly one token, such as ' the'")],
    text_seed: Annotated[
        int,
        typer.Option(help="seed of the split by document, shared with the organism", min=0, max=MOST_SEED),
    ],
    test_fraction: Annotated[
        float, typer.Option(help="share of documents that are test", callback=counts.share)
    ],
    context: Annotated[int, typer.Option(help="tokens of a window, BOS included", min=2)],
    left: Annotated[int, typer.Option(help="tokens of text that must precede a probed position", min=0)],
    train: Annotated[int, typer.Option(help="positions per class and variant, training split", min=1)],
    validation: Annotated[
        int, typer.Option(help="the same for the split that chooses the best layer", min=1)
    ],
    test: Annotated[int, typer.Option(help="the same for the reported split", min=1)],
    holdout: Annotated[
        float, typer.Option(help="share of training documents that are validation", callback=counts.share)
    ],
    seed: Annotated[int, typer.Option(help="which positions are sampled", min=0, max=MOST_SEED)],
    out: Annotated[Path, typer.Option(help="prompt records, JSON Lines", rich_help_panel=FILE)],
    metrics: Annotated[Path, typer.Option(help="what was kept and dropped", rich_help_panel=FILE)],
    path: Paths = None,
    section: Section = 0,
    language: Language = "en",
    documents: Documents = 0,
    characters: Annotated[
        int, typer.Option(help="use the first N characters of a document; 0 means all", min=0)
    ] = 0,
    params: Annotated[Path, typer.Option(help="where model aliases are defined")] = Path("params.yaml"),
) -> None:
    """Write the records whose activations the study reads, and count everything that was left out."""
    from assay.models.loading import load_tokenizer
    from assay.prompts.records import write_records
    from assay.storage.files import write_json
    from assay.studies.tokens.splits import Sampling, sample_splits, split_three_ways
    from assay.studies.tokens.target import target_id
    from stages.shared.models import resolve_model

    tokenizer = load_tokenizer(resolve_model(model, params))
    target_token = target_id(tokenizer, target)
    texts = read_source(source, path, section, language, documents)
    splits = split_three_ways(texts, seed=text_seed, test_fraction=test_fraction, validation_fraction=holdout)
    sampling = Sampling(
        target=target_token,
        context=context,
        min_left=left,
        max_per_class={"train": train, "validation": validation, "test": test},
        max_characters=characters,
        seed=seed,
    )
    records, counts = sample_splits(tokenizer, splits, sampling)
    write_records(out, records)
    write_json(metrics, counts)


if __name__ == "__main__":
    run(app)
