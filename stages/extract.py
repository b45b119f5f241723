"""Read activations of a model at chosen tokens."""

from pathlib import Path

import typer

from stages.shared import counts
from stages.shared.cli import run
from stages.shared.outputs import FILE
from stages.shared.scratch import scratch_root
from stages.shared.token_budget import BATCH_TOKENS_HELP, token_budget

app = typer.Typer(add_completion=False)


@app.command()
def extract(
    model: str = typer.Option(..., help="Alias of the params file, Hugging Face folder, or pin (JSON)."),
    prompts: Path = typer.Option(..., help="Prompt records (JSONL)."),
    site: str = typer.Option(..., help="resid, attn_out, mlp_out, mlp_neurons or heads."),
    layers: str = typer.Option(..., help='"all" or a comma-separated list such as 0,5,-1,0.5.'),
    position: str = typer.Option(
        ..., help="Tokens to read: 'prompt[-1]', 'response[:]', span:<name>, explicit …"
    ),
    pooling: str = typer.Option(..., help="none, mean, last or max over the tokens of the position."),
    out: Path = typer.Option(..., help="Activation store to write (HDF5).", rich_help_panel=FILE),
    dtype: str = typer.Option(
        "auto", help="float32, bfloat16 or float16; auto keeps every bit of the model's dtype."
    ),
    batch_tokens: int | None = typer.Option(None, help=BATCH_TOKENS_HELP, min=1, callback=counts.tokens),
    metrics: Path | None = typer.Option(None, help="Counts to write (JSON).", rich_help_panel=FILE),
    params: Path = typer.Option(Path("params.yaml"), help="The params file with the registry."),
) -> None:
    """Write the activations at a position of every prompt to a store. Killed, it goes on where it was.

    Unfinished work waits in the folder that ASSAY_SCRATCH names, else in .scratch; give it an absolute path so that
    temporary checkouts share it.
    """
    from dataclasses import asdict

    from assay.activations.extraction import extract
    from assay.activations.request import parse_request
    from assay.models.loading import load_model, runtime_dtype
    from assay.prompts.records import iter_records
    from assay.storage.files import write_json
    from stages.shared.first_token import pools_first_token, warning
    from stages.shared.models import resolve_model
    from stages.shared.progress import reading_progress

    pin = resolve_model(model, params)
    request = parse_request(
        site=site,
        layers=layers,
        position=position,
        pooling=pooling,
        dtype=dtype,
        token_budget=token_budget(batch_tokens),
        n_layers=pin.n_layers,
        model_dtype=runtime_dtype(pin),
    )
    first_pooled = pools_first_token(position, pooling)
    if first_pooled:
        typer.echo(warning(position, pooling), err=True)
    n_records = sum(1 for _ in iter_records(prompts))  # a malformed row fails here, before any weights load
    loaded = load_model(pin)
    with reading_progress() as progress:
        counts = extract(
            loaded, iter_records(prompts), request, out, scratch=scratch_root(), progress=progress
        )
    typer.echo(
        f"{out}: {counts.rows} rows of {len(request.layers)} layers from {n_records} records "
        f"({counts.tokens} tokens), none dropped"
    )
    if metrics is not None:
        write_json(metrics, asdict(counts) | ({"first_token_pooled": counts.records} if first_pooled else {}))
    if counts.defused:
        typer.echo(
            f"{counts.defused} strings of control tokens in {counts.defused_records} records were read as plain text (defused); "
            'a record with "rendered": true, or with response_ids, means them',
            err=True,
        )
    if counts.bos_added:
        typer.echo(
            f"{counts.bos_added} prompts got the BOS {loaded.tokenizer.bos_token!r}, which the tokenizer alone does not put there",
            err=True,
        )


if __name__ == "__main__":
    run(app)
