"""Fit and judge a probe of every layer for one variant: the next token, or the current one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, FOLDER
from stages.shared.tracking import Tracking, track

if TYPE_CHECKING:
    import pandas as pd

    from assay.studies.tokens.study import Study

app = typer.Typer(add_completion=False)


@app.command()
def probe(
    prompts: Annotated[Path, typer.Option(help="records with labelled positions")],
    activations: Annotated[
        Path, typer.Option(help="store of the same records, position explicit, pooling none")
    ],
    variant: Annotated[Literal["next", "current"], typer.Option()],
    decay: Annotated[
        float,
        typer.Option(help="weight decay per mean loss, on standardised activations", callback=counts.penalty),
    ],
    cap: Annotated[
        float,
        typer.Option(help="a positive counts at most this many times a negative", callback=counts.weight),
    ],
    shuffles: Annotated[
        int, typer.Option(help="shuffled-label probes per layer", min=0, callback=counts.shuffles)
    ],
    resamples: Annotated[
        int, typer.Option(help="bootstrap resamples of documents", min=1, callback=counts.resamples)
    ],
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED)],
    tracking: Annotated[Tracking, typer.Option(help="also log the layers")],
    out: Annotated[
        Path, typer.Option(help="folder: probes.safetensors, predictions.csv", rich_help_panel=FOLDER)
    ],
    table: Annotated[Path, typer.Option(help="CSV with one row per layer", rich_help_panel=FILE)],
    metrics: Annotated[
        Path, typer.Option(help="numbers of the layer chosen on validation rows", rich_help_panel=FILE)
    ],
) -> None:
    """Write the probes, their predictions, the table of layers and the metrics of the best one."""
    import pandas as pd

    from assay.activations.store import open_store
    from assay.probes.files import ProbeInfo, save_probes
    from assay.prompts.records import read_records
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.studies.tokens.rows import SPLITS, check_store, labelled_rows
    from assay.studies.tokens.study import TokenStudySettings, run_study

    settings = TokenStudySettings(decay, cap, shuffles, seed, resamples)
    records = read_records(prompts)
    rows = {split: labelled_rows(records, variant, split) for split in SPLITS}
    with open_store(activations, position="explicit", pooling="none") as store:
        check_store(store, records)
        study, header = run_study(store, rows, settings), store.header
    layers = pd.DataFrame([study.table_row(layer) for layer in study.layers])
    info = ProbeInfo(
        pin=header.pin_fingerprint,
        site=header.site,
        method=settings.describe(),
        concept=f"the {variant} token is the target",
        training=rows["train"].digest(),
        best_layer=study.layers.best_layer,
    )
    save_probes(out / "probes.safetensors", {layer: r.probe for layer, r in study.layers.items()}, info)
    write_csv(out / "predictions.csv", predictions(study, [record.id for record in records]))
    write_csv(table, layers)
    write_json(metrics, summary(study, layers))
    call_out(layers)
    track(tracking, layers, name=f"tokens-{variant}", settings=vars(settings), folder=out / "dvclive")


def predictions(study: "Study", ids: list[str]) -> "pd.DataFrame":
    """Log-odds of the best layer and of the controls for every test row."""
    import pandas as pd

    test = study.rows["test"]
    return pd.DataFrame(
        {
            "id": [ids[record] for record in test.record],
            "position": test.position,
            "label": test.label.astype(int),
            "probe": study.layers.best.test.scores.round(4),
            **{name: control.scores.round(4) for name, control in study.controls.items()},
        }
    )


def summary(study: "Study", layers: "pd.DataFrame") -> dict[str, float | int]:
    """The best layer's row, and the size of what it rests on."""
    best = study.table_row(study.layers.best_layer)
    best["best_layer"] = best.pop("layer")
    sizes = {f"{split}_rows": len(rows.row) for split, rows in study.rows.items()}
    documents = {f"{split}_documents": int(rows.group.max()) + 1 for split, rows in study.rows.items()}
    return {
        **best,
        **sizes,
        **documents,
        "layers_saying_one_class": int(layers["one_class"].sum()),
        "layers_not_converged": int((layers["converged"] == 0).sum()),
    }


def call_out(layers: "pd.DataFrame") -> None:
    """Say on stderr which probes are useless or unfinished."""
    for name, what in (("one_class", "always says one class"), ("converged", "did not converge")):
        found = layers[layers[name] == (1 if name == "one_class" else 0)]["layer"].tolist()
        if found:
            typer.echo(f"warning: the probe {what} at layer {', '.join(map(str, found))}", err=True)


if __name__ == "__main__":
    run(app)
