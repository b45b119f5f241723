import json

import pytest
from support.chat_server import ScriptedServer, completion

from assay.evaluation.grading import OpenAnswer, OpenItem
from assay.evaluation.judging import JudgeGrader, Rubric
from assay.generation.endpoint import ChatApi, Endpoint
from assay.prompts.records import PromptRecord

RUBRIC = Rubric("How kind is it?")


def answer(text: str) -> OpenAnswer:
    return OpenAnswer(OpenItem(PromptRecord(id="q", text="Say something."), ("a reference",)), text)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(ChatApi, "_pause", lambda *_: 0.001)


def reply(body, _attempt):
    asked = json.loads(body["messages"][-1]["content"])
    said = {"kind": '{"score": 90}', "fenced": '```json\n{"score": 12.5}\n```', "much": '{"score": 900}'}
    return 200, completion(said.get(asked["answer"], "I cannot say"))


def test_scores_states_and_a_cache_by_content(tmp_path):
    texts = ["kind", "kind", "fenced", "much", "unclear"]
    with ScriptedServer(reply) as server:
        endpoint = Endpoint(server.url, "judge-1", "key", attempts=2)
        grade = JudgeGrader(RUBRIC, "judge-1", tmp_path / "cache.jsonl", endpoint).grade
        first = grade([answer(text) for text in texts])
        assert [one.value for one in first] == [90, 90, 12.5, None, None]
        assert [one.state for one in first] == ["ok", "ok", "ok", "error", "error"]
        asked = {
            json.loads(json.loads(body)["messages"][-1]["content"])["answer"]: n
            for body, n in server.requests.items()
        }
        assert asked == {"kind": 1, "fenced": 1, "much": 1, "unclear": 1}
        shown = json.loads(json.loads(next(iter(server.requests)))["messages"][-1]["content"])
        assert shown["references"] == ["a reference"]
        before = sum(server.requests.values())
        assert grade([answer("kind")])[0].value == 90
        assert sum(server.requests.values()) == before, "what was judged is not asked again"
        other = JudgeGrader(Rubric("How long is it?"), "judge-1", tmp_path / "cache.jsonl", endpoint)
        other.grade([answer("kind")])
        assert sum(server.requests.values()) == before + 1, "another rubric is another question"


def test_without_an_endpoint_what_the_cache_lacks_is_pending(tmp_path):
    found = JudgeGrader(RUBRIC, "judge-1", tmp_path / "cache.jsonl").grade([answer("kind")])
    assert [(one.state, one.value) for one in found] == [("pending", None)]
