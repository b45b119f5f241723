"""What is asked, as every stage that asks writes it on its command line."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assay.errors import AssayError
from stages.shared import counts
from stages.shared.counts import MOST_SEED
from stages.shared.endpoints import (
    ConcurrencyOption,
    KeyOption,
    NameOption,
    TimeoutOption,
    UrlOption,
    make_endpoint,
)
from stages.shared.token_budget import BATCH_TOKENS_HELP, token_budget

if TYPE_CHECKING:
    from assay.generation.endpoint import Endpoint
    from assay.studies.preferences.asking.asking import Backend

Mode = Literal["local", "label-probability", "openai"]

ANSWER_LOCAL, ANSWER_REMOTE = (
    16,
    256,
)  # where --max-new-tokens is not given: a label is short, but some servers think
ANSWER_THINKING = 4096  # the same where reasoning is asked for


@dataclass(frozen=True)
class Asking:
    """The options that choose a backend. A command with `@grouped_options` that takes an `Asking` has them all."""

    mode: Annotated[
        Mode, typer.Option(help="generation, exact label probabilities (both of --model), or an endpoint")
    ]
    temperature: Annotated[
        float, typer.Option(help="of sampling; 0 takes the most probable token", callback=counts.temperature)
    ]
    seed: Annotated[
        int,
        typer.Option(
            help="of the sampled answers, and of pairs and their order if drawn", min=0, max=MOST_SEED
        ),
    ]
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
            help=f"most tokens of an answer ({ANSWER_LOCAL} of --model, {ANSWER_REMOTE} of an endpoint, {ANSWER_THINKING} with reasoning)",
            min=1,
            callback=counts.answer,
        ),
    ] = None
    enable_thinking: Annotated[
        bool | None,
        typer.Option(
            help="reasoning before the answer, where the chat template can ask for it (not of --model, as a server likes)"
        ),
    ] = None
    batch_tokens: Annotated[
        int | None, typer.Option(help=BATCH_TOKENS_HELP, min=1, callback=counts.tokens)
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
        if self.mode == "label-probability" and self.enable_thinking:
            raise AssayError(
                "--enable-thinking puts reasoning before the label, of which label-probability asks at once; "
                "give --mode local or openai"
            )

    @property
    def answer_tokens(self) -> int:
        """Most tokens of an answer."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        if self.enable_thinking:
            return ANSWER_THINKING
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
                api,
                COMPLETION_PREFERENCE,
                asking.temperature,
                asking.answer_tokens,
                asking.seed,
                judge,
                asking.enable_thinking,
            )
        else:
            assert judge is not None
            yield JudgedBackend(_local(asking), judge)


def _local(asking: Asking) -> "Backend":
    from assay.models.loading import load_model
    from assay.prompts.choice_template import COMPLETION_PREFERENCE
    from assay.studies.preferences.asking.label_probability import LabelProbabilityBackend
    from assay.studies.preferences.asking.local import LocalBackend
    from stages.shared.models import resolve_model

    assert asking.model is not None
    local = LocalBackend(
        load_model(resolve_model(asking.model, asking.params)),
        COMPLETION_PREFERENCE,
        asking.temperature,
        asking.answer_tokens,
        asking.seed,
        token_budget(asking.batch_tokens),
        thinking=bool(asking.enable_thinking),
    )
    return LabelProbabilityBackend(local) if asking.mode == "label-probability" else local


def provenance(backend: "Backend", more: dict[str, object]) -> dict[str, str]:
    """What determined the answers, for the metadata of a file."""
    facts = {**backend.identity, **more}
    return {
        name: fact if isinstance(fact, str) else json.dumps(fact, sort_keys=True)
        for name, fact in facts.items()
    }
