"""Backends over an endpoint, with a scripted server: what is asked, read, judged and counted."""

import asyncio
import json
from contextlib import ExitStack, contextmanager

import pytest
from support.chat_server import ScriptedServer, completion
from support.toy_backend import ToyBackend

from assay.generation.endpoint import ChatApi, Endpoint
from assay.prompts.choice_template import COMPLETION_PREFERENCE
from assay.studies.preferences.asking.asking import Question
from assay.studies.preferences.asking.judge import ChoiceJudge
from assay.studies.preferences.asking.remote import JudgedBackend, RemoteBackend

QUESTIONS = [Question(str(i), f"task {i}", "another", None if i % 2 else "Be brief.") for i in range(12)]


@contextmanager
def api(*scripts):
    """A client for each script, all in one event loop, and their servers."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        servers = [stack.enter_context(ScriptedServer(script)) for script in scripts]
        endpoints = [
            Endpoint(server.url, f"model-{i}", "k", concurrency=3, attempts=2, first_pause=0.001)
            for i, server in enumerate(servers)
        ]
        yield [stack.enter_context(ChatApi(endpoint, runner)) for endpoint in endpoints], servers


def remote(client, **changed):
    return RemoteBackend(client, COMPLETION_PREFERENCE, **{"temperature": 0.7, "seed": 5, **changed})


def ask(backend, questions=QUESTIONS):
    return {answer.id: answer for group in backend.ask(questions) for answer in group}


@pytest.mark.parametrize("thinking", [None, True, False])
def test_the_server_is_told_of_reasoning_where_the_user_says_so(thinking):
    seen = []

    def script(body, _):
        seen.append(body.get("chat_template_kwargs"))
        return 200, completion("<think>Task A?</think>Task B:")

    with api(script) as ((client,), _):
        backend = remote(client, thinking=thinking)
        assert {answer.choice for answer in ask(backend).values()} == {"b"}
    assert seen == [None if thinking is None else {"enable_thinking": thinking}] * len(QUESTIONS)
    assert backend.identity.get("enable_thinking") is thinking


def number(body):
    return int(body["messages"][-1]["content"].split("Task A: task ")[1].split("\n")[0])


def test_every_answer_goes_to_its_question_and_failures_have_a_category():
    seen = []
    replies = {
        0: (200, completion("Task A: ok")),
        1: (200, completion("Task B: ok")),
        2: (200, completion("I cannot do these.")),
        3: (200, completion("What a day.")),
        4: (429, "{}"),
        5: (200, completion("x", "content_filter")),
        6: (400, "{}"),
        7: (200, "not json"),
        8: (200, completion(None)),
        9: (500, "{}"),
    }

    def script(body, _):
        seen.append(body)
        waited = number(body) == 4 and sum(number(other) == 4 for other in seen) > 1
        return (200, completion("Task A: ok")) if waited else replies[number(body)]

    with api(script) as ((client,), _):
        backend = remote(client)
        answers = ask(backend, QUESTIONS[:10])
        assert dict(backend.retries) == {"rate_limit": 1, "garbage": 1, "empty": 1, "server_error": 1}
    assert [answers[str(i)].choice for i in range(10)] == ["a", "b", "refusal", None, "a"] + [None] * 5
    assert [answers[str(i)].failure for i in range(3, 10)] == [
        "unclear",
        None,  # a rate limit is waited for
        "content_filter",
        "rejected",
        "garbage",
        "empty",
        "server_error",
    ]
    for body in seen:
        roles = [message["role"] for message in body["messages"]]
        assert roles == (["user"] if number(body) % 2 else ["system", "user"])
    assert (
        len({body["seed"] for body in seen}) == 10
    )  # each question has a seed of its own, the same in every attempt


def test_the_judge_reads_what_no_label_decides_inside_the_same_bound():
    """Without a label the answer names the verdict; the judge repeats it. Labels never reach the judge."""
    words = ["Task A: ok", "B", "REFUSAL", "UNCLEAR", "A", "I cannot do the first: B"]

    def model(body, _):
        return 200, completion(words[number(body) % 6])

    judged = []

    def judge(body, attempt):
        content = json.loads(body["messages"][1]["content"])
        judged.append(content)
        verdict = content["response"].split()[-1]
        if verdict == "A" and attempt == 1:
            return 500, "{}"
        return 200, completion(f'```json\n{{"verdict": "{verdict}"}}\n```')

    with api(model, judge) as ((client, judge_client), servers):
        backend = remote(client, judge=ChoiceJudge(judge_client))
        answers = ask(backend)
        assert dict(backend.retries) == {"server_error": 2}
        assert max(server.most_at_once for server in servers) <= 3
    expected = [
        ("a", "exact"),
        ("b", "judge"),
        ("refusal", "judge"),
        (None, None),
        ("a", "judge"),
        ("b", "judge"),
    ]
    expected[0] = ("a", "prefix")
    assert [(answers[str(i)].choice, answers[str(i)].rule) for i in range(12)] == expected * 2
    assert [answers[str(i)].failure for i in (3, 9)] == ["unclear", "unclear"]
    assert {content["task_b"] for content in judged} == {"another"}
    assert "Task A: ok" not in {content["response"] for content in judged}


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        ((200, completion("certainly A")), "judge_garbage"),
        ((200, completion('{"verdict": "a"}')), "judge_garbage"),
        ((200, completion('{"other": "A"}')), "judge_garbage"),
        ((500, "{}"), "judge_server_error"),
        ((400, "{}"), "judge_rejected"),
    ],
)
def test_a_judge_that_fails_is_no_choice(reply, failure):
    with api(lambda *_: (200, completion("Hm.")), lambda *_: reply) as ((client, judge_client), _):
        answers = ask(remote(client, judge=ChoiceJudge(judge_client)), QUESTIONS[:2])
    assert {(answer.choice, answer.failure) for answer in answers.values()} == {(None, failure)}


def test_the_schema_is_left_out_for_endpoints_that_do_not_know_it():
    seen = []

    def judge(body, _):
        seen.append("response_format" in body)
        return 200, completion('{"verdict": "B"}')

    with api(lambda *_: (200, completion("Hm.")), judge) as ((client, judge_client), _):
        for structured in (True, False):
            answers = ask(remote(client, judge=ChoiceJudge(judge_client, structured)), QUESTIONS[:1])
            assert answers["0"].choice == "b"
    assert seen == [True, False]


def test_another_backend_is_judged_too():
    def judge(*_):
        return 200, completion('{"verdict": "REFUSAL"}')

    class Vague(ToyBackend):
        def ask(self, questions):
            for group in super().ask(questions):
                yield [
                    a if a.choice == "a" else type(a)(a.id, None, failure="unclear", text="Hm.")
                    for a in group
                ]

    with api(judge) as ((judge_client,), servers):
        questions = [Question(str(i), *(("x", "y") if i % 3 else ("y", "x"))) for i in range(12)]
        backend = JudgedBackend(Vague(), ChoiceJudge(judge_client))
        answers = ask(backend, questions)
        plain = ask(ToyBackend(), questions)
        assert {name: answer.choice for name, answer in answers.items()} == {
            name: "a" if answer.choice == "a" else "refusal" for name, answer in plain.items()
        }
        assert servers[0].requests.total() == sum(answer.choice == "b" for answer in plain.values()) == 8
        assert backend.identity["judge"]["model"] == "model-0"


def test_the_identity_covers_what_determines_the_answers_and_no_key():
    with api(lambda *_: None, lambda *_: None) as ((one, other), _):
        identities = [
            remote(one),
            remote(other),
            remote(one, temperature=1.0),
            remote(one, max_new_tokens=9),
            remote(one, seed=6),
            remote(one, judge=ChoiceJudge(other)),
        ]
        texts = {json.dumps(backend.identity, sort_keys=True) for backend in identities}
    assert len(texts) == len(identities)
    assert not any('"k"' in text for text in texts)
