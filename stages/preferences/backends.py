"""What is asked, as every stage that asks writes it on its command line."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from assay.errors import AssayError

if TYPE_CHECKING:
    from assay.generation.endpoint import Endpoint
    from assay.studies.preferences.asking.asking import Backend

Mode = Literal["local", "label-probability", "openai"]
TOKENS_CPU, TOKENS_CUDA = 2048, 16384  # where --batch-tokens is not given

ANSWER_LOCAL, ANSWER_REMOTE = (
    16,
    256,
)  # where --max-new-tokens is not given: a label is short, but some servers think

UrlOption = Annotated[str | None, typer.Option(help="base URL of an OpenAI-compatible endpoint")]
NameOption = Annotated[str | None, typer.Option(help="the model's name there")]
KeyOption = Annotated[
    str, typer.Option(help="environment variable that holds the key; none is needed on this machine")
]
ConcurrencyOption = Annotated[int, typer.Option(help="requests under way, a judge's included")]
TimeoutOption = Annotated[float, typer.Option(help="seconds that a request may take")]


@dataclass(frozen=True)
class Asking:
    """The options that choose a backend. A command that takes an `Asking` (`takes_asking`) has all of them."""

    mode: Annotated[
        Mode, typer.Option(help="generation, exact label probabilities (both of --model), or an endpoint")
    ]
    temperature: Annotated[float, typer.Option(help="of sampling; 0 takes the most probable token")]
    seed: Annotated[int, typer.Option(help="of the sampled answers, and of pairs and their order if drawn")]
    model: Annotated[
        str | None, typer.Option(help="alias of the params file, Hugging Face folder, or pin (JSON)")
    ] = None
    endpoint: UrlOption = None
    endpoint_model: NameOption = None
    judge_endpoint: UrlOption = None
    judge_model: NameOption = None
    key_variable: KeyOption = "OPENAI_API_KEY"
    concurrency: ConcurrencyOption = 20
    timeout: TimeoutOption = 60.0
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            help=f"most tokens of an answer ({ANSWER_LOCAL} of --model, {ANSWER_REMOTE} of an endpoint)"
        ),
    ] = None
    batch_tokens: Annotated[
        int | None,
        typer.Option(help=f"padded tokens in a batch ({TOKENS_CPU} on a CPU, {TOKENS_CUDA} on a GPU)"),
    ] = None
    params: Annotated[Path, typer.Option(help="the params file with the registry of models")] = Path(
        "params.yaml"
    )

    def __post_init__(self) -> None:
        wanted, unwanted = ("endpoint", "model") if self.mode == "openai" else ("model", "endpoint")
        if getattr(self, wanted) is None:
            raise AssayError(f"mode {self.mode} needs --{wanted}")
        if getattr(self, unwanted) is not None:
            raise AssayError(f"mode {self.mode} has no use for --{unwanted}; leave it out")
        for url, name in (("endpoint", "endpoint_model"), ("judge_endpoint", "judge_model")):
            if (getattr(self, url) is None) != (getattr(self, name) is None):
                raise AssayError(f"give --{url.replace('_', '-')} and --{name.replace('_', '-')} together")

    @property
    def answer_tokens(self) -> int:
        """Most tokens of an answer."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        return ANSWER_REMOTE if self.mode == "openai" else ANSWER_LOCAL

    def connection(self, url: str, model: str) -> "Endpoint":
        """The endpoint at `url`, with the options that all requests share."""
        return make_endpoint(
            url,
            model,
            key_variable=self.key_variable,
            concurrency=self.concurrency,
            timeout=self.timeout,
        )


def takes_asking(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every option of `Asking` on its command line, in place of its keyword argument `asking`."""

    @wraps(command)
    def run_command(**given: object) -> None:
        options: dict[str, Any] = {field.name: given.pop(field.name) for field in fields(Asking)}
        command(asking=Asking(**options), **given)

    own = [p for name, p in signature(command, eval_str=True).parameters.items() if name != "asking"]
    added = signature(Asking, eval_str=True).parameters.values()
    together = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in (*own, *added)]
    vars(run_command)["__signature__"] = Signature(together)
    run_command.__annotations__ = {p.name: p.annotation for p in together}
    return run_command


@contextmanager
def open_backend(asking: Asking) -> Iterator["Backend"]:
    """The backend that the options describe; its connections are closed at the end."""
    if asking.endpoint is None and asking.judge_endpoint is None:
        yield _local(asking)
        return
    from assay.generation.endpoint import ChatApi
    from assay.prompts.choice_template import COMPLETION_PREFERENCE
    from assay.studies.preferences.asking.judge import ChoiceJudge
    from assay.studies.preferences.asking.remote import JudgedBackend, RemoteBackend

    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())

        def connect(url: str | None, model: str | None) -> ChatApi | None:
            if url is None or model is None:
                return None
            return stack.enter_context(ChatApi(asking.connection(url, model), runner))

        judge_api = connect(asking.judge_endpoint, asking.judge_model)
        judge = None if judge_api is None else ChoiceJudge(judge_api)
        api = connect(asking.endpoint, asking.endpoint_model)
        if api is not None:
            yield RemoteBackend(
                api, COMPLETION_PREFERENCE, asking.temperature, asking.answer_tokens, asking.seed, judge
            )
        else:
            assert judge is not None
            yield JudgedBackend(_local(asking), judge)


def _local(asking: Asking) -> "Backend":
    import torch

    from assay.models.loading import load_model
    from assay.prompts.choice_template import COMPLETION_PREFERENCE
    from assay.studies.preferences.asking.label_probability import LabelProbabilityBackend
    from assay.studies.preferences.asking.local import LocalBackend
    from stages.shared.models import resolve_model

    assert asking.model is not None
    default_budget = TOKENS_CUDA if torch.cuda.is_available() else TOKENS_CPU
    local = LocalBackend(
        load_model(resolve_model(asking.model, asking.params)),
        COMPLETION_PREFERENCE,
        asking.temperature,
        asking.answer_tokens,
        asking.seed,
        default_budget if asking.batch_tokens is None else asking.batch_tokens,
    )
    return LabelProbabilityBackend(local) if asking.mode == "label-probability" else local


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


def scratch_root() -> Path:
    """Where unfinished work waits."""
    return Path(os.environ.get("ASSAY_SCRATCH", ".scratch"))


def provenance(backend: "Backend", more: dict[str, object]) -> dict[str, str]:
    """What determined the answers, for the metadata of a file."""
    facts = {**backend.identity, **more}
    return {
        name: fact if isinstance(fact, str) else json.dumps(fact, sort_keys=True)
        for name, fact in facts.items()
    }
