"""A mean-difference direction: what tells records of one class from records of the other."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    import numpy as np

    from assay.directions.contrast import Labels, Separation
    from assay.prompts.records import PromptRecord

app = typer.Typer(add_completion=False)


@app.command()
def direction(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    layers: Annotated[str, typer.Option(help='"all" or a comma-separated list such as 0,5,-1,0.5')],
    tokens: Annotated[
        str, typer.Option(help="tokens to read: 'prompt[1:]', 'prompt[-1]', 'response[:]', span:<name> …")
    ],
    out: Annotated[Path, typer.Option(help="direction (.safetensors)", rich_help_panel=FILE)],
    metrics: Annotated[
        Path, typer.Option(help="held-out AUROC and norm by layer (JSON)", rich_help_panel=FILE)
    ],
    positive: Annotated[
        Path | None, typer.Option(help="prompt records (JSONL) of the class it points to")
    ] = None,
    negative: Annotated[Path | None, typer.Option(help="prompt records (JSONL) of the other class")] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="instead of both: one JSONL with `label` (1 or 0, or --positive-label)"),
    ] = None,
    positive_label: Annotated[
        str, typer.Option(help="the label that --records has for the positive class")
    ] = "1",
    site: Annotated[
        Literal["resid", "attn_out", "mlp_out", "mlp_neurons", "heads"],
        typer.Option(help="where in the block"),
    ] = "resid",
    pooling: Annotated[Literal["mean", "last", "max"], typer.Option(help="of a record's tokens")] = "mean",
    scale: Annotated[
        Literal["raw", "unit"], typer.Option(help="the difference as it is, or of norm 1")
    ] = "raw",
    shuffles: Annotated[
        int, typer.Option(help="directions of shuffled labels, the control", min=2, callback=counts.shuffles)
    ] = 20,
    seed: Annotated[int, typer.Option(help="of folds and shuffles", min=0, max=MOST_SEED)] = 0,
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Write the mean activation of one class less that of the other, by layer, and how well it reads held-out records.

    Where records have a `split`, the direction is made of "train" and read on the others. Otherwise it is made of all, and
    what is read is cross-fitted in five folds that keep each `group` whole.
    """
    from assay.directions.contrast import mean_difference, read_pooled
    from assay.interventions.direction import Direction, DirectionInfo, save_direction
    from assay.models.layers import resolve_layers
    from assay.models.loading import load_model
    from assay.storage.files import write_json
    from stages.shared.first_token import pools_first_token, warning
    from stages.shared.models import resolve_model

    pin = resolve_model(model, params)
    at = resolve_layers(layers, pin.n_layers)
    texts, labels = read_classes(positive, negative, records, positive_label)
    train, splits = split_records(texts, labels, seed)
    if pools_first_token(tokens, pooling):
        typer.echo(warning(tokens, pooling), err=True)
    rows = read_pooled(
        load_model(pin),
        texts,
        site=site,
        layers=at,
        tokens=tokens,
        pooling=pooling,
        token_budget=token_budget,
    )
    difference = mean_difference(rows[train], labels[train])
    counted = {"positive": int(labels[train].sum()), "negative": int((~labels[train]).sum())}
    info = DirectionInfo(
        pin=pin.fingerprint,
        site=site,
        method=f"mean difference of {counted['positive']} positive and {counted['negative']} negative records, "
        f"{pooling} over {tokens}, scale {scale}",
        scales={layer: float(_norms(rows[:, n]).mean()) for n, layer in enumerate(at)},
        training=_digest(texts, labels),
    )
    found = Direction(dict(zip(at, difference, strict=True)), info)
    save_direction(out, found.unit() if scale == "unit" else found)
    numbers: dict[str, float | int] = {f"records_{name}": count for name, count in counted.items()}
    for n, layer in enumerate(at):
        read = _separation(rows[:, n], labels, splits, texts, shuffles, seed)
        numbers |= read.auroc.metrics(f"layer_{layer}_auroc") | read.shuffled.metrics(
            f"layer_{layer}_auroc_shuffled"
        )
        numbers[f"layer_{layer}_norm"] = float(_norms(difference[n : n + 1])[0])
        numbers[f"layer_{layer}_activation_norm"] = info.scales[layer]
        typer.echo(f"layer {layer}: AUROC {read.auroc}, shuffled {read.shuffled}")
    write_json(metrics, numbers)


def read_classes(
    positive: Path | None, negative: Path | None, records: Path | None, positive_label: str
) -> "tuple[list[PromptRecord], Labels]":
    """The records of both classes and which are positive. Raises AssayError unless both classes have two or more."""
    import numpy as np

    from assay.errors import AssayError
    from assay.prompts.records import read_records

    if (records is None) == (positive is None) or (positive is None) != (negative is None):
        raise AssayError("give --positive and --negative, or --records alone")
    if records is not None:
        texts = read_records(records)
        lacking = [one.id for one in texts if one.label is None]
        if lacking:
            raise AssayError(f"{records}, record {lacking[0]!r} has no label; give each 1 or 0")
        labels = np.array([str(one.label) == positive_label for one in texts])
    else:
        assert positive is not None
        assert negative is not None
        classes = [read_records(path) for path in (positive, negative)]
        texts = [*classes[0], *classes[1]]
        labels = np.arange(len(texts)) < len(classes[0])
    if min(labels.sum(), (~labels).sum()) < 2:
        raise AssayError(
            f"a mean difference needs two records or more of each class, found {labels.sum()} positive and {(~labels).sum()} negative"
        )
    return texts, labels


def split_records(
    texts: "list[PromptRecord]", labels: "Labels", seed: int
) -> "tuple[Labels, list[tuple[Labels, Labels]]]":
    """Which records the direction is made of, and the (train, test) masks on which it is read."""
    import numpy as np

    from assay.directions.contrast import folds_of, held_out
    from assay.errors import AssayError

    if not any(one.split for one in texts):
        folds = folds_of(labels, [one.group or f"record {n}" for n, one in enumerate(texts)], seed)
        return np.ones(len(texts), dtype=np.bool_), list(held_out(labels, folds))
    train = np.array([one.split == "train" for one in texts])
    for name, part in (("train", train), ("held-out", ~train)):
        if min((labels & part).sum(), (~labels & part).sum()) < 2:
            raise AssayError(f"the {name} split needs two records or more of each class; move some there")
    return train, [(train, ~train)]


def _separation(
    rows: "np.ndarray",
    labels: "Labels",
    splits: "list[tuple[Labels, Labels]]",
    texts: "list[PromptRecord]",
    shuffles: int,
    seed: int,
) -> "Separation":
    """One layer's, clustered by group where records have one."""
    import numpy as np

    from assay.directions.contrast import separation

    groups = [one.group or f"record {n}" for n, one in enumerate(texts)]
    clusters = np.unique(groups, return_inverse=True)[1] if any(one.group for one in texts) else None
    return separation(rows, labels, splits, clusters=clusters, shuffles=shuffles, seed=seed)


def _norms(rows: "np.ndarray") -> "np.ndarray":
    """[n, width] → [n]."""
    import numpy as np

    norms: np.ndarray = np.linalg.norm(rows, axis=-1)
    return norms


def _digest(texts: "list[PromptRecord]", labels: "Labels") -> str:
    """SHA-256 of the records and their classes."""
    import json

    from assay.prompts.records import record_row

    rows = [[record_row(one), bool(label)] for one, label in zip(texts, labels, strict=True)]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    run(app)
