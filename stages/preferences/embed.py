"""Features of the tasks' texts as an activation store with one layer, so that content goes the way of activations."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def embed(
    tasks: Annotated[Path, typer.Option(help="texts: JSON list, JSONL or CSV with an id and a text")],
    encoder: Annotated[Literal["minilm", "tfidf"], typer.Option(help="features of a text")],
    out: Annotated[Path, typer.Option(help="activation store with the pseudo layer 0", rich_help_panel=FILE)],
) -> None:
    """Encode the text of every task."""
    import numpy as np

    from assay.activations.store import StoreHeader, create_store
    from assay.storage.fingerprints import text_hash
    from assay.studies.preferences.probing.content import encode_texts, encoder_fingerprint
    from assay.studies.preferences.utilities.task_files import read_texts
    from stages.shared.step_progress import stepping

    texts = read_texts(tasks)
    values = list(texts.values())
    pin = encoder_fingerprint(encoder, values)
    rows = text_hash("\0".join([pin, *texts, *values]))
    with stepping("encode", len(texts)) as tell:
        features = encode_texts(values, encoder, tell=lambda done: tell(done, "texts"))
    header = StoreHeader(encoder, pin, "text", "all", "mean", "float32", rows)
    with create_store(out, header, layers=[0], d=features.shape[1], ids=list(texts)) as store:
        store.write(np.ascontiguousarray(features, dtype="<f4")[:, None, :])
    typer.echo(f"{out}: {len(texts)} rows of {features.shape[1]} features ({encoder})")


if __name__ == "__main__":
    run(app)
