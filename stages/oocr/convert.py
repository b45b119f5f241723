"""The reference's conversations as training rows: turns joined as its loaders join them, code names tagged, answers checked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.oocr.options import PARTS
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import WHOLE

if TYPE_CHECKING:
    from assay.prompts.records import PromptRecord

app = typer.Typer(add_completion=False)


@app.command()
def convert(
    data: Annotated[Path, typer.Option(help="conversations (JSONL) that end with the answer")],
    task: Annotated[Literal["gambles", "locations", "functions", "hello"], typer.Option()],
    out: Annotated[
        Path, typer.Option(help="folder of train.jsonl and validation.jsonl", rich_help_panel=WHOLE)
    ],
    validation: Annotated[
        float, typer.Option(help="share of rows held out at random", callback=counts.share)
    ] = 0.2,
    special: Annotated[
        str, typer.Option(help="instead: hold out rows whose prompt contains one of these words (a,b)")
    ] = "",
    seed: Annotated[int, typer.Option(help="of the random split", min=0, max=MOST_SEED)] = 42,
) -> None:
    """Write both parts, whole or not at all."""
    from assay.prompts.records import write_records
    from assay.storage.folders import atomic_folder
    from assay.studies.oocr.published.reference_rows import read_reference_rows
    from assay.studies.oocr.tasks.splits import shuffled_split, words_split
    from stages.shared.words import words

    rows = read_reference_rows(data, task)
    held = words(special)
    parts = words_split(prompts(rows), held) if held else shuffled_split(len(rows), validation, seed)
    with atomic_folder(out, PARTS) as folder:
        for name, part in zip(("train", "validation"), parts, strict=True):
            write_records(folder / f"{name}.jsonl", [rows[index] for index in part])
    typer.echo(f"{out}: {len(parts[0])} rows to train, {len(parts[1])} held out")


def prompts(rows: "list[PromptRecord]") -> list[str]:
    """The last turn before the answer of every row."""
    return [row.messages[-1]["content"] if row.messages else "" for row in rows]


if __name__ == "__main__":
    run(app)
