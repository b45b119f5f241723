"""Compare what a model reads at names with what training adds: naive, learned, LoRA's and natural vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.cli import read_yaml, run
from stages.shared.outputs import FILE, FOLDER, WHOLE, also_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from assay.prompts.records import PromptRecord
    from assay.studies.oocr.vectors.entries import Comparison, Names
    from assay.studies.oocr.vectors.inputs import AdapterRuns

app = typer.Typer(add_completion=False)


@app.command()
def vectors(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    codes: Annotated[
        Path, typer.Option(help="CSV: code, kind, stands_for (the real name as prompts write it)")
    ],
    stems: Annotated[Path, typer.Option(help="CSV: kind, template with {name}, form (statement, question)")],
    out: Annotated[
        Path,
        typer.Option(help="folder: directions, and effects/ as adapters to evaluate", rich_help_panel=WHOLE),
    ],
    tables: Annotated[
        Path, typer.Option(help="folder of the figures and of the tables they show", rich_help_panel=FOLDER)
    ],
    metrics: Annotated[Path, typer.Option(help="JSON", rich_help_panel=FILE)],
    adapters: Annotated[
        list[str] | None,
        typer.Option(help="[NAME[:KIND]=]FOLDER of a training; KIND: code names it is about; repeatable"),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]FILE that natural vectors are read on: records (.jsonl) or text; repeatable"
        ),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="instead of both: YAML with the lists `adapters` and `texts`")
    ] = None,
    site: Annotated[
        Literal["resid", "attn_out", "mlp_out"], typer.Option(help="where naive vectors are read")
    ] = "resid",
    related: Annotated[
        Path | None, typer.Option(help="CSV: adapter, word; words that speak of what it was trained on")
    ] = None,
    top: Annotated[int, typer.Option(help="tokens of either end in logit lenses", min=1)] = 10,
    limit: Annotated[
        int, typer.Option(help="use the first N records of each of --texts; 0 means all", min=0)
    ] = 0,
    residuals: Annotated[
        int,
        typer.Option(
            help="tokens of --texts that the lens `difference` averages over", min=1, callback=counts.rows
        ),
    ] = 256,
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Write all vectors, their cosines, norms, explained variance and logit lenses.

    The effect of a natural vector is evaluated like any adapter: out/effects/<adapter>_<texts>_<variant>_layer_<L> holds them.
    """
    from assay.models.loading import load_model
    from assay.storage.files import write_json
    from assay.storage.places import refuse_foreign
    from assay.studies.oocr.vectors import report
    from assay.studies.oocr.vectors.entries import compare
    from assay.studies.oocr.vectors.inputs import read_related
    from stages.shared.models import resolve_model
    from stages.shared.step_progress import step_progress

    refuse_foreign(out, report.FILES)
    pin = resolve_model(model, params)
    adapters, texts = chosen(adapters or [], texts or [], plan)
    also_read(
        "an input" if plan is None else f"an input of {plan}",
        [Path(word.rpartition("=")[2]) for word in (*adapters, *texts)],
    )
    trained, names, repeating = read_inputs(adapters, codes, stems)
    words = read_related(related) if related is not None else {}
    records = read_texts(texts, limit)
    loaded = load_model(pin)
    with step_progress("vectors") as show:
        found = compare(
            loaded, trained, names, records,
            site=site, n_residuals=residuals, token_budget=token_budget, progress=show,
        )  # fmt: skip
    made = report.tables_of(found, loaded, k=top, related=words)
    numbers = report.metrics_of(found)
    write_all(found, made, out, tables)
    counts = {
        "codes": len(names.kinds), "stems": sum(map(len, names.stems.values())), "stems_repeating": repeating,
        "texts": sum(map(len, records.values())), "residuals": len(found.residuals), "vectors": len(found.entries),
    }  # fmt: skip
    write_json(metrics, counts | numbers)
    typer.echo(f"{out}: {len(found.naive)} naive, {len(found.naturals)} natural; {tables}: {', '.join(made)}")


def write_all(found: "Comparison", made: "Mapping[str, pd.DataFrame]", out: Path, tables: Path) -> None:
    """The vectors, all or none; each table as CSV, and the figures."""
    from assay.storage.csv_tables import write_csv
    from assay.storage.folders import atomic_folder
    from assay.studies.oocr.vectors.figures import draw_all
    from assay.studies.oocr.vectors.report import FILES, save_vectors

    with atomic_folder(out, FILES) as folder:
        save_vectors(folder, found)
    for name, table in made.items():
        write_csv(tables / f"{name}.csv", table)
    draw_all(made, tables)


def chosen(adapters: list[str], texts: list[str], plan: Path | None) -> tuple[list[str], list[str]]:
    """(adapters, texts) as words, of the command line or of the plan. Raises AssayError for neither, both or a malformed plan."""
    from assay.errors import AssayError
    from assay.storage.settings import parse_settings
    from assay.studies.oocr.vectors.inputs import VectorPlan

    if (plan is None) != bool(adapters and texts) or (plan is not None and (adapters or texts)):
        raise AssayError("give --adapters and --texts, or --plan alone")
    if plan is None:
        return adapters, texts
    found = parse_settings(VectorPlan, read_yaml(plan), str(plan))
    return found.adapters, found.texts


def read_inputs(adapters: list[str], codes: Path, stems: Path) -> "tuple[list[AdapterRuns], Names, int]":
    """The adapters, the code names with stems that differ before the name, and how many stems repeat another's beginning."""
    from assay.directions.naive import distinct_stems
    from assay.errors import AssayError
    from assay.studies.oocr.vectors.entries import Names
    from assay.studies.oocr.vectors.inputs import find_adapter, read_codes, read_stems

    trained = [find_adapter(text) for text in adapters]
    if len({adapter.name for adapter in trained}) != len(trained):
        raise AssayError("two adapters have the same name; give names with --adapters NAME=FOLDER")
    pairs, given = read_codes(codes), read_stems(stems)
    for kind in pairs:
        if kind not in given:
            raise AssayError(f"{stems} has no stem of the kind {kind!r} that {codes} has; add one")
    for adapter in trained:
        if adapter.kind and adapter.kind not in pairs:
            raise AssayError(
                f"{codes} has no code of the kind {adapter.kind!r}, which {adapter.name} is about"
            )
    used = {kind: distinct_stems(given[kind]) for kind in pairs}
    return trained, Names(pairs, used), sum(len(given[kind]) - len(used[kind]) for kind in used)


def read_texts(texts: list[str], limit: int) -> "dict[str, list[PromptRecord]]":
    """Records of each [NAME=]FILE by name (the file's own without one), at most `limit` of each unless that is 0.

    A text file is one record. Raises AssayError where two have the same name.
    """
    from assay.errors import AssayError
    from assay.prompts.records import PromptRecord, read_records
    from assay.prompts.sources import read_files

    found = {}
    for text in texts:
        name, _, place = text.rpartition("=")
        name = name or Path(place).stem
        if name in found:
            raise AssayError(f"two of --texts are called {name!r}; give names with --texts NAME=FILE")
        if place.endswith(".jsonl"):
            records = read_records(Path(place))
        else:
            records = [PromptRecord(document.id, text=document.text) for document in read_files([place])]
        found[name] = records[:limit] if limit else records
    return found


if __name__ == "__main__":
    run(app)
