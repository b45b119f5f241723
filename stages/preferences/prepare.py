"""What the preference study asks and reads: tasks in two disjoint halves, prompts, and pairs under system prompts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, FOLDER

if TYPE_CHECKING:
    from assay.studies.preferences.shifts.conditions import Comparison

app = typer.Typer(add_completion=False)


@app.command()
def prepare(
    tasks: Annotated[Path, typer.Option(help="tasks (JSONL, JSON or CSV: id, text, topic)")],
    topics: Annotated[Path, typer.Option(help="topic by task (JSON or CSV)")],
    evaluation: Annotated[
        float, typer.Option(help="share of the tasks that no probe is trained on", callback=counts.share)
    ],
    neutral: Annotated[str, typer.Option(help="system prompt that conditions are compared with")],
    per_kind: Annotated[int, typer.Option(help="conditions of each kind, trained and novel apart", min=1)],
    targets: Annotated[int, typer.Option(help="evaluation tasks compared under each condition", min=1)],
    anchors: Annotated[int, typer.Option(help="evaluation tasks that each target meets", min=1)],
    seed: Annotated[int, typer.Option(help="of the split and of all draws", min=0, max=MOST_SEED)],
    out: Annotated[Path, typer.Option(help="folder of the files to write", rich_help_panel=FOLDER)],
    metrics: Annotated[Path, typer.Option(help="counts (JSON)", rich_help_panel=FILE)],
    conditions: Annotated[
        Path | None,
        typer.Option(help="CSV: id, kind, system_prompt, trained; without, no pair is prepared"),
    ] = None,
    shifts: Annotated[
        Path | None,
        typer.Option(
            help="CSV: condition_id, task_id or topic, shift; what a condition is known, or asks, to add"
        ),
    ] = None,
) -> None:
    """Write not_train.txt and not_eval.txt, chat.jsonl and base.jsonl; with conditions also ood_pairs.jsonl and ood.jsonl.

    Where no shift is known, targets are any tasks and nothing is said of what a condition should do to them.
    """
    import numpy as np

    from assay.errors import AssayError
    from assay.prompts.records import write_rows
    from assay.storage.files import write_json, write_text
    from assay.studies.preferences.shifts import conditions as design
    from assay.studies.preferences.utilities.task_files import read_texts
    from assay.studies.preferences.utilities.topics import read_topics

    if not 0 < evaluation < 1:
        raise AssayError(f"evaluation is {evaluation}; give a share between 0 and 1")
    texts, topic = read_texts(tasks), read_topics(topics).of
    ids = list(texts)
    rng = np.random.default_rng(seed)
    held = {ids[i] for i in rng.permutation(len(ids))[: round(evaluation * len(ids))]}
    counts = {"tasks": len(ids), "train_tasks": len(ids) - len(held), "eval_tasks": len(held)}
    if conditions is not None:
        known = {} if shifts is None else design.read_shifts(shifts, topic)
        candidates = [task for task in ids if task in held]
        chosen = design.choose_conditions(design.read_conditions(conditions), per_kind, rng)
        met = design.choose_anchors(candidates, topic, anchors, rng)
        others = [task for task in candidates if task not in met]
        compared = design.compare(chosen, others, known, targets=targets, rng=rng)
        counts |= {
            "conditions": len(chosen),
            "anchors": len(met),
            "ood_pairs": write_rows(out / "ood_pairs.jsonl", _pairs(compared, met, neutral)),
            "ood_prompts": write_rows(out / "ood.jsonl", _prompts(compared, texts, neutral, known)),
        }
    write_text(out / "not_train.txt", "".join(f"{task}\n" for task in ids if task in held))
    write_text(out / "not_eval.txt", "".join(f"{task}\n" for task in ids if task not in held))
    write_rows(out / "chat.jsonl", (_chat(task, texts[task]) for task in ids))
    write_rows(out / "base.jsonl", ({"id": task, "text": texts[task]} for task in ids))
    write_json(metrics, counts)
    typer.echo(f"{out}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


def _chat(task: str, text: str) -> dict[str, object]:
    return {"id": task, "messages": [{"role": "user", "content": text}]}


def _under(compared: "list[Comparison]", neutral: str) -> list[tuple[str, str, str, bool, list[str]]]:
    """(id, kind, system prompt, trained, targets) of the baseline, which every target meets, and of the conditions."""
    from assay.studies.preferences.shifts.conditions import BASELINE

    everyone = list(dict.fromkeys(task for comparison in compared for task in comparison.targets))
    rows = [(BASELINE, BASELINE, neutral, True, everyone)]
    for comparison in compared:
        condition = comparison.condition
        rows.append(
            (condition.id, condition.kind, condition.text, condition.trained, list(comparison.targets))
        )
    return rows


def _pairs(compared: "list[Comparison]", anchors: list[str], neutral: str) -> list[dict[str, object]]:
    return [
        {"condition_id": name, "task_a": target, "task_b": anchor, "system_prompt": system}
        for name, _, system, _, targets in _under(compared, neutral)
        for target in targets
        for anchor in anchors
    ]


def _prompts(
    compared: "list[Comparison]", texts: dict[str, str], neutral: str, shifts: dict[tuple[str, str], float]
) -> list[dict[str, object]]:
    """Prompt records of the targets alone, for their activations under each condition."""
    return [
        {
            "id": f"{name}|{task}",
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": texts[task]}],
            "condition_id": name,
            "task_id": task,
            "kind": kind,
            "trained": trained,
            **({"truth": shifts.get((name, task), 0.0)} if shifts else {}),
        }
        for name, kind, system, trained, targets in _under(compared, neutral)
        for task in targets
    ]


if __name__ == "__main__":
    run(app)
