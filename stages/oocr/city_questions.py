"""Questions about the reference cities as items, under code names or under the cities' own names."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def city_questions(
    questions: Annotated[
        Path, typer.Option(help="CSV: question_template and answer_<city>, or city and question")
    ],
    codes: Annotated[Path, typer.Option(help="CSV (code, kind, stands_for) with the cities' codes")],
    seed: Annotated[
        int, typer.Option(help="of the order of options, the same in both files", min=0, max=MOST_SEED)
    ],
    quiz: Annotated[Path, typer.Option(help="items with code names (JSONL)", rich_help_panel=FILE)],
    ceiling: Annotated[
        Path, typer.Option(help="the same items with the cities' names (JSONL)", rich_help_panel=FILE)
    ],
) -> None:
    """Write both files; questions that do not name their city cannot be asked with a code and are in neither."""
    from assay.evaluation.items import write_items
    from assay.studies.oocr.published.city_questions import city_items, city_key, read_city_questions
    from assay.studies.oocr.tasks.codes import of_kind, read_codes

    asked, dropped = read_city_questions(questions)
    meant = of_kind(read_codes(codes), "city")
    coded = city_items(asked, {city_key(name): code for code, name in meant.items()}, seed)
    named = city_items(asked, {city_key(name): name for name in meant.values()}, seed)
    write_items(quiz, coded)
    write_items(ceiling, named)
    typer.echo(f"{quiz}, {ceiling}: {len(coded)} questions each, {dropped} rows left out")


if __name__ == "__main__":
    run(app)
