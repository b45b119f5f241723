"""The judge against a scripted endpoint: what it said is kept by content, and a failure is never a score."""

import json

import pytest
from support.chat_server import ScriptedServer, completion

from assay.errors import AssayError
from assay.evaluation.grading import OpenAnswer, OpenItem, Score, count_states
from assay.evaluation.judging import JudgeGrader, Rubric
from assay.generation.endpoint import Endpoint
from assay.prompts.records import PromptRecord

RUBRIC = Rubric("How polite is the answer?")


def answers(*texts: str) -> list[OpenAnswer]:
    return [OpenAnswer(OpenItem(PromptRecord(f"i{n}", text="Hi")), text) for n, text in enumerate(texts)]


def said(body: dict, _attempt: int) -> tuple[int, str]:
    """90 for thanks, a reply without a score for a riddle, nothing but failure for a crash."""
    shown = json.loads(body["messages"][-1]["content"])["answer"]
    if shown == "crash":
        return 400, json.dumps({"error": {"message": "no"}})
    return 200, completion(
        "I cannot say" if shown == "riddle" else f'{{"score": {90 if shown == "thanks" else 10}}}'
    )


def judge(cache, server=None, rubric=RUBRIC) -> JudgeGrader:
    endpoint = None if server is None else Endpoint(server.url, "m", "none", attempts=2, first_pause=0.01)
    return JudgeGrader(rubric, "m", cache, endpoint)


def test_scores_are_kept_by_content_and_failures_are_asked_again(tmp_path):
    cache = tmp_path / "new" / "judge.jsonl"
    with ScriptedServer(said) as server:
        first = judge(cache, server).grade(answers("thanks", "go", "riddle", "crash", "thanks"))
        assert [one.value for one in first] == [90, 10, None, None, 90]
        assert count_states(first) == {"scores_ok": 3, "scores_pending": 0, "scores_error": 2}
        before = sum(server.requests.values())
        assert before == 4  # equal answers to equal prompts are judged once
        assert judge(cache, server).grade(answers("thanks", "go"))[0].value == 90
        assert sum(server.requests.values()) == before
        judge(cache, server).grade(answers("riddle"))
        assert sum(server.requests.values()) == before + 1


def test_without_an_endpoint_what_is_not_kept_is_pending(tmp_path):
    cache = tmp_path / "judge.jsonl"
    with ScriptedServer(said) as server:
        judge(cache, server).grade(answers("thanks"))
    found = judge(cache).grade(answers("thanks", "new"))
    assert [one.state for one in found] == ["ok", "pending"]
    other = judge(cache, rubric=Rubric("How long is the answer?")).grade(answers("thanks"))
    assert other[0].state == "pending"


@pytest.mark.parametrize("content", [b'{"id": "a"}', b'[{"key": "a"}]\n', b'[{"key": "a", "score": "x"}]\n'])
def test_a_file_that_is_no_cache_is_refused_and_left_alone(tmp_path, content):
    cache = tmp_path / "judge.jsonl"
    cache.write_bytes(content)
    with pytest.raises(AssayError, match="of a judge"):
        judge(cache).grade(answers("thanks"))
    assert cache.read_bytes() == content


@pytest.mark.parametrize("state", [("ok", None), ("error", 1.0), ("pending", 0.0)])
def test_a_value_stands_exactly_where_the_state_is_ok(state):
    with pytest.raises(AssayError):
        Score(*state)
