import json
import sys

import pytest
from support.chat_server import ScriptedServer, completion

from assay.errors import AssayError
from assay.studies.preferences.utilities.topic_judge import Taxonomy, read_taxonomy
from assay.studies.preferences.utilities.topics import read_topics
from stages.preferences import topics
from stages.shared.cli import run

TOPICS = {"math": "numbers and proofs", "fiction": "stories and poems"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = [{"id": f"t{i}", "text": f"task {i}", "topic": ["math", "fiction"][i % 2]} for i in range(6)]
    del rows[5]["topic"]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "taxonomy.json").write_text(json.dumps({"topics": TOPICS}))
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path


def call(folder, monkeypatch, capsys, *words):
    """Exit status, what was written (None: nothing), metrics, and the last line of stderr."""
    base = [
        "--tasks",
        folder / "tasks.jsonl",
        "--out",
        folder / "topics.json",
        "--metrics",
        folder / "m.json",
    ]
    monkeypatch.setattr(sys, "argv", ["stage", *map(str, [*base, *words])])
    with pytest.raises(SystemExit) as status:
        run(topics.app)
    error = capsys.readouterr().err.strip().splitlines()
    if status.value.code:
        return status.value.code, None, None, error[-1]
    return 0, read_topics(folder / "topics.json").of, json.loads((folder / "m.json").read_text()), ""


def test_the_tasks_own_field(folder, monkeypatch, capsys):
    code, found, metrics, _ = call(
        folder, monkeypatch, capsys, "--source", "field", "--taxonomy", folder / "taxonomy.json"
    )
    assert code == 0
    assert found == {"t0": "math", "t1": "fiction", "t2": "math", "t3": "fiction", "t4": "math"}
    assert (metrics["tasks"], metrics["tasks_with_topic"], metrics["tasks_without_topic"]) == (6, 5, 1)
    assert metrics["taxonomy_version"] == Taxonomy(TOPICS).version


def test_a_users_file(folder, monkeypatch, capsys):
    mine = folder / "mine.json"
    mine.write_text(json.dumps({"t1": "math", "t5": "fiction", "t77": "math"}))
    _, found, metrics, _ = call(folder, monkeypatch, capsys, "--source", "file", "--topics", mine)
    assert found == {"t1": "math", "t5": "fiction"}
    assert metrics["tasks_without_topic"] == 4


def test_a_judge(folder, monkeypatch, capsys):
    def script(body, attempt):
        text = json.loads(body["messages"][1]["content"])["task"]
        assert "fiction: stories and poems" in body["messages"][0]["content"]
        assert body["response_format"]["json_schema"]["schema"]["properties"]["topic"]["enum"] == list(TOPICS)
        if text == "task 1" and attempt == 1:
            return 500, "{}"
        if text == "task 2":
            return 200, completion('{"topic": "cooking"}')
        if text == "task 3":
            return 200, completion("x", "content_filter")
        return 200, completion('{"topic": "math"}')

    judge = ["--source", "judge", "--judge-model", "m", "--taxonomy", folder / "taxonomy.json"]
    with ScriptedServer(script) as server:
        code, found, metrics, error = call(
            folder, monkeypatch, capsys, *judge, "--judge-endpoint", server.url
        )
    assert code == 0, error
    assert found == dict.fromkeys(["t0", "t1", "t4", "t5"], "math")
    assert metrics["failures"] == metrics["tasks_without_topic"] == 2
    assert (metrics["failures_garbage"], metrics["failures_content_filter"]) == (1, 1)
    assert metrics["retries_server_error"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "file"], "needs --topics"),
        (["--source", "judge"], "needs --judge-endpoint"),
        (["--source", "field", "--tasks", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--source", "field", "--taxonomy", "nowhere.json"], "nowhere.json does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_1(folder, monkeypatch, capsys, words, message):
    code, _, _, error = call(folder, monkeypatch, capsys, *words)
    assert (code, message in error) == (1, True)
    assert not (folder / "topics.json").exists()


def test_a_topic_outside_the_taxonomy_is_named(folder, monkeypatch, capsys):
    (folder / "taxonomy.json").write_text(json.dumps({"topics": {"math": "numbers", "law": "courts"}}))
    _, _, _, error = call(
        folder, monkeypatch, capsys, "--source", "field", "--taxonomy", folder / "taxonomy.json"
    )
    assert "task 't1' has the topic 'fiction', which the taxonomy does not have" in error


@pytest.mark.parametrize(
    "value", [[], {"topics": {"a": "x"}}, {"topics": {"a": "x", "b": ""}}, {"topics": {"a": 1, "b": "x"}}]
)
def test_malformed_taxonomies(tmp_path, value):
    path = tmp_path / "taxonomy.json"
    path.write_text(json.dumps(value))
    with pytest.raises(AssayError, match=r"taxonomy\.json"):
        read_taxonomy(path)


def test_the_version_changes_with_every_word():
    versions = {Taxonomy(t).version for t in (TOPICS, TOPICS | {"math": "sums"}, {**TOPICS, "law": "courts"})}
    assert len(versions) == 3
