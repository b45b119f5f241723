"""What a probe says under each system prompt: its change against the neutral prompt, and its scores beside utilities."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from assay.studies.preferences.shifts.condition_counts import Pairwise

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
    import pandas as pd

    from assay.errors import AssayError
    from assay.prompts.records import read_records
    from assay.storage.files import write_text
    from assay.studies.preferences.shifts.condition_counts import read_pairwise
    from assay.studies.preferences.utilities.utility_files import read_utilities

    records = read_records(prompts)
    table = pd.DataFrame([{"id": record.id, **record.fields} for record in records])
    scores = probe_scores(activations, probes, [record.id for record in records], layer)
    frames = [
        from_neutral(table.assign(score=values, layer=name), prompts) for name, values in scores.items()
    ]
    columns = ["condition_id", "task_id", "probe_delta", "layer", "truth", "kind", "trained", "score"]
    everything = pd.concat(frames)[columns]
    counts = read_pairwise(pairwise)
    default = read_utilities(default_utilities)
    fitted = condition_utilities(counts, dict(zip(default.ids, default.mu.tolist(), strict=True)))
    best = everything[everything["layer"] == "best"][["condition_id", "task_id", "score"]]
    joined = fitted.merge(best, on=["condition_id", "task_id"])
    if joined.empty:
        raise AssayError(
            f"{pairwise} and {prompts} have no condition and task in common; make both of the same inputs"
        )
    write_text(out, everything.to_csv(index=False, lineterminator="\n"))
    write_text(utilities, joined.to_csv(index=False, lineterminator="\n"))
    typer.echo(f"{out}: {len(everything)} deltas; {utilities}: {len(joined)} utilities under conditions")


def probe_scores(activations: Path, probes: Path, ids: list[str], layer: str) -> "dict[str, np.ndarray]":
    """Scores [ids] of the probes' best layer (`best`) and of `layer` (`reported`)."""
    from assay.activations.store import open_store
    from assay.errors import AssayError
    from assay.models.layers import resolve_layer
    from assay.probes.files import load_probes
    from assay.probes.linear import UtilityProbe

    read, info = load_probes(probes)
    with open_store(activations) as store:
        for name in ("pin_fingerprint", "site", "position"):
            wanted = getattr(info, name.removesuffix("_fingerprint"))
            if getattr(store.header, name) != wanted:
                raise AssayError(
                    f"{activations} and {probes} differ in {name.removesuffix('_fingerprint')}; extract or fit again"
                )
        reported = resolve_layer(layer, max(max(store.layers), max(read)) + 1)
        rows = store.rows_of_ids(ids)
        scores = {}
        for name, number in {"best": info.best_layer, "reported": reported}.items():
            probe = read.get(number)
            if not isinstance(probe, UtilityProbe):
                raise AssayError(
                    f"{probes} holds no utility probe of layer {number}; fit the probes with this layer"
                )
            scores[name] = probe.predict(store.read(number, rows))
    return scores


def from_neutral(table: "pd.DataFrame", prompts: Path) -> "pd.DataFrame":
    """The rows of the other conditions, with `probe_delta` from the neutral one and the sign of their truth."""
    import numpy as np

    from assay.errors import AssayError
    from assay.studies.preferences.shifts.conditions import BASELINE

    neutral = table[table["condition_id"] == BASELINE].set_index("task_id")["score"]
    own = table[table["condition_id"] != BASELINE]
    if missing := sorted(set(own["task_id"]) - set(neutral.index)):
        raise AssayError(f"{prompts}: task {missing[0]!r} has no prompt under {BASELINE!r}")
    return own.assign(
        probe_delta=own["score"].to_numpy() - neutral[own["task_id"]].to_numpy(),
        truth=np.sign(own["truth"]).astype(int),
    )


def condition_utilities(counts: "Pairwise", default: dict[str, float]) -> "pd.DataFrame":
    """Columns condition_id, task_id, mu (fitted to the choices under the condition) and default_mu."""
    import pandas as pd

    from assay.studies.preferences.shifts.conditions import BASELINE
    from assay.studies.preferences.utilities.thurstone import fit_thurstone

    rows = []
    for condition in counts.conditions:
        if condition == BASELINE:
            continue
        found = fit_thurstone(counts.comparisons(condition))
        rows += [
            {"condition_id": condition, "task_id": task, "mu": mu, "default_mu": default[task]}
            for task, mu in zip(found.ids, found.mu.tolist(), strict=True)
            if task in default
        ]
    return pd.DataFrame(rows, columns=["condition_id", "task_id", "mu", "default_mu"])


if __name__ == "__main__":
    run(app)
