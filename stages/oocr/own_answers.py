"""A model's own letter for every gamble: what normal answers are when no policy is trained."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def own_answers(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    gambles: Annotated[
        Path,
        typer.Option(help="CSV (id, scenario, prompt, risky), or conversations that answer with a letter"),
    ],
    out: Annotated[Path, typer.Option(help="CSV: id, answer", rich_help_panel=FILE)],
    metrics: Annotated[
        Path,
        typer.Option(help="share of risky answers, and how many were neither letter", rich_help_panel=FILE),
    ],
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Ask greedily for the first token of the answer; an answer that is not A or B is counted and left out."""
    import pandas as pd

    from assay.errors import AssayError
    from assay.generation.generation import generate
    from assay.models.loading import load_model
    from assay.statistics.estimates import wilson
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.studies.oocr.tasks.gambles import LETTERS, gamble_item, read_gambles
    from stages.shared.models import resolve_model
    from stages.shared.step_progress import step_progress

    asked = {gamble.id: gamble for gamble in read_gambles(gambles)}
    loaded = load_model(resolve_model(model, params))
    answers: dict[str, str] = {}
    done = 0
    with step_progress("own answers") as show:

        def progress(more: int) -> None:
            nonlocal done
            done += more
            show(done, len(asked), "gambles")

        for answer in generate(
            loaded.model,
            loaded.tokenizer,
            [gamble_item(gamble).record for gamble in asked.values()],
            max_new_tokens=1,
            token_budget=token_budget,
            progress=progress,
        ):
            if answer.text.strip() in LETTERS:
                answers[answer.id] = answer.text.strip()
    if not answers:
        raise AssayError(f"{model} answers no gamble with A or B; it has no own answers to train on")
    risky = sum(asked[name].risky == letter for name, letter in answers.items())
    share = wilson(risky, len(answers), n_dropped=len(asked) - len(answers))
    table = pd.DataFrame({"id": list(answers), "answer": list(answers.values())})
    write_csv(out, table)
    write_json(metrics, share.metrics("risky"))
    typer.echo(f"{out}: {len(answers)} of {len(asked)} gambles answered, {risky} of them riskily")


if __name__ == "__main__":
    run(app)
