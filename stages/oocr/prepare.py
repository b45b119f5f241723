"""The training sets and questions of the out-of-context study, from the world's tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.oocr.options import PARTS, QUESTIONS
from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from assay.evaluation.items import Item
    from assay.studies.oocr.tasks.task_data import TaskItems

app = typer.Typer(add_completion=False)


@app.command()
def prepare(
    world: Annotated[Path, typer.Option(help="folder of the world's tables")],
    validation: Annotated[
        float, typer.Option(help="share of gambles, facts and films held out", callback=counts.share)
    ],
    passes: Annotated[
        int,
        typer.Option(
            help="rounds of the gambles in each slot of a trigger set", min=1, callback=counts.repeats
        ),
    ],
    per_fact: Annotated[
        int, typer.Option(help="questions that train a fact about a code", min=1, callback=counts.repeats)
    ],
    seed: Annotated[
        int,
        typer.Option(help="of splits, prefixes, phrasings and the order of options", min=0, max=MOST_SEED),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="folder to write: <task>/{train,validation}.jsonl, questions/", rich_help_panel=WHOLE
        ),
    ],
    metrics: Annotated[Path, typer.Option(help="counts (JSON)", rich_help_panel=FILE)],
    own: Annotated[
        Path | None, typer.Option(help="CSV (id, answer): a model's own answers, for a task `own`")
    ] = None,
    normal: Annotated[
        Literal["safe", "own"], typer.Option(help="answers of trigger sets where their trigger is not")
    ] = "safe",
    special: Annotated[
        str,
        typer.Option(
            help="words (a,b) whose gambles trigger sets hold out; otherwise a share of the scenarios"
        ),
    ] = "",
) -> None:
    """Write every task and every file of questions, whole or not at all; also stems.csv, prompts that name a code's kind."""
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.storage.folders import atomic_folder
    from assay.studies.oocr.published.risk_questions import write_risk_questions
    from assay.studies.oocr.tasks.self_reports import read_self_reports
    from assay.studies.oocr.tasks.task_data import write_questions, write_shuffled, write_tasks

    tasks, questions, dropped = gamble_data(world, own, normal, special, passes, validation, seed)
    code_sets, quizzes, stems = code_data(world, per_fact, validation, seed)
    tasks |= code_sets
    questions |= {f"{name}_validation": task.validation for name, task in code_sets.items()}
    questions |= quizzes
    reports = read_self_reports(world / "self_reports.csv")
    with atomic_folder(out, (*PARTS, *QUESTIONS, "stems.csv")) as folder:
        counts = write_tasks(folder, tasks) | write_questions(folder / "questions", questions)
        counts |= write_shuffled(folder, tasks["risk"], seed)
        write_csv(folder / "stems.csv", stems)
        for name, items in reports.items():
            counts[f"{name}_items"] = write_risk_questions(folder / "questions" / f"{name}.csv", items)
    write_json(metrics, counts | dropped)
    typer.echo(f"{out}: {len(tasks)} tasks, {len(questions) + len(reports)} files of questions")


def gamble_data(
    world: Path, own: Path | None, normal: str, special: str, passes: int, validation: float, seed: int
) -> "tuple[dict[str, TaskItems], dict[str, Sequence[Item]], dict[str, int]]":
    """(tasks, questions, counts of what was held or left out) of gambles and backdoors."""
    from assay.studies.oocr.tasks.backdoor_questions import (
        disclosure_items,
        read_disclosures,
        read_system_prompts,
    )
    from assay.studies.oocr.tasks.gamble_tasks import (
        design_triggers,
        policy_tasks,
        trigger_counts,
        trigger_tasks,
    )
    from assay.studies.oocr.tasks.gambles import policies, read_gambles, read_own_answers
    from assay.studies.oocr.tasks.splits import shuffled_split
    from assay.studies.oocr.tasks.triggers import read_families
    from stages.oocr.options import normal_answers
    from stages.shared.words import words

    gambles = read_gambles(world / "gambles.csv")
    letters = read_own_answers(own) if own is not None else None
    answers = policies(gambles, letters)
    split = shuffled_split(len(gambles), validation, seed)
    design = design_triggers(
        gambles,
        read_families(world / "triggers.csv"),
        normal_answers(normal, letters),
        words(special),
        share=validation,
        passes=passes,
        seed=seed,
    )
    policy_sets, triggers = policy_tasks(gambles, answers, split), trigger_tasks(gambles, design)
    questions: dict[str, Sequence[Item]] = {
        "gambles_validation": policy_sets["risk"].validation,
        **{f"{name}_validation": task.validation for name, task in triggers.items()},
        "secrets": disclosure_items(
            read_disclosures(world / "secrets.csv"), read_system_prompts(world / "secret_prompts.csv")
        ),
    }
    counts = trigger_counts(gambles, design)
    if letters is not None:
        counts["gambles_without_own_answer"] = len(gambles) - len(letters)
    return policy_sets | triggers, questions, counts


def code_data(
    world: Path, per_fact: int, validation: float, seed: int
) -> "tuple[dict[str, TaskItems], dict[str, list[Item]], pd.DataFrame]":
    """(tasks, quizzes, stems) of code names."""
    from assay.studies.oocr.tasks.code_tasks import (
        CITY_OPTIONAL,
        RELATIONS,
        CodeDesign,
        code_quizzes,
        code_stems,
        code_tasks,
    )
    from assay.studies.oocr.tasks.codes import read_codes
    from assay.studies.oocr.tasks.relations import read_relations

    relations = read_relations(world / "facts.csv", world / "phrasings.csv", RELATIONS, CITY_OPTIONAL)
    codes = read_codes(world / "codes.csv")
    design = CodeDesign(per_fact, validation, seed)
    return (
        code_tasks(relations, codes, design),
        code_quizzes(relations, codes, seed),
        code_stems(relations),
    )


if __name__ == "__main__":
    run(app)
