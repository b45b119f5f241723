import asyncio
from collections import Counter

import pytest
from support.chat_server import ScriptedServer, completion

from assay.errors import AssayError
from assay.generation.endpoint import ChatApi, ChatError, Endpoint

HELLO = ({"role": "user", "content": "hello"},)
KEY = "sk-a-secret"


def endpoint(url, **changed):
    return Endpoint(url, "m", KEY, **{"attempts": 3, "first_pause": 0.001, "timeout": 5.0, **changed})


def ask(script, **changed):
    """One request; returns what came, the client's retries and how many requests the server saw."""
    with (
        ScriptedServer(script) as server,
        asyncio.Runner() as runner,
        ChatApi(endpoint(server.url, **changed), runner) as api,
    ):
        try:
            came = runner.run(api.complete(HELLO, temperature=0.5, max_tokens=7, seed=3))
        except ChatError as error:
            came = error
        return came, dict(api.retries), server


def test_a_request_carries_what_was_asked_and_the_key():
    seen = []
    came, retries, server = ask(lambda body, _: (seen.append(body), (200, completion("hi", "length")))[1])
    assert (came.text, came.finish, retries) == ("hi", "length", {})
    assert seen == [
        {
            "model": "m",
            "messages": list(HELLO),
            "temperature": 0.5,
            "max_completion_tokens": 7,
            "seed": 3,
        }
    ]
    assert server.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("reply", "category"),
    [
        ((429, "{}"), "rate_limit"),
        ((500, "{}"), "server_error"),
        ((503, "not json"), "server_error"),
        ((200, "not json"), "garbage"),
        ((200, "[1, 2]"), "garbage"),
        ((200, '"text"'), "garbage"),
        ((200, '{"choices": []}'), "garbage"),
        ((200, '{"error": "upstream"}'), "garbage"),
        ((200, completion("")), "empty"),
        ((200, completion(None, "length")), "empty"),
        ((200, completion("  \n")), "empty"),
    ],
)
def test_passing_failures_are_retried_and_counted(reply, category):
    came, retries, _ = ask(lambda _, attempt: reply if attempt < 3 else (200, completion("hi")))
    assert came.text == "hi"
    assert retries == {category: 2}
    came, retries, server = ask(lambda *_: reply)
    assert came.category == category
    assert retries == {category: 2}
    assert server.requests.total() == 3


@pytest.mark.parametrize(
    ("reply", "category"),
    [
        ((200, completion("I", "content_filter")), "content_filter"),
        ((400, '{"error": {"code": "content_filter", "message": "no"}}'), "content_filter"),
        ((400, '{"error": {"message": "too long"}}'), "rejected"),
        ((422, "{}"), "rejected"),
    ],
)
def test_lasting_failures_are_not_retried(reply, category):
    came, retries, server = ask(lambda *_: reply)
    assert came.category == category
    assert (retries, server.requests.total()) == ({}, 1)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_model_ends_the_run(status):
    with pytest.raises(AssayError, match=f"status {status}.*check the key") as error:
        ask(lambda *_: (status, '{"error": {"message": "no such thing"}}'))
    assert "no such thing" in str(error.value)
    assert KEY not in str(error.value)


def test_an_endpoint_that_cannot_be_reached_ends_the_run():
    with ScriptedServer(lambda *_: (200, completion("hi"))) as server:
        url = server.url
    with (
        asyncio.Runner() as runner,
        ChatApi(endpoint(url), runner) as api,
        pytest.raises(AssayError, match="cannot reach"),
    ):
        runner.run(api.complete(HELLO, temperature=0, max_tokens=1))


def test_a_stream_is_bounded_and_complete():
    def script(body, _):
        return 200, completion(body["messages"][0]["content"])

    async def work(number):
        message = {"role": "user", "content": str(number)}
        return int((await api.complete((message,), temperature=0, max_tokens=1)).text)

    with (
        ScriptedServer(script) as server,
        asyncio.Runner() as runner,
        ChatApi(endpoint(server.url, concurrency=3), runner) as api,
    ):
        assert sorted(api.stream(work, range(40))) == list(range(40))
        assert sorted(api.stream(work, range(5))) == list(range(5))  # the same client again
        assert list(api.stream(work, [])) == []
    assert server.most_at_once <= 3
    assert set(server.requests.values()) == {1, 2}


def test_the_first_error_ends_a_stream_and_the_work_under_way():
    started = Counter()

    async def work(number):
        started[number] += 1
        if number == 4:
            raise AssayError("four is wrong")
        await asyncio.sleep(0.001 if number < 4 else 3600)
        return number

    with (
        asyncio.Runner() as runner,
        ChatApi(endpoint("http://127.0.0.1:9/v1", concurrency=2), runner) as api,
        pytest.raises(AssayError, match="four is wrong"),
    ):
        list(api.stream(work, range(100)))
    assert len(started) < 10


def test_a_stream_that_is_left_cancels_what_is_under_way():
    async def work(number):
        await asyncio.sleep(0 if number == 0 else 3600)
        return number

    with asyncio.Runner() as runner, ChatApi(endpoint("http://127.0.0.1:9/v1"), runner) as api:
        stream = api.stream(work, range(5))
        assert next(stream) == 0
        stream.close()
        assert asyncio.all_tasks(runner.get_loop()) == set()


def test_the_key_is_in_no_text_of_an_endpoint():
    assert KEY not in repr(endpoint("http://x/v1"))


@pytest.mark.parametrize(
    ("url", "changed", "message"),
    [
        ("127.0.0.1:8000", {}, "is not a URL"),
        ("http://me:secret@x/v1", {}, "must not hold a password"),
        ("http://x", {"concurrency": 0}, "'concurrency' must be positive"),
        ("http://x", {"attempts": 0}, "'attempts' must be positive"),
    ],
)
def test_endpoints_that_make_no_sense(url, changed, message):
    with pytest.raises(AssayError, match=message) as error:
        endpoint(url, **changed)
    assert "secret" not in str(error.value)


def test_a_schema_is_sent_as_a_response_format():
    seen = []
    schema = {"type": "object"}

    async def complete(api):
        return await api.complete(HELLO, temperature=0, max_tokens=1, schema=schema)

    def script(body, _):
        seen.append(body)
        return 200, completion("{}")

    with (
        ScriptedServer(script) as server,
        asyncio.Runner() as runner,
        ChatApi(endpoint(server.url), runner) as api,
    ):
        runner.run(complete(api))
    assert seen[0]["response_format"]["json_schema"]["schema"] == schema
