"""The command as people run it: killed, resumed, refused."""

import json
import os
import random
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest
import torch
from support.chat_server import ScriptedServer, completion
from support.forked import SERVER
from support.toy_chooser import save_chooser

from assay.studies.preferences.shifts.condition_counts import read_condition_choices
from assay.studies.preferences.utilities.measurements import read_comparisons
from stages.preferences import ask_pairs, measure
from stages.shared.cli import run

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "the",
    "mat",
    "and",
    "a",
    "dog",
    "ran",
    "to",
    "Paris",
    "Rome",
    "Oslo",
    "question",
    "city",
]
OPTIONS = {
    "temperature": "1.0",
    "samples": "2",
    "degree": "4",
    "batch": "12",
    "max-iterations": "3",
    "threshold": "0.9999",
    "seed": "0",
}


def arguments(folder: Path, out: str, **changed: str) -> list[str]:
    options = {
        "tasks": str(folder / "tasks.jsonl"),
        "out": str(folder / out / "measurements.parquet"),
        "failures": str(folder / out / "failures.jsonl"),
        "metrics": str(folder / out / "metrics.json"),
    }
    options |= OPTIONS | {name.replace("_", "-"): value for name, value in changed.items()}
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def local(folder: Path, mode: str = "local") -> dict[str, str]:
    return {"mode": mode, "model": str(folder / "model"), "batch_tokens": "200"}


def run_stage(words: list[str], scratch: Path, log: Path) -> None:
    """In a forked process: what `python -m stages.preferences.measure` does, its output in `log`."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    torch.set_num_threads(1)
    os.environ["ASSAY_SCRATCH"] = str(scratch)
    sys.argv = ["stages.preferences.measure", *words]
    run(measure.app)


def start(folder: Path, words: list[str]) -> BaseProcess:
    process = SERVER.Process(target=run_stage, args=(words, folder / "scratch", folder / "log"))
    process.start()
    return process


def finish(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


def journal(folder: Path) -> list[dict]:
    """All answers in the journal, group by group; a group that is being written is none yet."""
    lines = [
        line
        for path in (folder / "scratch").glob("*/answers.jsonl")
        for line in path.read_bytes().split(b"\n")[:-1]
    ]
    return [answer for line in lines for answer in json.loads(line)]


def kill_when(folder: Path, process: BaseProcess, answers: int, pause: float) -> None:
    deadline = time.monotonic() + 120
    while len(journal(folder)) < answers:
        assert process.is_alive(), (folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(pause)
    process.kill()
    assert finish(process) == -signal.SIGKILL


def files(folder: Path, out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / out).iterdir()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    save_chooser(folder / "model")
    rng = random.Random(0)
    rows = [
        {"id": f"t{i}", "text": " ".join(rng.choices(WORDS, k=rng.randint(2, 9))), "topic": "x"}
        for i in range(14)
    ]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("mode", ["local", "label-probability"])
def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(world: Path, mode: str) -> None:
    assert finish(start(world, arguments(world, f"whole-{mode}", **local(world, mode)))) == 0, (
        world / "log"
    ).read_text()
    whole, moments = files(world, f"whole-{mode}"), random.Random(0)
    total = json.loads(whole["metrics.json"])["answers"]
    words = arguments(world, f"killed-{mode}", **local(world, mode))
    for kill in range(3):
        before = journal(world)
        target = total * kill // 4 + moments.randint(1, total // 5)
        kill_when(world, start(world, words), max(target, len(before)), moments.random() * 0.03)
        after = journal(world)
        assert after[: len(before)] == before  # what was answered is kept
        assert not (world / f"killed-{mode}").exists()
    answered = [answer["id"] for answer in journal(world)]
    assert len(answered) == len(set(answered)) > total // 4  # and nothing was asked twice
    assert finish(start(world, words)) == 0
    assert files(world, f"killed-{mode}") == whole
    assert f"{len(answered)} of an earlier run" in (world / "log").read_text()
    assert list((world / "scratch").iterdir()) == []


def test_an_endpoint_is_not_asked_again_what_it_answered(world: Path) -> None:
    def script(body: dict, _: int) -> tuple[int, str]:
        time.sleep(0.003)
        return 200, completion("Task A: yes" if body["seed"] % 3 else "Task B: no")

    with ScriptedServer(script) as server:
        asked = {"mode": "openai", "endpoint": server.url, "endpoint_model": "m", "concurrency": "4"}
        assert finish(start(world, arguments(world, "whole-openai", **asked))) == 0, (
            world / "log"
        ).read_text()
        whole = files(world, "whole-openai")
        assert set(server.requests.values()) == {1}
        server.requests.clear()
        words = arguments(world, "killed-openai", **asked)
        for target in (10, 40, 70):
            kill_when(world, start(world, words), target, 0.005)
        assert finish(start(world, words)) == 0
        twice = sum(count - 1 for count in server.requests.values())
        assert twice <= 3 * 4  # at a kill, at most `concurrency` answers are on their way
    assert files(world, "killed-openai") == whole


def test_what_is_written(world: Path) -> None:
    assert finish(start(world, arguments(world, "plain", **local(world)))) == 0, (world / "log").read_text()
    table = pd.read_parquet(world / "plain" / "measurements.parquet")
    metrics = json.loads((world / "plain" / "metrics.json").read_text())
    assert set(table["choice"]) == {"a", "b", "refusal"}
    assert len(table) == metrics["answers"] - metrics["failures"]
    comparisons = read_comparisons(world / "plain" / "measurements.parquet")  # what the fit reads
    assert comparisons.refusals.sum() == (table["choice"] == "refusal").sum()
    assert comparisons.first_wins.sum() == (table["choice"] == "a").sum()
    pairs = table.groupby([table[["task_a", "task_b"]].min(axis=1), table[["task_a", "task_b"]].max(axis=1)])
    assert len(pairs) == metrics["pairs"]
    assert pairs["task_a"].nunique().max() == 1  # each pair has one presentation
    assert (table["choice"] == "refusal").mean() == pytest.approx(metrics["refused"])
    chosen = table[table["choice"] != "refusal"]
    assert (chosen["choice"] == "a").mean() == pytest.approx(metrics["first_chosen"])
    assert metrics["refused_lo"] < metrics["refused"] < metrics["refused_hi"]
    first = table[table["iteration"] == 0]
    degrees = pd.concat([first["task_a"], first["task_b"]]).value_counts()
    assert set(degrees) == {4 * 2}


def call(app, words: list[str], monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["stage", *words])
    with pytest.raises(SystemExit) as exit_status:
        run(app)
    return exit_status.value.code, capsys.readouterr().err


def test_bad_input_is_one_line_and_exit_1(world, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    everything = tmp_path / "everything"
    everything.write_text("".join(f"t{i}\n" for i in range(13)))
    good = local(world)
    remote = {"mode": "openai", "endpoint": "http://example.org/v1", "endpoint_model": "m"}
    for changed, message in (
        ({"mode": "local"}, "needs --model"),
        ({**remote, "model": "x"}, "no use for --model"),
        ({**good, "judge_endpoint": "http://localhost:1"}, "--judge-model together"),
        ({**remote, "key_variable": "NO_SUCH_KEY"}, "NO_SUCH_KEY is not set"),
        ({**good, "model": "gemma-9"}, "no model 'gemma-9'"),
        ({**good, "temperature": "-1"}, "Invalid value for '--temperature'"),
        ({**good, "degree": "0"}, "'--degree'"),
        ({**good, "exclude": str(everything)}, "1 of 14 tasks are left"),
        ({**good, "exclude": str(tmp_path / "nothing")}, "cannot read"),
        ({**good, "tasks": str(tmp_path / "nothing.jsonl")}, "nothing.jsonl"),
    ):
        code, error = call(
            measure.app,
            arguments(tmp_path, "out", **{"tasks": str(world / "tasks.jsonl")} | changed),
            monkeypatch,
            capsys,
        )
        assert code == 1, error
        assert message in error.splitlines()[-1]
        assert not (tmp_path / "out").exists()


def test_given_pairs_are_asked_in_both_orders(world, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path / "scratch"))
    seen = []
    texts = [json.loads(line)["text"] for line in (world / "tasks.jsonl").read_text().splitlines()]

    def script(body: dict, _: int) -> tuple[int, str]:
        """Always chooses the text of t3; refuses under a system prompt when that comes first."""
        *system, question = [message["content"] for message in body["messages"]]
        seen.append((tuple(system), question))
        first = question.index(texts[3]) < question.index(texts[5])
        if system and first:
            return 200, completion("I cannot do either.")
        return 200, completion("**Task A**: ok" if first else "Task B: ok")

    rows = [
        {"condition_id": "none", "task_a": "t3", "task_b": "t5"},
        {"condition_id": "cat", "task_a": "t5", "task_b": "t3", "system_prompt": "You hate cats."},
    ]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--tasks", str(world / "tasks.jsonl"), "--pairs", str(pairs), "--mode", "openai", "--seed", "0"]
    words += [
        "--temperature",
        "0.7",
        "--repeats",
        "4",
        "--endpoint-model",
        "m",
        "--metrics",
        str(tmp_path / "m.json"),
    ]
    with ScriptedServer(script) as server:
        for out in ("counts.json", "counts.parquet"):
            monkeypatch.setattr(
                sys, "argv", ["stage", *words, "--endpoint", server.url, "--out", str(tmp_path / out)]
            )
            with pytest.raises(SystemExit) as exit_status:
                run(ask_pairs.app)
            assert exit_status.value.code == 0, capsys.readouterr().err
    assert json.loads((tmp_path / "counts.json").read_text())["results"] == [
        {
            "condition_id": "none",
            "task_a": "t3",
            "task_b": "t5",
            "n_a": 4,
            "n_b": 0,
            "n_refusals": 0,
            "n_total": 4,
        },
        {
            "condition_id": "cat",
            "task_a": "t5",
            "task_b": "t3",
            "n_a": 0,
            "n_b": 2,
            "n_refusals": 2,
            "n_total": 4,
        },
    ]
    read = read_condition_choices(tmp_path / "counts.json")
    assert (read.conditions, read.n_failed) == (("none", "cat"), 0)
    table = pd.read_parquet(tmp_path / "counts.parquet")
    assert table.to_dict("records") == json.loads((tmp_path / "counts.json").read_text())["results"]
    assert json.loads((tmp_path / "m.json").read_text())["refused"] == 0.25
    assert {len(system) for system, _ in seen} == {0, 1}
    with ScriptedServer(script) as server:
        odd = [*words, "--endpoint", server.url, "--out", str(tmp_path / "x.json"), "--repeats", "3"]
        code, error = call(ask_pairs.app, odd, monkeypatch, capsys)
    assert (code, "repeats must be even" in error) == (1, True)


def test_the_servers_own_words_when_nothing_is_answered(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("SOME_KEY", "sk-a-secret")
    (tmp_path / "tasks.jsonl").write_text("".join(f'{{"id": "t{i}", "text": "do {i}"}}\n' for i in range(3)))
    said = '{"error": {"message": "This model does not support temperature 1.0 with key sk-a-secret."}}'
    with ScriptedServer(lambda *_: (400, said)) as server:
        asked = {"mode": "openai", "endpoint": server.url, "endpoint_model": "m", "key_variable": "SOME_KEY"}
        words = arguments(tmp_path, "out", **asked, degree="2")
        code, error = call(measure.app, words, monkeypatch, capsys)
    sentence = "This model does not support temperature 1.0 with key [key]."
    assert code == 1
    assert f"error: 6 answers in a row failed (rejected 6); the last one: '{sentence}'" in error
    rows = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text().splitlines()]
    assert [(row["failure"], row["text"]) for row in rows] == [("rejected", sentence)] * 6
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["failures.jsonl"]
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret" not in everything
    assert "secret" not in error
