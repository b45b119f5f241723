"""The command as people run it: killed, resumed, refused.

One run is `python -m stages.extract`. The processes that get killed are forked from a server that has imported torch
once: each is a process of its own that runs the same command, without ten seconds of imports.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from support.forked import SERVER
from support.toy_models import build, save
from support.toy_tokenizers import gemma3

from assay.activations.store import open_store
from stages import extract
from stages.shared.cli import run

ROOT = Path(__file__).parents[2]
OPTIONS = {"site": "resid", "layers": "all", "position": "all", "pooling": "none", "batch-tokens": "30"}


def arguments(folder: Path, out: Path, **changed: str) -> list[str]:
    options = {"model": str(folder / "model"), "prompts": str(folder / "prompts.jsonl"), "out": str(out)}
    options |= OPTIONS | changed
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def run_stage(words: list[str], scratch: Path, log: Path, file_limit: int | None) -> None:
    """In a forked process: what `python -m stages.extract` does, its output in `log`."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    torch.set_num_threads(1)
    os.environ["ASSAY_SCRATCH"] = str(scratch)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    sys.argv = ["stages.extract", *words]
    run(extract.app)


def start(folder: Path, out: Path, file_limit: int | None = None, log: str = "log") -> BaseProcess:
    process = SERVER.Process(
        target=run_stage, args=(arguments(folder, out), folder / "scratch", folder / log, file_limit)
    )
    process.start()
    return process


def finish(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, prompts and the store of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("world")
    save(folder / "model", "gemma3_text", gemma3())
    rows = [{"id": f"r{i}", "text": "the cat sat on the mat " * (1 + i % 3)} for i in range(600)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = subprocess.run(
        [sys.executable, "-m", "stages.extract", *arguments(folder, folder / "whole.h5")],
        cwd=ROOT,
        env={**os.environ, "ASSAY_SCRATCH": str(folder / "scratch"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "600 records" in ran.stdout
    assert "none dropped" in ran.stdout
    return folder


def shards(folder: Path) -> int:
    return len(list((folder / "scratch").glob("*/*.rows")))


def kill_when(process: BaseProcess, reached: Callable[[], bool], pause: float = 0.0) -> None:
    """SIGKILL as soon as `reached()` is true; the process must still be at work then."""
    deadline = time.monotonic() + 120
    while not reached():
        assert process.is_alive(), "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    time.sleep(pause)
    process.kill()
    assert finish(process) == -signal.SIGKILL


def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(world: Path) -> None:
    """Five kills among the shards and one in the assembly; meanwhile a second writer waits."""
    out, moments = world / "killed.h5", random.Random(0)
    out.write_text("earlier")
    for kill in range(5):
        before = shards(world)
        target = before + moments.randint(2, 6)
        process = start(world, out)
        if kill == 2:
            see_second_writer_wait(world, out, process)
        kill_when(process, lambda target=target: shards(world) >= target, pause=moments.random() * 0.05)
        assert shards(world) >= target  # what was finished is kept, and each run goes on
        assert out.read_text() == "earlier"
    process = start(world, out)
    kill_when(process, lambda: any((world / "scratch").glob("*/assembling")))
    assert out.read_text() == "earlier"
    assert finish(start(world, out)) == 0
    assert out.read_bytes() == (world / "whole.h5").read_bytes()
    assert list((world / "scratch").iterdir()) == []
    assert not list(world.glob(".*.tmp"))


def see_second_writer_wait(world: Path, out: Path, first: BaseProcess) -> None:
    deadline = time.monotonic() + 120
    while not any(lock.read_text() == str(first.pid) for lock in (world / "scratch").glob("*.lock")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(first.pid or 0, signal.SIGSTOP)
    second, log = start(world, out, log="second.log"), world / "second.log"
    kill_when(second, lambda: log.exists() and f"waiting for process {first.pid}," in log.read_text())
    os.kill(first.pid or 0, signal.SIGCONT)


def test_what_was_written_is_what_the_model_says(world: Path) -> None:
    model = build("gemma3_text", vocab_size=len(gemma3()))
    ids = torch.tensor([gemma3()("the cat sat on the mat " * 2).input_ids])
    with torch.no_grad():
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
    with open_store(world / "whole.h5", site="resid", position="all", pooling="none") as store:
        rows = torch.from_numpy(store.read(1, store.rows_of(1)))
    torch.testing.assert_close(rows, hidden[2][0], rtol=1e-4, atol=1e-4)


def test_a_full_disk_keeps_the_earlier_store_and_the_finished_work(world: Path) -> None:
    out = world / "full.h5"
    out.write_text("earlier")

    limit = 1_000_000  # bytes: a write beyond it fails as on a full disk; the store has 2 MB, a shard 50 kB
    assert finish(start(world, out, file_limit=limit)) == 1
    assert f"error: cannot write {out}: File too large; free space" in (world / "log").read_text()
    assert out.read_text() == "earlier"
    assert shards(world) > 0
    assert finish(start(world, out)) == 0
    assert out.read_bytes() == (world / "whole.h5").read_bytes()


def test_bad_input_is_one_line_and_exit_1(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "a", "text": "x"}\n{"id": "b", "text": 3}\n')
    out = tmp_path / "a.h5"
    out.write_text("earlier")
    monkeypatch.setenv("ASSAY_SCRATCH", str(tmp_path / "scratch"))
    for changed, message in (
        ({"model": "gemma-9"}, "no model 'gemma-9'"),
        ({"layers": "3"}, "layer 3 of 3"),
        ({"site": "mlp"}, "unknown site 'mlp'"),
        ({"batch-tokens": "0"}, "Invalid value for '--batch-tokens'"),
        ({"prompts": str(broken)}, f"{broken}, line 2: field 'text'"),
        ({"position": "response[:]"}, "'r0'"),
    ):
        monkeypatch.setattr(sys, "argv", ["stages.extract", *arguments(world, out, **changed)])
        with pytest.raises(SystemExit) as exit_status:
            run(extract.app)
        assert exit_status.value.code == 1
        assert message in capsys.readouterr().err.splitlines()[-1]
        assert out.read_text() == "earlier"


def test_what_was_read_as_plain_text_is_said(world: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "plain", "text": "the cat"},
        {"id": "quoted", "text": "<start_of_turn>user\nhi<end_of_turn>"},
        {"id": "meant", "text": "<start_of_turn>user\nhi<end_of_turn>", "rendered": True},
    ]
    prompts, log = tmp_path / "p.jsonl", tmp_path / "log"
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = arguments(world, tmp_path / "a.h5", prompts=str(prompts), metrics=str(tmp_path / "m.json"))
    process = SERVER.Process(target=run_stage, args=(words, tmp_path / "scratch", log, None))
    process.start()
    assert finish(process) == 0, log.read_text()
    counts = json.loads((tmp_path / "m.json").read_text())
    assert (counts["records"], counts["defused"], counts["defused_records"], counts["bos_added"]) == (
        3,
        2,
        1,
        0,
    )
    assert "2 strings of control tokens in 1 records were read as plain text" in log.read_text()
