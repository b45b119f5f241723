"""What a probe says under each system prompt: its change against the neutral prompt, and its scores beside utilities."""

from pathlib import Path
from typing import Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def deltas(
    prompts: Annotated[Path, typer.Option(help="prompt records with condition_id, task_id, truth (JSONL)")],
    activations: Annotated[Path, typer.Option(help="store of these prompts, one row each")],
    probes: Annotated[Path, typer.Option(help="utility probes of the same model, site and position")],
    pairwise: Annotated[Path, typer.Option(help="counts by condition and pair (JSON or Parquet)")],
    default_utilities: Annotated[
        Path, typer.Option(help="CSV: task_id, mu measured without a system prompt")
    ],
    layer: Annotated[str, typer.Option(help="also this layer: int, negative or fraction")],
    out: Annotated[
        Path,
        typer.Option(
            help="CSV: condition_id, task_id, probe_delta, layer, truth, kind, trained", rich_help_panel=FILE
        ),
    ],
    utilities: Annotated[
        Path, typer.Option(help="CSV: condition_id, task_id, mu, score, default_mu", rich_help_panel=FILE)
    ],
) -> None:
    """Write probe deltas of the probes' best layer and of `layer`, and utilities fitted under each condition."""
    from assay.activations.store import open_store
    from assay.models.layers import resolve_layer
    from assay.probes.files import load_probes
    from assay.prompts.records import read_records
    from assay.storage.csv_tables import write_csv
    from assay.studies.preferences.shifts.condition_counts import read_condition_choices
    from assay.studies.preferences.shifts.probe_deltas import (
        beside_scores,
        condition_utilities,
        probe_deltas,
        scores_of_layers,
    )
    from assay.studies.preferences.utilities.utility_files import read_utilities

    records = read_records(prompts)
    read, info = load_probes(probes)
    with open_store(activations) as store:
        shown = resolve_layer(layer, max(max(store.layers), max(read)) + 1)
        layers = {"best": info.best_layer, "reported": shown}
        scores = scores_of_layers(store, read, info, [record.id for record in records], layers)
    changes = probe_deltas(records, scores)
    default = read_utilities(default_utilities)
    fitted = condition_utilities(
        read_condition_choices(pairwise), dict(zip(default.ids, default.mu.tolist(), strict=True))
    )
    joined = beside_scores(fitted, changes, "best")
    write_csv(out, changes)
    write_csv(utilities, joined)
    typer.echo(f"{out}: {len(changes)} deltas; {utilities}: {len(joined)} utilities under conditions")


if __name__ == "__main__":
    run(app)
