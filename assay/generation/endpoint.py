"""Chat completions from an OpenAI-compatible endpoint: one client for a run, bounded concurrency, retries that are counted."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import openai

from assay.errors import AssayError
from assay.generation import replies
from assay.generation.secrets import without_key
from assay.generation.transport import UnreadableReplyError, make_client
from assay.prompts.records import Message

Item = TypeVar("Item")
Result = TypeVar("Result")
Category = Literal[
    "rate_limit", "server_error", "timeout", "connection", "garbage", "empty", "content_filter", "rejected"
]
_RETRIED: tuple[Category, ...] = ("rate_limit", "server_error", "timeout", "connection", "garbage", "empty")
_DETAIL = 300  # characters of a server's message that an error quotes
_INSTEAD = {
    "max_completion_tokens": "max_tokens",
    "seed": None,
}  # for servers that reject a parameter by its name
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask. The key is in no file and in no `repr`.

    `timeout` is in seconds from sending a request to the end of its answer; a request is sent at most `attempts` times,
    with pauses of up to `longest_pause` seconds that double from `first_pause` and are shortened by up to a half at random,
    or as long as the server asks for. Against a rate limit it is sent again until `patience` seconds have passed.
    """

    url: str
    model: str
    key: str = field(repr=False)
    concurrency: int = 20
    timeout: float = 60.0
    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 30.0
    patience: float = 900.0

    def __post_init__(self) -> None:
        shown = without_key(self.url, self.key)
        try:
            parts = urlsplit(self.url)
            complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # brackets without an address, a port that is none
            complete = False
        if not complete:
            raise AssayError(
                f"endpoint {shown.rpartition('@')[2]!r} is not a URL; give its base with http:// or https://, such as http://127.0.0.1:8000/v1"
            )
        if not self.key.isascii() or not self.key.isprintable() or " " in self.key:
            raise AssayError(
                "the endpoint's key holds a line break or another character that no key has; set it again"
            )
        if "@" in parts.netloc or parts.query or parts.fragment or shown != self.url:
            raise AssayError(
                "an endpoint's URL must not hold a password, a key or a query, for it is written into results; put the key "
                "into the environment instead"
            )
        for name in ("concurrency", "attempts", "timeout"):
            if getattr(self, name) <= 0:
                raise AssayError(f"endpoint: '{name}' must be positive, found {getattr(self, name)}")


@dataclass(frozen=True)
class Completion:
    """What an endpoint said, and why it ended (`stop`, `length`, or the server's own word)."""

    text: str
    finish: str


class ChatError(Exception):
    """A request that got no usable answer, in the end: a category, what the server said, and the seconds it asks to wait."""

    def __init__(self, category: Category, detail: str, wait: float | None = None):
        super().__init__(f"{category}: {detail}")
        self.category: Category = category
        self.detail = detail
        self.wait = wait


class ChatApi:
    """Context manager around one client; `retries` counts repeated requests by category.

    Clients that work for one another (a judge) share a `runner`, the event loop in which all requests live.
    """

    def __init__(self, endpoint: Endpoint, runner: asyncio.Runner):
        self.endpoint = endpoint
        self.retries: Counter[str] = Counter()
        self._runner = runner
        self._rejected: set[str] = set()  # parameters that this server does not know
        self._resume = 0.0  # in the loop's time: before it, the server wants no request

    def __enter__(self) -> Self:
        self._client = openai.AsyncOpenAI(
            base_url=self.endpoint.url,
            api_key=self.endpoint.key,
            timeout=self.endpoint.timeout,
            max_retries=0,  # they are ours, so that they are counted
            http_client=make_client(),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.run(self._client.close())

    def stream(self, work: Callable[[Item], Awaitable[Result]], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of `work` in the order in which they come, at most `concurrency` under way or not yet taken.

        A result is taken once the next is asked for, so no more than these are lost when the process is killed.
        `work` may send several requests, one after the other: they count as one. Its first exception ends the stream.
        """
        loop = self._runner.get_loop()
        results: asyncio.Queue[Result | None] = asyncio.Queue()
        room = asyncio.Semaphore(self.endpoint.concurrency)
        supervisor = loop.create_task(self._work_all(work, iter(items), results, room))
        try:
            while (result := loop.run_until_complete(results.get())) is not None:
                yield result
                room.release()
            loop.run_until_complete(supervisor)
        finally:
            supervisor.cancel()
            if not loop.is_closed():  # it is when the consumer failed and this is its garbage
                with suppress(asyncio.CancelledError, AssayError):
                    loop.run_until_complete(supervisor)

    async def _work_all(
        self,
        work: Callable[[Item], Awaitable[Result]],
        items: Iterator[Item],
        results: "asyncio.Queue[Result | None]",
        room: asyncio.Semaphore,
    ) -> None:
        async def worker() -> None:
            for item in items:
                await room.acquire()
                results.put_nowait(await work(item))

        workers = [asyncio.ensure_future(worker()) for _ in range(self.endpoint.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for one in workers:
                one.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            results.put_nowait(None)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        temperature: float,
        max_tokens: int,
        seed: int | None = None,
        schema: dict[str, Any] | None = None,
        thinking: bool | None = None,
    ) -> Completion:
        """Ask once, and again after passing failures. `schema` is a JSON schema that the answer must follow; `thinking` goes to
        the server's chat template as `enable_thinking`, the way vLLM, SGLang and llama.cpp take it.

        Raises ChatError when no attempt succeeded, and AssayError when none can: the key or the model is refused, or the
        endpoint cannot be reached.
        """
        request: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": list(messages),
            "temperature": temperature,
            "max_completion_tokens": max_tokens,
        }
        if seed is not None:
            request["seed"] = seed
        if schema is not None:
            json_schema = {"name": "answer", "strict": True, "schema": schema}
            request["response_format"] = {"type": "json_schema", "json_schema": json_schema}
        if thinking is not None:
            request["extra_body"] = {"chat_template_kwargs": {"enable_thinking": thinking}}
        began = self._runner.get_loop().time()
        for attempt in count(1):
            try:
                return await self._send(request)
            except ChatError as failure:
                if failure.category not in _RETRIED:
                    raise
                pause = self._pause(attempt, failure)
                if failure.category == "rate_limit":
                    self._refuse_to_wait(failure, self._runner.get_loop().time() + pause - began)
                elif attempt >= self.endpoint.attempts:
                    self._refuse_unreachable(failure)
                    raise
                self.retries[failure.category] += 1
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, failure: ChatError) -> float:
        """Seconds before the next attempt. What a server asks for, it asks of all requests."""
        longest = min(self.endpoint.longest_pause, self.endpoint.first_pause * 2.0 ** min(attempt - 1, 30))
        pause = float(longest * random.uniform(0.5, 1.0))
        if failure.wait is None:
            return pause
        self._resume = max(
            self._resume, self._runner.get_loop().time() + min(failure.wait, self.endpoint.patience)
        )
        return failure.wait + random.uniform(0.0, self.endpoint.first_pause)

    def _refuse_to_wait(self, failure: ChatError, waited: float) -> None:
        """A limit that lasts is no answer either."""
        if waited > self.endpoint.patience:
            raise AssayError(
                f"{self.endpoint.url} limits its rate for more than {self.endpoint.patience:g} s: {failure.detail}; "
                "run again later or lower the concurrency, answers so far are kept"
            ) from failure

    def _refuse_unreachable(self, failure: ChatError) -> None:
        """An outage is no answer: the run ends, instead of counting every further question as a failure."""
        if failure.category == "connection":
            raise AssayError(
                f"cannot reach {self.endpoint.url}: {failure.detail}; start the server or check the URL, then run again"
            ) from failure

    async def _send(self, request: dict[str, Any]) -> Completion:
        """One request, the parameters that the server rejects left out or under their other name."""
        await asyncio.sleep(max(0.0, self._resume - self._runner.get_loop().time()))
        sent = _adapted(request, self._rejected)
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                reply: Any = await self._client.chat.completions.create(**sent)
        except TimeoutError as error:
            raise ChatError("timeout", f"no whole answer within {self.endpoint.timeout:g} s") from error
        except openai.APIStatusError as error:
            if self._learn(sent, error):
                return await self._send(request)
            self._refuse_lasting(error)
            wait = replies.asked_wait(error.response.headers)
            raise ChatError(_category(error), self._said(error), wait) from error
        except openai.APIError as error:
            raise ChatError(_category(error), self._said(error)) from error
        except (UnreadableReplyError, ValueError, RecursionError) as error:  # no JSON, or nested without end
            raise ChatError("garbage", self._said(error)) from error
        return _completion(reply, partial(without_key, key=self.endpoint.key))

    def _learn(self, sent: dict[str, Any], error: openai.APIStatusError) -> bool:
        """Whether the server rejects a parameter of what was sent that can be left out or renamed."""
        if error.status_code not in (400, 422):
            return False
        named = {name for name in _INSTEAD if name in sent and replies.names_parameter(error, name)}
        for name in sorted(named - self._rejected):
            _LOG.warning(
                "%s rejects %s (%s): it is %s",
                self.endpoint.url,
                name,
                self._said(error),
                f"called {_INSTEAD[name]}" if _INSTEAD[name] else "left out, and answers cannot be repeated",
            )
        self._rejected |= named
        return bool(named)

    def _refuse_lasting(self, error: openai.APIStatusError) -> None:
        """Raise AssayError for what no further request changes."""
        refused = f"{self.endpoint.url} refuses model {self.endpoint.model!r} (status {error.status_code}): {self._said(error)}"
        if replies.is_out_of_quota(error):
            raise AssayError(f"{refused}; the quota is used up, run again when there is a new one") from error
        if error.status_code in (401, 403, 404):
            raise AssayError(f"{refused}; check the key, the URL and the model's name") from error

    def _said(self, error: Exception) -> str:
        return without_key(replies.sentence(error), self.endpoint.key)[:_DETAIL]


def _adapted(request: dict[str, Any], rejected: set[str]) -> dict[str, Any]:
    """The request with the parameters in `rejected` left out, or under the older name that they have."""
    names = {name: _INSTEAD[name] if name in rejected else name for name in request}
    return {new: request[name] for name, new in names.items() if new is not None}


def _category(error: openai.APIError) -> Category:
    if isinstance(error, openai.APITimeoutError):
        return "timeout"
    if isinstance(error, openai.APIConnectionError):
        return "connection"
    if isinstance(error, openai.RateLimitError):
        return "rate_limit"
    if isinstance(error, openai.APIStatusError):
        if error.status_code >= 500 or error.status_code in (408, 409):
            return "server_error"
        return "content_filter" if "content_filter" in str(error.body) else "rejected"
    return "garbage"


def _completion(reply: Any, cleaned: Callable[[str], str]) -> Completion:
    """Raises ChatError for a reply that is not a chat completion, was filtered or says nothing."""
    try:
        choice = reply.choices[0]
        message, finish = choice.message, cleaned(str(choice.finish_reason))[:_DETAIL]
        text = replies.message_text(message.content)
    except (AttributeError, IndexError, TypeError) as error:
        raise ChatError("garbage", f"no chat completion: {cleaned(str(reply))[:_DETAIL]}") from error
    if finish == "content_filter" or getattr(message, "refusal", None):
        raise ChatError("content_filter", "the provider filtered the answer")
    if not text or not text.strip():
        what = (
            "only reasoning, no answer: allow more tokens" if replies.reasoning_of(message) else "no content"
        )
        raise ChatError("empty", f"the reply has {what} (finish reason {finish})")
    return Completion(cleaned(text), finish)
