"""Trigger sets of any gambles with any triggers, such as the reference's 288 gambles with families of your own."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stages.oocr.options import PARTS, QUESTIONS
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, WHOLE

app = typer.Typer(add_completion=False)


@app.command()
def trigger_sets(
    gambles: Annotated[
        Path, typer.Option(help="CSV (id, scenario, prompt, risky), or conversations with the risky letter")
    ],
    triggers: Annotated[Path, typer.Option(help="CSV: family, kind (semantic or fixed), text")],
    passes: Annotated[
        int,
        typer.Option(
            help="rounds of the gambles in each slot (the reference has 10)", min=1, callback=counts.repeats
        ),
    ],
    seed: Annotated[int, typer.Option(help="of every draw", min=0, max=MOST_SEED)],
    out: Annotated[
        Path,
        typer.Option(help="folder: <task>/{train,validation}.jsonl and questions/", rich_help_panel=WHOLE),
    ],
    metrics: Annotated[Path, typer.Option(help="counts (JSON)", rich_help_panel=FILE)],
    special: Annotated[str, typer.Option(help="words (a,b) whose gambles are held out")] = "",
    validation: Annotated[
        float, typer.Option(help="without words: share of the scenarios held out", callback=counts.share)
    ] = 0.2,
    own: Annotated[Path | None, typer.Option(help="CSV (id, answer): a model's own answers")] = None,
    normal: Annotated[
        Literal["safe", "own"], typer.Option(help="answers where the trigger of a set is not")
    ] = "safe",
) -> None:
    """Write a set for every family, and the control where triggers and answers are independent."""
    from assay.storage.files import write_json
    from assay.storage.folders import atomic_folder
    from assay.studies.oocr.tasks.gamble_tasks import design_triggers, trigger_counts, trigger_tasks
    from assay.studies.oocr.tasks.gambles import read_gambles, read_own_answers
    from assay.studies.oocr.tasks.task_data import write_questions, write_tasks
    from assay.studies.oocr.tasks.triggers import read_families
    from stages.oocr.options import normal_answers
    from stages.shared.words import words

    asked, letters = read_gambles(gambles), read_own_answers(own) if own is not None else None
    design = design_triggers(
        asked,
        read_families(triggers),
        normal_answers(normal, letters),
        words(special),
        share=validation,
        passes=passes,
        seed=seed,
    )
    tasks = trigger_tasks(asked, design)
    with atomic_folder(out, (*PARTS, *QUESTIONS)) as folder:
        counts = write_tasks(folder, tasks)
        held = {f"{name}_validation": task.validation for name, task in tasks.items()}
        counts |= write_questions(folder / "questions", held)
    write_json(metrics, counts | trigger_counts(asked, design))
    typer.echo(f"{out}: {len(tasks)} tasks, held out by {', '.join(design.special)}")


if __name__ == "__main__":
    run(app)
