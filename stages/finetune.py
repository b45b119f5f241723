"""Fine-tune a model at one depth: steering vectors or LoRA, several seeds and learning rates at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stages.finetune_options import Adapter, Lesson, Outputs, Training
from stages.shared.cli import run
from stages.shared.option_groups import grouped_options

if TYPE_CHECKING:
    from assay.finetuning.loop import Point, TrainingSettings
    from assay.finetuning.lora import LoraShape
    from assay.finetuning.session import TrainingTask, VectorShape
    from assay.finetuning.trainee import Run
    from assay.models.loading import LoadedModel
    from assay.prompts.records import PromptRecord

app = typer.Typer(add_completion=False)


@app.command()
@grouped_options
def finetune(lesson: Lesson, adapter: Adapter, training: Training, outputs: Outputs) -> None:
    """Write an adapter for each run, and the curves. Only the responses are learned, behind the chat template."""
    from assay.finetuning.curves import curve_table, last_accuracies
    from assay.models.loading import load_model
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from stages.shared.models import resolve_model

    outputs.refuse_filled()
    pin = resolve_model(lesson.model, lesson.params)
    settings, runs = training.settings(), training.runs(adapter.method)
    tables = lesson.records()
    shape = adapter.shape(pin.n_layers, tables[0])
    loaded = load_model(pin)
    task = make_task(loaded, tables, shape, settings, outputs.steps())
    points = train(loaded, shape, runs, task, outputs.out)
    if outputs.table is not None:
        write_csv(outputs.table, curve_table(points, runs))
    counts = {"rows": len(task.examples), "rows_untouched": len(tables[0]) - len(task.examples)}
    if outputs.metrics is not None:
        write_json(outputs.metrics, {**counts, **last_accuracies(points, runs, len(task.validation))})
    typer.echo(f"{outputs.out}: {len(runs)} adapters after {task.n_steps} steps on {counts}")


def make_task(
    loaded: "LoadedModel",
    tables: "Sequence[Sequence[PromptRecord]]",
    shape: "VectorShape | LoraShape",
    settings: "TrainingSettings",
    checkpoints: "Sequence[int]",
) -> "TrainingTask":
    """Examples of the training records that an adapter of `shape` touches, and of the validation records if there are any."""
    from assay.finetuning.session import TrainingTask, VectorShape
    from assay.forward.encoded import make_examples, touched_examples

    scopes = shape.scopes if isinstance(shape, VectorShape) else {}
    length = loaded.pin.context_length
    encoded = [make_examples(loaded.tokenizer, records, scopes, context_length=length) for records in tables]
    validation = encoded[1] if len(encoded) > 1 else []
    return TrainingTask(touched_examples(encoded[0], scopes), validation, settings, frozenset(checkpoints))


def train(
    loaded: "LoadedModel",
    shape: "VectorShape | LoraShape",
    runs: "Sequence[Run]",
    task: "TrainingTask",
    out: Path,
) -> "list[Point]":
    """Train every run behind a progress bar and write the adapters, all or none; returns the curves."""
    from assay.finetuning.adapters import FILES
    from assay.finetuning.curves import run_name
    from assay.finetuning.session import finetune
    from assay.storage.folders import atomic_folder
    from stages.shared.step_progress import step_progress

    points: list[Point] = []
    done = 0
    with atomic_folder(out, FILES) as folder, step_progress("training") as show:

        def save(number: int, step: int, write: Callable[[Path], None]) -> None:
            early = f"step_{step}" if step < task.n_steps else ""
            write(folder / (run_name(runs[number]) if len(runs) > 1 else "") / early)

        for point in finetune(loaded, shape, runs, task, save):
            points.append(point)
            done += point.split == "train"
            show(done, task.n_steps * len(runs), f"loss {point.loss:.3f}")
    return points


if __name__ == "__main__":
    run(app)
