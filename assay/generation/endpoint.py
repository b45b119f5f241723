"""Chat completions from an OpenAI-compatible endpoint: one client for a run, bounded concurrency, retries that are counted."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import openai

from assay.errors import AssayError
from assay.prompts.records import Message

Item = TypeVar("Item")
Result = TypeVar("Result")
Category = Literal[
    "rate_limit", "server_error", "timeout", "connection", "garbage", "empty", "content_filter", "rejected"
]
_RETRIED: tuple[Category, ...] = ("rate_limit", "server_error", "timeout", "connection", "garbage", "empty")
_DETAIL = 200  # characters of a server's message that an error quotes


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask. The key is in no file and in no `repr`.

    `timeout` is in seconds per request; a request is sent at most `attempts` times, with pauses of up to `longest_pause`
    seconds that double from `first_pause` and are shortened by up to a half at random.
    """

    url: str
    model: str
    key: str = field(repr=False)
    concurrency: int = 20
    timeout: float = 60.0
    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise AssayError(
                f"endpoint {self.url!r} is not a URL; give its base, such as http://127.0.0.1:8000/v1"
            )
        if "@" in urlsplit(self.url).netloc:
            raise AssayError(
                "an endpoint's URL must not hold a password; put the key into the environment instead"
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
    """A request that got no usable answer, in the end: a category and what the server said."""

    def __init__(self, category: Category, detail: str):
        super().__init__(f"{category}: {detail}")
        self.category: Category = category
        self.detail = detail


class ChatApi:
    """Context manager around one client; `retries` counts repeated requests by category.

    Clients that work for one another (a judge) share a `runner`, the event loop in which all requests live.
    """

    def __init__(self, endpoint: Endpoint, runner: asyncio.Runner):
        self.endpoint = endpoint
        self.retries: Counter[str] = Counter()
        self._runner = runner

    def __enter__(self) -> Self:
        self._client = openai.AsyncOpenAI(
            base_url=self.endpoint.url,
            api_key=self.endpoint.key,
            timeout=self.endpoint.timeout,
            max_retries=0,  # they are ours, so that they are counted
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
    ) -> Completion:
        """Ask once, and again after passing failures. `schema` is a JSON schema that the answer must follow.

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
        for attempt in range(1, self.endpoint.attempts + 1):
            try:
                return await self._send(request)
            except ChatError as failure:
                if failure.category not in _RETRIED:
                    raise
                if attempt == self.endpoint.attempts:
                    self._refuse_unreachable(failure)
                    raise
                self.retries[failure.category] += 1
            await asyncio.sleep(self._pause(attempt))
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int) -> float:
        longest = min(self.endpoint.longest_pause, self.endpoint.first_pause * 2.0 ** (attempt - 1))
        return float(longest * random.uniform(0.5, 1.0))

    def _refuse_unreachable(self, failure: ChatError) -> None:
        """An outage is no answer: the run ends, instead of counting every further question as a failure."""
        if failure.category == "connection":
            raise AssayError(
                f"cannot reach {self.endpoint.url}: {failure.detail}; start the server or check the URL, then run again"
            ) from failure

    async def _send(self, request: dict[str, Any]) -> Completion:
        try:
            reply: Any = await self._client.chat.completions.create(**request)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise AssayError(
                f"{self.endpoint.url} refuses model {self.endpoint.model!r} (status {error.status_code}): "
                f"{_detail(error)}; check the key, the URL and the model's name"
            ) from error
        except openai.APIError as error:
            raise ChatError(_category(error), _detail(error)) from error
        except ValueError as error:  # a body that is not JSON
            raise ChatError("garbage", _detail(error)) from error
        return _completion(reply)


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


def _completion(reply: Any) -> Completion:
    """Raises ChatError for a reply that is not a chat completion, was filtered or says nothing."""
    try:
        choice = reply.choices[0]
        text, finish = choice.message.content, choice.finish_reason
    except (AttributeError, IndexError, TypeError) as error:
        raise ChatError("garbage", f"no chat completion: {str(reply)[:_DETAIL]}") from error
    if finish == "content_filter" or getattr(choice.message, "refusal", None):
        raise ChatError("content_filter", "the provider filtered the answer")
    if text is not None and not isinstance(text, str):
        raise ChatError("garbage", f"the content is no text: {str(text)[:_DETAIL]}")
    if not text or not text.strip():
        raise ChatError("empty", f"the answer has no content (finish reason {finish})")
    return Completion(text, str(finish))


def _detail(error: Exception) -> str:
    cause = error.__cause__
    text = str(error) if cause is None else f"{error} ({cause})"
    return " ".join(text.split())[:_DETAIL]
