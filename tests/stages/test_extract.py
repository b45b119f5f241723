"""The command as people run it: killed, resumed, refused."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toy_models import build, save
from toy_tokenizers import gemma3

from assay.store import open_store

ROOT = Path(__file__).parents[2]
OPTIONS = {"site": "resid", "layers": "all", "position": "all", "pooling": "none", "batch-tokens": "64"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, prompts and the store of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("world")
    save(folder / "model", "gemma3_text", gemma3())
    rows = [{"id": f"r{i}", "text": "the cat sat on the mat " * (1 + i % 3)} for i in range(600)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = run(folder, folder / "whole.h5")
    assert ran.returncode == 0, ran.stderr
    assert "600 records" in ran.stdout
    assert "none dropped" in ran.stdout
    return folder


def command(folder: Path, out: Path, **changed: str) -> list[str]:
    options = {"model": str(folder / "model"), "prompts": str(folder / "prompts.jsonl"), "out": str(out)}
    options |= OPTIONS | {name.replace("_", "-"): value for name, value in changed.items()}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", "stages.extract", *words]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "ASSAY_SCRATCH": str(folder / "scratch"), "OMP_NUM_THREADS": "1"}


def run(folder: Path, out: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, out, **changed),
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def start(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(folder, out), cwd=ROOT, env=environment(folder), stdout=subprocess.DEVNULL
    )


def shards(folder: Path) -> int:
    return len(list((folder / "scratch").glob("*/*.rows")))


def kill_when(process: subprocess.Popen[bytes], reached: object, pause: float = 0.0) -> None:
    """SIGKILL as soon as `reached()` is true; the process must still be at work then."""
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    time.sleep(pause)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(world: Path) -> None:
    """Five kills among the shards and one in the assembly; meanwhile a second writer is refused."""
    out, moments = world / "killed.h5", random.Random(0)
    out.write_text("earlier")
    for kill in range(5):
        before = shards(world)
        target = before + moments.randint(1, 5)
        process = start(world, out)
        if kill == 2:
            refuse_second_writer(world, out, process)
        kill_when(process, lambda target=target: shards(world) >= target, pause=moments.random() * 0.05)
        assert shards(world) >= target  # what was finished is kept, and each run goes on
        assert out.read_text() == "earlier"
    process = start(world, out)
    kill_when(process, lambda: any((world / "scratch").glob("*/assembling")))
    assert out.read_text() == "earlier"
    ran = run(world, out)
    assert ran.returncode == 0, ran.stderr
    assert out.read_bytes() == (world / "whole.h5").read_bytes()
    assert list((world / "scratch").iterdir()) == []
    assert not list(world.glob(".*.tmp"))


def refuse_second_writer(world: Path, out: Path, first: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not any(lock.read_text() == str(first.pid) for lock in (world / "scratch").glob("*.lock")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    first.send_signal(signal.SIGSTOP)
    second = run(world, out)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert f"process {first.pid} is already writing this result" in second.stderr


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

    def limit() -> (
        None
    ):  # a write beyond it fails like one on a full disk; the store has 1.9 MB, a shard 60 kB
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    ran = subprocess.run(
        command(world, out),
        cwd=ROOT,
        env=environment(world),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: cannot write {out}: File too large; free space")
    assert out.read_text() == "earlier"
    assert shards(world) > 0
    assert run(world, out).returncode == 0
    assert out.read_bytes() == (world / "whole.h5").read_bytes()


def test_bad_input_is_one_line_and_exit_1(world: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "a", "text": "x"}\n{"id": "b", "text": 3}\n')
    out = tmp_path / "a.h5"
    out.write_text("earlier")
    for changed, message in (
        ({"model": "gemma-9"}, "no model 'gemma-9'"),
        ({"layers": "3"}, "layer 3 of 3"),
        ({"site": "mlp"}, "unknown site 'mlp'"),
        ({"prompts": str(broken)}, f"{broken}, line 2: field 'text'"),
        ({"position": "response[:]"}, "'r0'"),
    ):
        ran = run(world, out, **changed)
        assert ran.returncode == 1, ran.stderr
        assert message in ran.stderr
        assert "Traceback" not in ran.stderr
        assert out.read_text() == "earlier"
