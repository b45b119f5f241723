"""Resolve a model alias to exact weights."""

from pathlib import Path

import typer

from assay.models.pin_files import write_pin
from stages.shared.cli import run
from stages.shared.models import base_of, resolve_model
from stages.shared.outputs import FILE

app = typer.Typer(add_completion=False)


@app.command()
def pin(
    model: str = typer.Option(..., help="Alias of `models:` in the params file, or a Hugging Face folder."),
    params: Path = typer.Option(..., help="The params file with the registry."),
    out: Path = typer.Option(..., help="Pin to write (JSON).", rich_help_panel=FILE),
    base: bool = typer.Option(False, help="Pin the model that this one was tuned from (its `base`)."),
) -> None:
    """Resolve a model to its hub commit or content hash, its sizes, dtype rule and tokenizer."""
    resolved = resolve_model(base_of(model, params) if base else model, params)
    write_pin(out, resolved)
    where = f"commit {resolved.revision}" if resolved.kind == "hub" else f"content {resolved.content_hash}"
    typer.echo(
        f"{resolved.alias}: {resolved.model_type}, {resolved.n_layers} layers of {resolved.d_model}, {where}"
    )


if __name__ == "__main__":
    run(app)
