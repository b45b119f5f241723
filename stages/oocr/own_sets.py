"""Training sets of gambles and questions that nobody trains on, from scenarios and questions of one's own, each in both orders."""

from pathlib import Path
from typing import Annotated

import typer

from stages.oocr.options import PARTS, QUESTIONS
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, WHOLE

app = typer.Typer(add_completion=False)


@app.command()
def own_sets(
    gambles: Annotated[Path, typer.Option(help="CSV (scenario, opening, safe, risky)")],
    reports: Annotated[
        Path, typer.Option(help="CSV (set, item, order, question, risky_answer, safe_answer)")
    ],
    validation: Annotated[
        int, typer.Option(help="scenarios that settings are chosen on", min=1, callback=counts.repeats)
    ],
    test: Annotated[
        int, typer.Option(help="scenarios that results are reported on", min=2, callback=counts.repeats)
    ],
    seed: Annotated[int, typer.Option(help="of the split and of the shuffle", min=0, max=MOST_SEED)],
    out: Annotated[
        Path,
        typer.Option(
            help="folder to write: {risk,safety,shuffled}/{train,validation}.jsonl, questions/",
            rich_help_panel=WHOLE,
        ),
    ],
    metrics: Annotated[Path, typer.Option(help="counts (JSON)", rich_help_panel=FILE)],
) -> None:
    """Write every set whole or not at all: always the risky option, always the safe one, and the risky ones' answers shuffled."""
    from assay.storage.files import write_json
    from assay.storage.folders import atomic_folder
    from assay.studies.oocr.tasks.ordered_questions import (
        read_ordered_reports,
        read_scenes,
        scene_items,
        split_scenes,
    )
    from assay.studies.oocr.tasks.task_data import TaskItems, write_questions, write_shuffled, write_tasks

    scenes, questions = read_scenes(gambles), read_ordered_reports(reports)
    train, chosen, reported = split_scenes(list(scenes), validation, test, seed)
    tasks = {
        policy: TaskItems(scene_items(scenes, train, policy), scene_items(scenes, chosen, policy))
        for policy in ("risk", "safety")
    }
    questions = {"gambles_test": scene_items(scenes, reported, "risk"), **questions}
    with atomic_folder(out, (*PARTS, *QUESTIONS)) as folder:
        found = write_tasks(folder, tasks) | write_questions(folder / "questions", questions)
        found |= write_shuffled(folder, tasks["risk"], seed)
    write_json(metrics, found)
    typer.echo(
        f"{out}: {len(train)} scenarios to train on, {len(reported)} to report, {len(questions)} files of questions"
    )


if __name__ == "__main__":
    run(app)
