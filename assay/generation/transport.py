"""The HTTP client of an endpoint: replies of bounded size, and no way to be sent on to another server."""

from collections.abc import AsyncIterator

import httpx2
import openai

from assay.errors import AssayError

REPLY_BYTES = 4 * 2**20
"""The most of a reply that is read: an answer of thousands of tokens is a hundredth of it."""


class UnreadableReplyError(Exception):
    """A reply that is too large, compressed, or leads nowhere."""


def make_client() -> httpx2.AsyncClient:
    """A client for `openai.AsyncOpenAI`. Its requests raise UnreadableReplyError, and AssayError for another server."""
    return openai.DefaultAsyncHttpxClient(
        headers={"Accept-Encoding": "identity"}, event_hooks={"response": [_check]}
    )


async def _check(response: httpx2.Response) -> None:
    """Called with the headers, before a redirect is followed and before the body is read."""
    if response.has_redirect_location:
        try:
            there = response.request.url.join(response.headers["Location"])
        except httpx2.InvalidURL as error:
            raise UnreadableReplyError(f"the reply sends on to what is no URL: {error}") from error
        _refuse_elsewhere(response.request.url, there)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise UnreadableReplyError("the reply is compressed, which was not asked for")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream)


def _refuse_elsewhere(here: httpx2.URL, there: httpx2.URL) -> None:
    """Raise AssayError unless `there` is the same server, or its encrypted port."""
    same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
    encrypted = (there.scheme, there.host, there.port) == ("https", here.host, None)
    if not (same or encrypted):
        raise AssayError(
            f"{here.scheme}://{here.netloc.decode()} sends requests on to {there.scheme}://{there.netloc.decode()}, "
            "another server, which gets neither key nor prompts; give that one as the endpoint if it is meant"
        )


class _Bounded(httpx2.AsyncByteStream):
    """A body that raises UnreadableReplyError once it is longer than REPLY_BYTES."""

    def __init__(self, stream: httpx2.AsyncByteStream):
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > REPLY_BYTES:
                raise UnreadableReplyError(f"the reply is longer than {REPLY_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
