"""How a command line names an OpenAI-compatible endpoint."""

import os
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from assay.errors import AssayError
from stages.shared import counts

if TYPE_CHECKING:
    from assay.generation.endpoint import Endpoint

UrlOption = Annotated[str | None, typer.Option(help="base URL of an OpenAI-compatible endpoint")]
NameOption = Annotated[str | None, typer.Option(help="the model's name there")]
KeyOption = Annotated[
    str, typer.Option(help="environment variable that holds the key; none is needed on this machine")
]
ConcurrencyOption = Annotated[
    int, typer.Option(help="requests under way, a judge's included", min=1, callback=counts.requests)
]
TimeoutOption = Annotated[
    float, typer.Option(help="seconds that a request may take", callback=counts.seconds)
]


def make_endpoint(url: str, model: str, *, key_variable: str, concurrency: int, timeout: float) -> "Endpoint":
    """An endpoint with its key from the environment. Raises AssayError when a server elsewhere would get no key."""
    from assay.generation.endpoint import Endpoint

    key = os.environ.get(key_variable)
    endpoint = Endpoint(url, model, key or "none", concurrency, timeout)
    if not key and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        raise AssayError(
            f"the environment variable {key_variable} is not set; put the key of {url} into it, or name another one "
            "with --key-variable"
        )
    return endpoint
