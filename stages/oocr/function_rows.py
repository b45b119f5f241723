"""Code rows that train the code names of functions, made by the rules of the reference's generator."""

from pathlib import Path
from typing import Annotated

import typer

from stages.oocr.options import PARTS
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import WHOLE

app = typer.Typer(add_completion=False)


@app.command()
def function_rows(
    codes: Annotated[
        Path, typer.Option(help="CSV (code, kind, stands_for): codes of functions such as add_5")
    ],
    rows: Annotated[
        int, typer.Option(help="training rows (the reference has 96,000)", min=1, callback=counts.rows)
    ],
    validation: Annotated[int, typer.Option(help="rows to validate on", min=1, callback=counts.rows)],
    seed: Annotated[int, typer.Option(help="of every draw", min=0, max=MOST_SEED)],
    out: Annotated[
        Path, typer.Option(help="folder of train.jsonl and validation.jsonl", rich_help_panel=WHOLE)
    ],
) -> None:
    """Write both parts, whole or not at all."""
    import numpy as np

    from assay.errors import AssayError
    from assay.prompts.records import write_records
    from assay.storage.folders import atomic_folder
    from assay.studies.oocr.published.function_code import function_rows as make
    from assay.studies.oocr.tasks.codes import of_kind, read_codes

    if rows < 1 or validation < 1:
        raise AssayError(f"--rows {rows} --validation {validation}: both must be 1 or more")
    names = {key: code for code, key in of_kind(read_codes(codes), "function").items()}
    with atomic_folder(out, PARTS) as folder:
        for name, count, part in (("train", rows, 0), ("validation", validation, 1)):
            write_records(folder / f"{name}.jsonl", make(names, count, np.random.default_rng([seed, part])))
    typer.echo(f"{out}: {rows} rows to train, {validation} held out")


if __name__ == "__main__":
    run(app)
