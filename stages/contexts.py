"""Where in a text a direction is strongest: a page of contexts and its table."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.counts import MOST_SEED
from stages.shared.outputs import FILE
from stages.shared.text_source import Documents, Language, Paths, Section, Source, read_source

if TYPE_CHECKING:
    import pandas as pd

    from assay.directions.contexts import Scan, Scanner, Stretch
    from assay.interventions.direction import Direction
    from assay.models.loading import LoadedModel
    from assay.models.registry import Pin
    from assay.models.sites import Site
    from assay.prompts.documents import Document

app = typer.Typer(add_completion=False)


@app.command()
def contexts(
    model: Annotated[str, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")],
    direction: Annotated[Path, typer.Option(help="direction (.safetensors), or folder of trained vectors")],
    source: Source,
    out: Annotated[Path, typer.Option(help="HTML page", rich_help_panel=FILE)],
    table: Annotated[Path, typer.Option(help="CSV: one row per context", rich_help_panel=FILE)],
    layer: Annotated[
        str | None, typer.Option(help="int, negative int or fraction; not needed where the direction has one")
    ] = None,
    name: Annotated[str | None, typer.Option(help="which vector of a folder that holds several")] = None,
    site: Annotated[
        Literal["resid", "attn_out", "mlp_out"] | None,
        typer.Option(help="read this, not the direction's site"),
    ] = None,
    path: Paths = None,
    section: Section = 0,
    language: Language = "en",
    documents: Documents = 0,
    characters: Annotated[
        int, typer.Option(help="use the first N characters of a document; 0 means all", min=0)
    ] = 0,
    context: Annotated[
        int, typer.Option(help="tokens that the model reads at once, BOS included", min=2)
    ] = 256,
    skip: Annotated[
        int, typer.Option(help="tokens after BOS that are not counted; the first is an outlier", min=0)
    ] = 1,
    top: Annotated[int, typer.Option(help="contexts of either end", min=1)] = 20,
    around: Annotated[int, typer.Option(help="tokens shown on either side", min=0)] = 30,
    sample: Annotated[
        int, typer.Option(help="tokens of the scatter plot", min=1, callback=counts.rows)
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="of the sample", min=0, max=MOST_SEED)] = 0,
    scatter: Annotated[
        Path | None,
        typer.Option(
            help="CSV of projection and norm of the sample, with a PNG beside it", rich_help_panel=FILE
        ),
    ] = None,
    metrics: Annotated[Path | None, typer.Option(help="JSON of counts", rich_help_panel=FILE)] = None,
    token_budget: Annotated[
        int, typer.Option(help="most padded tokens of a forward pass", min=1, callback=counts.tokens)
    ] = 4096,
    params: Annotated[Path, typer.Option(help="params file with the registry")] = Path("params.yaml"),
) -> None:
    """Scan a text and write the contexts of the highest and lowest projections on a direction."""
    from assay.directions.contexts import Scanner
    from assay.models.loading import load_model
    from assay.pages.contexts import render_contexts
    from assay.storage.csv_tables import write_csv
    from assay.storage.files import write_json, write_text
    from stages.shared.models import resolve_model

    pin = resolve_model(model, params)
    found = read_direction(direction, name, pin)
    at = choose_layer(found, layer, pin.n_layers)
    scanner = Scanner(k=top, around=around, skip=skip, sample=sample, seed=seed)
    texts, cut = shorten(read_source(source, path, section, language, documents), characters)
    scan = scan_documents(
        load_model(pin), found, texts, scanner,
        context=context, layer=at, site=site, token_budget=token_budget,
    )  # fmt: skip
    title = name or (direction.name if direction.is_dir() else direction.stem)
    place = f"{site or found.info.site}, layer {at}"
    write_text(out, render_contexts(scan, title=title, place=place, model=pin.alias))
    write_csv(table, context_table(scan))
    if scatter is not None:
        write_scatter(scatter, scan, f"{title}: {place}")
    counts = {"tokens": scan.n_tokens, "tokens_left_out": scan.n_left_out, "documents": len(texts)}
    if characters:
        counts["characters_cut"] = cut
    if metrics is not None:
        write_json(metrics, counts)
    typer.echo(f"{out}: {len(scan.top)} + {len(scan.bottom)} contexts among {counts}")


def shorten(texts: "list[Document]", characters: int) -> "tuple[list[Document], int]":
    """The first `characters` of each document (0: all), and how many were cut off in all."""
    from dataclasses import replace

    if not characters:
        return texts, 0
    cut = sum(max(0, len(one.text) - characters) for one in texts)
    return [replace(one, text=one.text[:characters]) for one in texts], cut


def scan_documents(
    loaded: "LoadedModel",
    direction: "Direction",
    texts: "list[Document]",
    scanner: "Scanner",
    *,
    context: int,
    layer: int,
    site: "Site | None",
    token_budget: int,
) -> "Scan":
    """The scan of all documents, in windows of at most `context` tokens, behind a progress bar."""
    from assay.directions.contexts import scan_text
    from stages.shared.step_progress import step_progress

    with step_progress("reading") as show:
        counted = _Counted(texts)

        def advance(_stretches: int) -> None:
            show(counted.done, len(texts), f"{scanner.n_tokens:,} tokens")

        return scan_text(
            loaded, direction, stretches(loaded.tokenizer, counted, context), scanner,
            layer=layer, site=site, token_budget=token_budget, progress=advance,
        )  # fmt: skip


def write_scatter(path: Path, scan: "Scan", title: str) -> None:
    """Projection and norm of the sample as CSV, and drawn as the PNG beside it."""
    import pandas as pd

    from assay.figures.saved import save_with_table
    from assay.figures.scatter import draw_projections

    points = pd.DataFrame(scan.sample.round(6), columns=["projection", "norm"])
    save_with_table(points, partial(draw_projections, title=title), path.with_suffix(".png"), csv=path)


class _Counted:
    """Documents, counted while they are taken."""

    def __init__(self, documents: "list[Document]"):
        self.documents = documents
        self.done = 0

    def __iter__(self) -> "Iterator[Document]":
        for document in self.documents:
            yield document
            self.done += 1


def read_direction(path: Path, name: str | None, pin: "Pin") -> "Direction":
    """The direction of a file, or the vector `name` of an adapter folder (its only one without a name)."""
    from assay.errors import AssayError
    from assay.finetuning.adapters import load_vectors
    from assay.interventions.direction import load_direction

    if not path.is_dir():
        if name is not None:
            raise AssayError(
                f"--name chooses among the vectors of a folder; {path} is a file of one direction"
            )
        return load_direction(path, pin.fingerprint)
    vectors = load_vectors(path, pin).directions
    if name is None and len(vectors) > 1:
        raise AssayError(f"{path} holds several vectors; choose one with --name: {', '.join(vectors)}")
    wanted = next(iter(vectors)) if name is None else name
    if wanted not in vectors:
        raise AssayError(f"{path} holds no vector {wanted!r}; it holds {', '.join(vectors)}")
    return vectors[wanted]


def choose_layer(direction: "Direction", layer: str | None, n_layers: int) -> int:
    """The layer asked for, else the only one of the direction."""
    from assay.errors import AssayError
    from assay.models.layers import resolve_layer

    if layer is None:
        if len(direction.layers) > 1:
            raise AssayError(f"this direction has the layers {direction.layers}; choose one with --layer")
        return direction.layers[0]
    at = resolve_layer(layer, n_layers)
    if at not in direction.layers:
        raise AssayError(f"this direction has no vector of layer {at}; it has layers {direction.layers}")
    return at


def stretches(tokenizer: object, documents: "_Counted", context: int) -> "Iterator[Stretch]":
    """The documents in windows of at most `context` tokens, cut as they are asked for; blank ones have none."""
    from assay.directions.contexts import Stretch
    from assay.prompts.windows import cut_windows

    for document in documents:
        for number, window in enumerate(cut_windows(tokenizer, document, context)):  # type: ignore[arg-type]
            tokens = window.tokens
            yield Stretch(document.id, number, window.text, tokens.ids, tokens.starts, tokens.ends)


def context_table(scan: "Scan") -> "pd.DataFrame":
    """One row per context: its end of the scale, rank, place and values, and its text around [the token]."""
    import pandas as pd

    return pd.DataFrame(
        {
            "end": end,
            "rank": rank,
            "document": context.document,
            "stretch": context.stretch,
            "token": context.token,
            "projection": round(context.projection, 6),
            "norm": round(context.norm, 6),
            "before": "".join(context.pieces[: context.centre]),
            "text": context.pieces[context.centre],
            "after": "".join(context.pieces[context.centre + 1 :]),
        }
        for end, found in (("top", scan.top), ("bottom", scan.bottom))
        for rank, context in enumerate(found, 1)
    )


if __name__ == "__main__":
    run(app)
