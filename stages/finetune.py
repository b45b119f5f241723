"""Fine-tune a model at one depth: steering vectors or LoRA, several seeds and learning rates at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE, WHOLE

if TYPE_CHECKING:
    import pandas as pd

    from assay.finetuning.loop import Point, Settings
    from assay.finetuning.lora import LoraShape
    from assay.finetuning.session import Task, VectorShape
    from assay.finetuning.trainee import Run
    from assay.models.loading import LoadedModel
    from assay.models.sites import Site
    from assay.prompts.records import PromptRecord

app = typer.Typer(add_completion=False)
DEFAULT_LR = {"vector": 2e-3, "lora": 2e-5}


@app.command()
def finetune(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    data: Annotated[
        Path, typer.Option(help="prompt records with `response`, or conversations that end with it")
    ],
    method: Annotated[Literal["vector", "lora"], typer.Option()],
    layer: Annotated[
        str, typer.Option(help="a block: an int or a fraction; LoRA also takes a list or `all`")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="folder of the adapter; with several runs or checkpoints, of folders", rich_help_panel=WHOLE
        ),
    ],
    seed: Annotated[
        list[int] | None, typer.Option(help="of the initial values; repeat for more runs")
    ] = None,
    lr: Annotated[
        list[float] | None, typer.Option(help=f"repeat for more runs (default {DEFAULT_LR})")
    ] = None,
    epochs: int = 3,
    max_steps: Annotated[int, typer.Option(help="most optimiser steps; 0: as many as the epochs have")] = 0,
    batch: Annotated[int, typer.Option(help="rows in an optimiser step")] = 4,
    warmup: int = 0,
    decay: Annotated[bool, typer.Option(help="lower the learning rate linearly to 0")] = False,
    order_seed: Annotated[int, typer.Option(help="of the order of rows, which all runs share")] = 0,
    site: Annotated[Literal["mlp_out", "resid"], typer.Option(help="of vectors")] = "mlp_out",
    scope: Annotated[str, typer.Option(help="tokens that one vector is added at")] = "prompt_last",
    spans: Annotated[
        str,
        typer.Option(
            help="instead of --scope: a vector for each of these spans (a,b; all: those of the data, if any)"
        ),
    ] = "",
    rank: int = 64,
    alpha: Annotated[int, typer.Option(help="LoRA is multiplied by alpha / rank")] = 32,
    modules: Annotated[str, typer.Option(help="of LoRA: gate, up, down, q, k, v, o")] = "gate,up,down",
    only_learn: Annotated[str, typer.Option(help="only rows of this group or with this span")] = "",
    validation: Annotated[Path | None, typer.Option(help="rows to validate on")] = None,
    validate_every: Annotated[int, typer.Option(help="steps; 0: after each epoch")] = 0,
    checkpoints: Annotated[str, typer.Option(help="also save after these steps (50,100)")] = "",
    token_budget: Annotated[int, typer.Option(help="most padded tokens of a forward pass")] = 4096,
    cache_mib: Annotated[int, typer.Option(help="memory for what training never changes")] = 2048,
    table: Annotated[
        Path | None, typer.Option(help="CSV of the loss and accuracy curves", rich_help_panel=FILE)
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="JSON of the last accuracies", rich_help_panel=FILE)
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="replace the adapter that the folder --out holds")] = False,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Write an adapter for each run, and the curves. Only the responses are learned, behind the chat template."""
    from assay.finetuning.loop import Settings
    from assay.finetuning.trainee import Run
    from assay.models.loading import load_model
    from assay.storage.files import write_json, write_text
    from stages.shared.models import resolve_model

    if not overwrite:
        refuse_filled(out)
    pin = resolve_model(model, params)
    settings = Settings(
        epochs, batch, warmup, decay, order_seed, validate_every, token_budget, cache_mib * 2**20, max_steps
    )
    runs = [Run(s, r) for s in dict.fromkeys(seed or [0]) for r in dict.fromkeys(lr or [DEFAULT_LR[method]])]
    tables = read_tables([path for path in (data, validation) if path is not None], only_learn)
    if method == "vector":
        names = span_names(tables[0]) if spans == "all" else _words(spans)
        shape: VectorShape | LoraShape = vector_shape(layer, pin.n_layers, site, scope, names)
    else:
        shape = lora_shape(layer, pin.n_layers, rank, alpha, modules)
    loaded = load_model(pin)
    task = make_task(loaded, tables, shape, settings, _steps(checkpoints))
    points = train(loaded, shape, runs, task, out)
    if table is not None:
        write_text(table, curve_table(points, runs).to_csv(index=False, lineterminator="\n"))
    counts = {"rows": len(task.examples), "rows_untouched": len(tables[0]) - len(task.examples)}
    if metrics is not None:
        write_json(metrics, {**counts, **accuracies(points, runs, len(task.validation))})
    typer.echo(f"{out}: {len(runs)} adapters after {task.n_steps} steps on {counts}")


def refuse_filled(out: Path) -> None:
    """Raise AssayError where `out` is there already and is no empty folder: a training is not replaced by accident."""
    from assay.errors import AssayError

    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        what = "an adapter" if any(out.rglob("adapter.json")) else "files"
        raise AssayError(
            f"--out {out} holds {what} already; delete it, choose another folder, or give --overwrite"
        )


def read_tables(paths: "Sequence[Path]", only_learn: str) -> "list[list[PromptRecord]]":
    """The records of each file; where `only_learn` is not empty, those of this group or with this span."""
    from assay.finetuning.data import only, read_training_records

    tables = [read_training_records(path) for path in paths]
    return [only(records, only_learn) for records in tables] if only_learn else tables


def make_task(
    loaded: "LoadedModel",
    tables: "Sequence[Sequence[PromptRecord]]",
    shape: "VectorShape | LoraShape",
    settings: "Settings",
    checkpoints: "Sequence[int]",
) -> "Task":
    """Examples of the training records that an adapter of `shape` touches, and of the validation records if there are any."""
    from assay.finetuning.session import Task, VectorShape
    from assay.forward.encoded import make_examples, touched_examples

    scopes = shape.scopes if isinstance(shape, VectorShape) else {}
    length = loaded.pin.context_length
    encoded = [make_examples(loaded.tokenizer, records, scopes, context_length=length) for records in tables]
    validation = encoded[1] if len(encoded) > 1 else []
    return Task(touched_examples(encoded[0], scopes), validation, settings, frozenset(checkpoints))


def train(
    loaded: "LoadedModel", shape: "VectorShape | LoraShape", runs: "Sequence[Run]", task: "Task", out: Path
) -> "list[Point]":
    """Train every run behind a progress bar and write the adapters, all or none; returns the curves."""
    from assay.finetuning.adapters import FILES
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


def span_names(records: "Sequence[PromptRecord]") -> list[str]:
    """Every span's name, once, in the order of the records."""
    return list(dict.fromkeys(name for record in records for name in record.spans))


def vector_shape(
    layer: str, n_layers: int, site: "Site", scope: str, spans: "Sequence[str]"
) -> "VectorShape":
    """One vector at `scope`, or one for each of `spans` at its own tokens."""
    from assay.finetuning.session import VectorShape
    from assay.models.layers import resolve_layer
    from assay.prompts.scopes import parse_scope

    scopes = {name: f"span:{name}" for name in spans} or {"vector": scope}
    for one in scopes.values():
        parse_scope(one)
    return VectorShape(site, resolve_layer(layer, n_layers), scopes)


def lora_shape(layers: str, n_layers: int, rank: int, alpha: int, modules: str) -> "LoraShape":
    """An adapter of the given modules in all of the layers."""
    from assay.finetuning.lora import LoraShape
    from assay.models.layers import resolve_layers

    return LoraShape(rank, alpha, tuple(resolve_layers(layers, n_layers)), tuple(_words(modules)))


def run_name(run: "Run") -> str:
    """The folder of a run among several."""
    return f"seed_{run.seed}_lr_{run.lr:g}"


def curve_table(points: "Sequence[Point]", runs: "Sequence[Run]") -> "pd.DataFrame":
    """One row for each run, split and step; `lr` is the run's, before warm-up and decay."""
    import pandas as pd

    return pd.DataFrame(
        {
            "run": [run_name(runs[point.run]) for point in points],
            "seed": [runs[point.run].seed for point in points],
            "lr": [runs[point.run].lr for point in points],
            "split": [point.split for point in points],
            "epoch": [point.epoch for point in points],
            "step": [point.step for point in points],
            "loss": [round(point.loss, 6) for point in points],
            "accuracy": [round(point.accuracy, 6) for point in points],
        }
    )


def accuracies(points: "Sequence[Point]", runs: "Sequence[Run]", n_validation: int) -> dict[str, float | int]:
    """Each run's last accuracy on validation rows with its interval, and the one before training."""
    from assay.statistics.estimates import wilson

    found: dict[str, float | int] = {}
    for number, one in enumerate(runs):
        prefix = f"{run_name(one)}_" if len(runs) > 1 else ""
        judged = [point for point in points if point.run == number and point.split == "validation"]
        if judged:
            before, after = (
                wilson(round(p.accuracy * n_validation), n_validation) for p in (judged[0], judged[-1])
            )
            found |= before.metrics(f"{prefix}validation_accuracy_before")
            found |= after.metrics(f"{prefix}validation_accuracy")
    return found


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _steps(text: str) -> list[int]:
    from assay.errors import AssayError

    if not all(word.isdecimal() for word in _words(text)):
        raise AssayError(f"--checkpoints takes steps such as 50,100, found {text!r}")
    return [int(word) for word in _words(text)]


if __name__ == "__main__":
    run(app)
