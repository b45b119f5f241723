import asyncio
import json
import time
from collections import Counter

import pytest
from support.chat_server import ScriptedServer, completion

from assay.errors import AssayError
from assay.generation.endpoint import ChatApi, ChatError, Endpoint

HELLO = ({"role": "user", "content": "hello"},)
KEY = "sk-a-secret"


def endpoint(url, **changed):
    return Endpoint(url, "m", **{"key": KEY, "attempts": 3, "first_pause": 0.001, "timeout": 5.0, **changed})


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
        ("127.0.0.1:8000", {}, "is not a URL; give its base with http://"),
        ("localhost:8000/v1", {}, "is not a URL; give its base with http://"),
        ("http://x/v1?api-key=secret", {}, "must not hold a password, a key or a query"),
        ("http://[::1/v1", {}, "is not a URL"),
        ("http://x:99999/v1", {}, "is not a URL"),
        ("http:///v1", {}, "is not a URL"),
        ("http://me:secret@", {}, "is not a URL"),
        (f"http://x/{KEY}/v1", {}, "must not hold a password, a key or a query"),
        (KEY, {}, "is not a URL"),
        ("http://x", {"key": "sk-a-secret\n"}, "holds a line break"),
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


@pytest.mark.parametrize(
    "script",
    [
        lambda *_: (400, json.dumps({"error": {"message": f"no {KEY} here"}})),
        lambda *_: (500, f"proxy: Authorization: Bearer {KEY}"),
        lambda *_: (401, json.dumps({"error": {"message": f"Incorrect key: {KEY}"}})),
        lambda *_: (429, json.dumps({"error": {"message": KEY, "code": "insufficient_quota"}})),
        lambda *_: (200, json.dumps({"echo": KEY})),
        lambda *_: (200, completion(f"your key is {KEY}", f"stop {KEY}")),
        lambda *_: (200, completion("", KEY)),
        lambda *_: (404, json.dumps({"detail": "x" * 290 + KEY})),
    ],
)
def test_a_key_that_a_server_repeats_is_taken_out(script):
    try:
        came, *_ = ask(script, attempts=1)
    except AssayError as error:
        came = error
    shown = f"{came} {vars(came)}"
    assert "secret" not in shown
    assert "[ke" in shown


def test_a_slow_body_counts_against_the_timeout():
    def script(_, attempt):
        return (200, completion("hi"), {"drip": 0.05}) if attempt == 1 else (200, completion("hi"))

    came, retries, _ = ask(script, timeout=0.6)
    assert (came.text, retries) == ("hi", {"timeout": 1})


def test_a_long_body_is_not_read():
    came, retries, _ = ask(
        lambda _, attempt: (200, completion("x" * 5_000_000)) if attempt == 1 else (200, completion("hi"))
    )
    assert (came.text, retries) == ("hi", {"garbage": 1})
    came, *_ = ask(lambda *_: (200, completion("x" * 5_000_000)), attempts=1)
    assert (came.category, "longer than" in came.detail) == ("garbage", True)
    came, *_ = ask(lambda *_: (200, completion("hi"), {"Content-Encoding": "gzip"}), attempts=1)
    assert (came.category, "compressed" in came.detail) == ("garbage", True)


def test_prompts_go_to_no_other_server():
    with ScriptedServer(lambda *_: (200, completion("stolen"))) as other:
        for status in (301, 302, 303, 307, 308):
            target = f"{other.url}/chat/completions"
            with pytest.raises(
                AssayError, match=r"sends requests on to http://127\.0\.0\.1:.*another server"
            ):
                ask(lambda *_, s=status, t=target: (s, "", {"Location": t}))
        assert other.requests.total() == 0


def test_a_redirect_on_the_same_server_is_followed():
    came, *_ = ask(
        lambda _, attempt: (
            (307, "", {"Location": "/v1/chat/completions/"}) if attempt == 1 else (200, completion("hi"))
        )
    )
    assert came.text == "hi"


def test_a_rate_limit_is_waited_for_longer_than_there_are_attempts():
    came, retries, _ = ask(lambda _, attempt: (429, "{}") if attempt < 9 else (200, completion("hi")))
    assert (came.text, retries) == ("hi", {"rate_limit": 8})
    with pytest.raises(
        AssayError, match=r"limits its rate for more than 0\.05 s: slow down; run again later"
    ):
        ask(lambda *_: (429, '{"error": {"message": "slow down"}}'), patience=0.05)


@pytest.mark.parametrize("status", [429, 503])
def test_the_servers_own_wait_is_heeded_by_all_requests(status):
    times = []

    def script(body, attempt):
        times.append(time.monotonic())
        if body["messages"][0]["content"] == "0" and attempt == 1:
            return status, "{}", {"Retry-After": "1"}
        return 200, completion("hi")

    async def work(number):
        if number:
            await asyncio.sleep(0.2)
        message = {"role": "user", "content": str(number)}
        return (await api.complete((message,), temperature=0, max_tokens=1)).text

    with (
        ScriptedServer(script) as server,
        asyncio.Runner() as runner,
        ChatApi(endpoint(server.url, concurrency=3), runner) as api,
    ):
        assert list(api.stream(work, range(3))) == ["hi"] * 3
    assert min(times[1:]) - times[0] >= 0.95


def test_a_wait_beyond_all_patience_ends_the_run():
    with pytest.raises(AssayError, match="limits its rate for more than 900 s"):
        ask(lambda *_: (429, "{}", {"Retry-After": "3600"}))


@pytest.mark.parametrize(
    "reply",
    [
        (429, '{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'),
        (429, '{"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}}'),
        (402, '{"error": {"message": "You exceeded your current quota"}}'),
    ],
)
def test_a_used_up_quota_ends_the_run(reply):
    with pytest.raises(AssayError, match="You exceeded your current quota; the quota is used up"):
        ask(lambda _, attempt: reply if attempt == 1 else (200, completion("hi")))


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"message": "Unrecognized request argument supplied: NAME"}}',
        '{"error": {"message": "Unsupported parameter", "param": "NAME"}}',
        '{"detail": [{"type": "extra_forbidden", "loc": ["body", "NAME"], "msg": "Extra inputs are not permitted"}]}',
    ],
)
def test_parameters_that_a_server_does_not_know(body, caplog):
    def script(request, _):
        for name in ("max_completion_tokens", "seed"):
            if name in request:
                return 422, body.replace("NAME", name)
        return 200, completion(str(request["max_tokens"]))

    came, retries, server = ask(script)
    assert (came.text, retries, server.requests.total()) == ("7", {}, 3)
    assert [record.args[1] for record in caplog.records] == ["max_completion_tokens", "seed"]


def test_requests_under_way_learn_of_a_parameter_together():
    def script(request, _):
        time.sleep(0.05)
        rejected = "max_completion_tokens" in request
        return (
            (400, '{"error": {"message": "max_completion_tokens?"}}') if rejected else (200, completion("hi"))
        )

    async def work(number):
        message = {"role": "user", "content": str(number)}
        return (await api.complete((message,), temperature=0, max_tokens=1)).text

    with (
        ScriptedServer(script) as server,
        asyncio.Runner() as runner,
        ChatApi(endpoint(server.url, concurrency=4), runner) as api,
    ):
        assert list(api.stream(work, range(8))) == ["hi"] * 8
    assert server.requests.total() == 12


def test_content_in_parts_and_reasoning_apart():
    def reply(**message):
        body = json.loads(completion(None, "length"))
        body["choices"][0]["message"] |= message
        return 200, json.dumps(body)

    came, *_ = ask(
        lambda *_: reply(content=[{"type": "text", "text": "Task "}, {"type": "text", "text": "B"}])
    )
    assert came.text == "Task B"
    came, *_ = ask(lambda *_: reply(content="Task B", reasoning_content="Task A?"))
    assert came.text == "Task B"
    for name in ("reasoning", "reasoning_content"):
        came, *_ = ask(lambda *_, n=name: reply(**{n: "Task A?"}), attempts=1)
        assert (came.category, "only reasoning" in came.detail) == ("empty", True)
    came, *_ = ask(lambda *_: reply(content=[{"type": "image"}]), attempts=1)
    assert came.category == "garbage"


def test_a_body_nested_without_end_is_garbage():
    came, *_ = ask(lambda *_: (200, "[" * 100_000), attempts=1)
    assert came.category == "garbage"
