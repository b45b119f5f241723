"""The options of `finetune` in groups: what is learned, how it is written into the model, how it is trained, what is kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, WHOLE
from stages.shared.words import words

if TYPE_CHECKING:
    from assay.finetuning.loop import TrainingSettings
    from assay.finetuning.lora import LoraShape
    from assay.finetuning.session import VectorShape
    from assay.finetuning.trainee import Run
    from assay.prompts.records import PromptRecord

Method = Literal["vector", "lora"]
DEFAULT_LR: dict[Method, float] = {"vector": 2e-3, "lora": 2e-5}


@dataclass(frozen=True)
class Lesson:
    """Who learns what."""

    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")]
    data: Annotated[
        Path, typer.Option(help="prompt records with `response`, or conversations that end with it")
    ]
    only_learn: Annotated[str, typer.Option(help="only rows of this group or with this span")] = ""
    validation: Annotated[Path | None, typer.Option(help="rows to validate on")] = None
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml")

    def records(self) -> "list[list[PromptRecord]]":
        """The records of `data` and, where given, of `validation`; with `only_learn` those of this group or span."""
        from assay.finetuning.data import only, read_training_records

        tables = [read_training_records(path) for path in (self.data, self.validation) if path is not None]
        return [only(records, self.only_learn) for records in tables] if self.only_learn else tables


@dataclass(frozen=True)
class Adapter:
    """What is trained, and where in the model."""

    method: Annotated[Method, typer.Option()]
    layer: Annotated[str, typer.Option(help="a block: an int or a fraction; LoRA also takes a list or `all`")]
    site: Annotated[Literal["mlp_out", "resid"], typer.Option(help="of vectors")] = "mlp_out"
    scope: Annotated[
        str, typer.Option(help="tokens that one vector is added at (prompt[-1], response[:5], all, …)")
    ] = "prompt[-1]"
    spans: Annotated[
        str,
        typer.Option(
            help="instead of --scope: a vector for each of these spans (a,b; all: those of the data, if any)"
        ),
    ] = ""
    rank: Annotated[int, typer.Option(min=1, callback=counts.rank)] = 64
    alpha: Annotated[int, typer.Option(help="LoRA is multiplied by alpha / rank", min=1)] = 32
    modules: Annotated[str, typer.Option(help="of LoRA: gate, up, down, q, k, v, o")] = "gate,up,down"

    def shape(self, n_layers: int, records: "Sequence[PromptRecord]") -> "VectorShape | LoraShape":
        """The adapter in a model of `n_layers` blocks that learns these records. Raises AssayError for a wrong option."""
        return self._vectors(n_layers, records) if self.method == "vector" else self._lora(n_layers)

    def _vectors(self, n_layers: int, records: "Sequence[PromptRecord]") -> "VectorShape":
        from assay.finetuning.session import VectorShape
        from assay.models.layers import resolve_layer
        from assay.prompts.positions import parse_written

        names = span_names(records) if self.spans == "all" else words(self.spans)
        scopes = {name: f"span:{name}" for name in names} or {"vector": self.scope}
        for one in scopes.values():
            parse_written(one)
        return VectorShape(self.site, resolve_layer(self.layer, n_layers), scopes)

    def _lora(self, n_layers: int) -> "LoraShape":
        from assay.finetuning.lora import LoraShape
        from assay.models.layers import resolve_layers

        layers = tuple(resolve_layers(self.layer, n_layers))
        return LoraShape(self.rank, self.alpha, layers, tuple(words(self.modules)))


@dataclass(frozen=True)
class Training:
    """How it is trained; each seed with each learning rate is a run."""

    seed: Annotated[
        list[int] | None,
        typer.Option(help="of the initial values; repeat for more runs", min=0, max=MOST_SEED),
    ] = None
    lr: Annotated[
        list[float] | None,
        typer.Option(help=f"repeat for more runs (default {DEFAULT_LR})", callback=counts.rate),
    ] = None
    epochs: Annotated[int, typer.Option(min=1, callback=counts.epochs)] = 3
    max_steps: Annotated[
        int,
        typer.Option(
            help="most optimiser steps; 0: as many as the epochs have", min=0, callback=counts.steps
        ),
    ] = 0
    batch: Annotated[int, typer.Option(help="rows in an optimiser step", min=1)] = 4
    warmup: Annotated[int, typer.Option(min=0)] = 0
    decay: Annotated[bool, typer.Option(help="lower the learning rate linearly to 0")] = False
    order_seed: Annotated[
        int, typer.Option(help="of the order of rows, which all runs share", min=0, max=MOST_SEED)
    ] = 0
    validate_every: Annotated[int, typer.Option(help="steps; 0: after each epoch", min=0)] = 0
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096
    cache_mib: Annotated[int, typer.Option(help="memory for what training never changes", min=0)] = 2048

    def runs(self, method: Method) -> "list[Run]":
        """Every seed with every learning rate, each once."""
        from assay.finetuning.trainee import Run

        seeds, rates = self.seed or [0], self.lr or [DEFAULT_LR[method]]
        return [Run(seed, lr) for seed in dict.fromkeys(seeds) for lr in dict.fromkeys(rates)]

    def settings(self) -> "TrainingSettings":
        """What all runs share."""
        from assay.finetuning.loop import TrainingSettings

        return TrainingSettings(
            epochs=self.epochs,
            batch=self.batch,
            warmup=self.warmup,
            decay=self.decay,
            order_seed=self.order_seed,
            validate_every=self.validate_every,
            token_budget=self.token_budget,
            cache_bytes=self.cache_mib * 2**20,
            max_steps=self.max_steps,
        )


@dataclass(frozen=True)
class Outputs:
    """What is written."""

    out: Annotated[
        Path,
        typer.Option(
            help="folder of the adapter; with several runs or checkpoints, of folders", rich_help_panel=WHOLE
        ),
    ]
    checkpoints: Annotated[str, typer.Option(help="also save after these steps (50,100)")] = ""
    table: Annotated[
        Path | None, typer.Option(help="CSV of the loss and accuracy curves", rich_help_panel=FILE)
    ] = None
    metrics: Annotated[
        Path | None, typer.Option(help="JSON of the last accuracies", rich_help_panel=FILE)
    ] = None
    overwrite: Annotated[bool, typer.Option(help="replace the adapter that the folder --out holds")] = False

    def refuse_filled(self) -> None:
        """Raise AssayError where `out` is there already and is no empty folder: a training is not replaced by accident."""
        from assay.errors import AssayError

        out = self.out
        if self.overwrite or not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return
        what = "an adapter" if any(out.rglob("adapter.json")) else "files"
        raise AssayError(
            f"--out {out} holds {what} already; delete it, choose another folder, or give --overwrite"
        )

    def steps(self) -> list[int]:
        """The checkpoints. Raises AssayError for a word that is no number."""
        from assay.errors import AssayError

        if not all(word.isdecimal() for word in words(self.checkpoints)):
            raise AssayError(f"--checkpoints takes steps such as 50,100, found {self.checkpoints!r}")
        return [int(word) for word in words(self.checkpoints)]


def span_names(records: "Iterable[PromptRecord]") -> list[str]:
    """Every span's name, once, in the order of the records."""
    return list(dict.fromkeys(name for record in records for name in record.spans))
