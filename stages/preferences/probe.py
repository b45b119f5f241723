"""Read utilities from the activations of several feature sets: held-out tasks, held-out topics, choices, controls."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE, FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from assay.activations.store import ActivationStore
    from assay.studies.preferences.probing.readout import Design, ReadLayer
    from assay.studies.preferences.probing.study import FeatureSet

app = typer.Typer(add_completion=False)

LARGEST_POWER = 100
MOST_PENALTIES = 1000


@app.command()
def probe(
    features: Annotated[
        list[str], typer.Option(help="NAME=STORE, one row per task; repeat, the strongest claim first")
    ],
    train_utilities: Annotated[Path, typer.Option(help="CSV: task_id, mu, sigma")],
    eval_utilities: Annotated[Path, typer.Option(help="CSV of other tasks: task_id, mu, sigma")],
    topics: Annotated[Path, typer.Option(help="JSON or CSV: the topic of every task")],
    alphas: Annotated[
        str, typer.Option(help="ridge penalties: FIRST,LAST,COUNT as powers of ten, such as -1,5,10")
    ],
    bt_penalties: Annotated[str, typer.Option(help="Bradley–Terry penalties, in the same form")],
    hold_out: Annotated[int, typer.Option(help="topics held out together", min=1)],
    minimum_topic: Annotated[
        int, typer.Option(help="topics with fewer training tasks are never held out", min=0)
    ],
    shuffles: Annotated[
        int,
        typer.Option(help="shuffled-utility and Gaussian-feature controls", min=0, callback=counts.shuffles),
    ],
    resamples: Annotated[
        int, typer.Option(help="bootstrap resamples of tasks", min=1, callback=counts.resamples)
    ],
    seed: Annotated[
        int, typer.Option(help="of the split, the controls and the bootstrap", min=0, max=MOST_SEED)
    ],
    out: Annotated[
        Path,
        typer.Option(help="folder for NAME.safetensors, NAME_demeaned…, NAME_bt…", rich_help_panel=FOLDER),
    ],
    table: Annotated[
        Path, typer.Option(help="CSV with one row per feature set and layer", rich_help_panel=FILE)
    ],
    topic_table: Annotated[
        Path, typer.Option(help="CSV with one row per feature set and held-out topics", rich_help_panel=FILE)
    ],
    metrics: Annotated[Path, typer.Option(help="numbers of the chosen layers", rich_help_panel=FILE)],
    train_choices: Annotated[
        Path | None,
        typer.Option(help="Parquet, JSONL, CSV or YAML: task_a, task_b, choice"),
    ] = None,
    eval_choices: Annotated[Path | None, typer.Option(help="the same between evaluation tasks")] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="also report this layer where a store holds it: int, negative or fraction"),
    ] = None,
) -> None:
    """Write probes, the tables of layers and topics, and the metrics of the best layers with their differences."""
    from assay.activations.store import open_store
    from assay.probes.threads import blas_threads
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json
    from assay.studies.preferences.probing import study as probe_study
    from assay.studies.preferences.probing.inputs import keep_tasks
    from assay.studies.preferences.probing.readout import Design, ReadoutSettings
    from assay.studies.preferences.utilities.measurements import read_comparisons
    from assay.studies.preferences.utilities.topics import read_topics
    from assay.studies.preferences.utilities.utility_files import read_utilities

    paths = _named(features)
    taxonomy = read_topics(topics)
    chosen = [read_comparisons(path) if path else None for path in (train_choices, eval_choices)]
    utilities = read_utilities(train_utilities), read_utilities(eval_utilities)
    settings = ReadoutSettings(_grid(alphas), hold_out, minimum_topic, shuffles, seed, resamples)
    with ExitStack() as open_files:
        stores = {name: open_files.enter_context(open_store(path)) for name, path in paths.items()}
        held = [set(store.ids) for store in stores.values()]
        train, evaluation = (
            keep_tasks(mu, taxonomy, held, choices) for mu, choices in zip(utilities, chosen, strict=True)
        )
        design = Design.of(train.tasks, evaluation.tasks, settings)
        width = min(len(train.tasks.ids), max(store.d for store in stores.values()))
        open_files.enter_context(blas_threads(width))
        sets = _study(stores, design, _grid(bt_penalties))
        for found in sets:
            _save(out, found, stores[found.name], design)
        reported = None if layer is None else _layer(layer, stores)
        counts = {f"train_{name}": count for name, count in train.counts.items()}
        counts |= {f"eval_{name}": count for name, count in evaluation.counts.items()}
        numbers = probe_study.summary(sets, design, reported)
        write_csv(table, probe_study.layer_table(sets))
        write_csv(topic_table, probe_study.topic_table(sets, design, taxonomy.names))
        write_json(metrics, {**counts, **taxonomy.metrics(), **numbers})


def _named(features: list[str]) -> dict[str, Path]:
    from assay.errors import AssayError

    paths: dict[str, Path] = {}
    for given in features:
        name, separator, path = given.partition("=")
        if not separator or not name.isidentifier() or name in paths:
            raise AssayError(
                f"--features {given!r} must be NAME=STORE with a new name made of letters and digits"
            )
        paths[name] = Path(path)
    return paths


def _grid(described: str) -> list[float]:
    """FIRST,LAST,COUNT → powers of ten."""
    import numpy as np

    from assay.errors import AssayError

    try:
        first, last, count = described.split(",")
        if int(count) > MOST_PENALTIES:
            raise AssayError(
                f"penalties {described!r}: COUNT must be at most {MOST_PENALTIES}, each of which is a fit"
            )
        if not all(abs(float(end)) <= LARGEST_POWER for end in (first, last)):
            raise AssayError(
                f"penalties {described!r}: FIRST and LAST are powers of ten from -{LARGEST_POWER} to {LARGEST_POWER}"
            )
        grid: list[float] = np.logspace(float(first), float(last), int(count)).tolist()
    except ValueError as error:
        raise AssayError(f"penalties {described!r} must be FIRST,LAST,COUNT, such as -1,5,10") from error
    if not grid:
        raise AssayError(f"penalties {described!r} name no penalty; COUNT must be at least 1")
    return grid


def _study(
    stores: "Mapping[str, ActivationStore]", design: "Design", penalties: list[float]
) -> "list[FeatureSet]":
    """Every feature set, with the layers of all of them as one progress."""
    from assay.studies.preferences.probing.study import study_features
    from stages.shared.step_progress import stepping

    sets: list[FeatureSet] = []
    with stepping("read out", sum(len(store.layers) for store in stores.values())) as tell:
        for name, store in stores.items():
            tell_layer = partial(_tell, tell, sum(len(done.layers) for done in sets), name)
            read = _reader(store, design)
            sets.append(
                study_features(name, read, store.layers, design, penalties=penalties, tell=tell_layer)
            )
    return sets


def _tell(tell: "Callable[[int, str], None]", before: int, name: str, done: int) -> None:
    tell(before + done, f"layers ({name})")


def _reader(store: "ActivationStore", design: "Design") -> "ReadLayer":
    train, evaluation = store.rows_of_ids(design.train.ids), store.rows_of_ids(design.evaluation.ids)

    def read(layer: int) -> "tuple[np.ndarray, np.ndarray]":
        return store.read(layer, train), store.read(layer, evaluation)

    return read


def _layer(described: str, stores: "dict[str, ActivationStore]") -> int:
    from assay.models.layers import resolve_layer

    return resolve_layer(described, max(max(store.layers) for store in stores.values()) + 1)


def _save(out: Path, found: "FeatureSet", store: "ActivationStore", design: "Design") -> None:
    from assay.probes.files import ProbeInfo, save_probes
    from assay.storage.fingerprints import text_hash
    from assay.studies.preferences.probing.readout import DEMEANED, RAW

    training = text_hash("\n".join(sorted(design.train.ids)))
    kinds = {
        "": ("standardised ridge", "utility", found.probes(RAW)),
        "_demeaned": ("standardised ridge", "utility minus its topic's mean", found.probes(DEMEANED)),
    }
    if found.choice_probe is not None:
        by_layer = {found.layers.best_layer: found.choice_probe}
        kinds["_bt"] = ("Bradley–Terry on standardised activations", "utility, from choices", by_layer)
    for suffix, (method, concept, probes) in kinds.items():
        info = ProbeInfo(
            pin=store.header.pin_fingerprint,
            site=store.header.site,
            method=method,
            concept=concept,
            training=training,
            best_layer=found.layers.best_layer,
            position=store.header.position,
        )
        save_probes(out / f"{found.name}{suffix}.safetensors", probes, info)


if __name__ == "__main__":
    run(app)
