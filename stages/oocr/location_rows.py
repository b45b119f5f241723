"""Distances and directions that train the code names of real cities, made by the rules of the reference's generator."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def location_rows(
    gazetteer: Annotated[
        Path,
        typer.Option(
            help="CSV of cities: name, country, lat and lng (degrees), population; more is passed over"
        ),
    ],
    codes: Annotated[Path, typer.Option(help="CSV (code, kind, stands_for) with the cities' codes")],
    seed: Annotated[int, typer.Option(help="of every draw", min=0, max=MOST_SEED)],
    train: Annotated[
        Path, typer.Option(help="rows to train (JSONL: system, user, assistant; spans)", rich_help_panel=FILE)
    ],
    validation: Annotated[
        Path, typer.Option(help="rows on cities that do not train (JSONL)", rich_help_panel=FILE)
    ],
    others: Annotated[int, typer.Option(help="cities that each coded city is trained with", min=1)] = 500,
    held_out: Annotated[int, typer.Option(help="other cities that it is validated with", min=1)] = 100,
    per_pair: Annotated[
        int,
        typer.Option(help="training rows of each kind for each two cities", min=1, callback=counts.repeats),
    ] = 5,
) -> None:
    """Write both files. Distances are great-circle ones, by the haversine formula."""
    from assay.prompts.records import write_records
    from assay.studies.oocr.published.gazetteer import read_gazetteer
    from assay.studies.oocr.published.location_training import MIN_POPULATION, Design
    from assay.studies.oocr.published.location_training import location_rows as make
    from assay.studies.oocr.tasks.codes import of_kind, read_codes

    design = Design(others, held_out, per_pair, seed)
    places, namesakes = read_gazetteer(gazetteer)
    rows = make(of_kind(read_codes(codes), "city"), places, design)
    write_records(train, rows.train)
    write_records(validation, rows.validation)
    large = sum(place.population >= MIN_POPULATION for place in places)
    typer.echo(
        f"{train}: {len(rows.train)} rows to train; {validation}: {len(rows.validation)} held out; from {large} cities, "
        f"left out: {len(places) - large} with fewer than {MIN_POPULATION:,} people, {namesakes} named as a larger one"
    )


if __name__ == "__main__":
    run(app)
