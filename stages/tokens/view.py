"""One HTML page: a text whose tokens are coloured by what the probe of each layer says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.shared.cli import run
from stages.shared.outputs import FILE

if TYPE_CHECKING:
    from assay.prompts.documents import Document

app = typer.Typer(add_completion=False)
PER_DOCUMENT = 1000  # tokens shown of one held-out document, so that several are seen


@app.command()
def view(
    model: Annotated[str, typer.Option(help="pin JSON, alias or folder")],
    next_probes: Annotated[
        Path, typer.Option("--next-probes", help="probes.safetensors of the variant `next`")
    ],
    next_table: Annotated[Path, typer.Option("--next", help="its table of layers")],
    current_probes: Annotated[
        Path, typer.Option("--current-probes", help="the same of the variant `current`")
    ],
    current_table: Annotated[Path, typer.Option("--current")],
    layer: Annotated[str, typer.Option(help="where the slider starts: int, negative int or fraction")],
    target: Annotated[str, typer.Option(help="the study's token")],
    tokens: Annotated[int, typer.Option(help="length of the text", min=1)],
    context: Annotated[int, typer.Option(help="tokens of a chunk, BOS included", min=2)],
    out: Annotated[Path, typer.Option(help="HTML", rich_help_panel=FILE)],
    prompts: Annotated[Path | None, typer.Option(help="show the test documents of these records")] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="or these files, folders or globs; repeatable")
    ] = None,
    params: Annotated[Path, typer.Option(help="where model aliases are defined")] = Path("params.yaml"),
) -> None:
    """Run a text through the model with the probes of all layers and write the page."""
    from assay.models.layers import resolve_layer
    from assay.models.loading import load_model
    from assay.probes.files import load_matching_probes
    from assay.storage.files import write_text
    from assay.studies.tokens.page import Shown, render_tokens
    from assay.studies.tokens.passages import probe_probabilities, take_passages, truths
    from assay.studies.tokens.tables import accuracy_sentences, read_layers
    from assay.studies.tokens.target import target_id
    from stages.shared.models import resolve_model

    pin = resolve_model(model, params)
    start = resolve_layer(layer, pin.n_layers)
    tables = {"next": read_layers(next_table), "current": read_layers(current_table)}
    probes, site = load_matching_probes({"next": next_probes, "current": current_probes}, pin.fingerprint)
    documents = read_documents(prompts, text or [])
    loaded = load_model(pin)
    token = target_id(loaded.tokenizer, target)
    passages = take_passages(loaded.tokenizer, documents, tokens, tokens if text else PER_DOCUMENT)
    said = probe_probabilities(loaded, passages, probes, site=site, context=context)
    layers = sorted(probes["next"])
    questions = [
        Shown(name, truths(passages, token, name), accuracy_sentences(tables[name], layers), said[name])
        for name in probes
    ]
    write_text(
        out, render_tokens(passages, questions, layers=layers, layer=start, target=target, model=pin.alias)
    )


def read_documents(prompts: Path | None, text: list[str]) -> "list[Document]":
    """The held-out documents of `prompts`, or the files of `text`."""
    from assay.errors import AssayError
    from assay.prompts.records import read_records
    from assay.prompts.sources import read_files
    from assay.studies.tokens.passages import held_out_documents

    if prompts is not None and not text:
        return held_out_documents(read_records(prompts))
    if prompts is None and text:
        return read_files(text)
    raise AssayError("say what to show: either --prompts (its test documents) or --text (files)")


if __name__ == "__main__":
    run(app)
