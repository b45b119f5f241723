"""Whatever a stage's files hold, it succeeds or says what is wrong in one line, and leaves earlier outputs as they are."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from support import toy_models, toy_tokenizers
from support.bad_invocations import Maker, rows
from support.chat_server import ScriptedServer, completion
from support.hostile import parquet_bytes
from support.stage_runner import run_stage

from assay.generation.endpoint import ChatApi
from assay.interventions.direction import Direction, DirectionInfo, save_direction
from assay.models.loading import make_pin
from assay.models.registry import ModelEntry
from assay.probes.files import ProbeInfo, save_probes
from assay.probes.linear import UtilityProbe
from assay.prompts.records import write_rows
from assay.storage.files import write_json

ROOT = Path(__file__).parents[2]
STAGES = sorted(
    ".".join(path.relative_to(ROOT / "stages").with_suffix("").parts)
    for path in (ROOT / "stages").rglob("*.py")
    if "\napp = typer.Typer(" in path.read_text()
)
CASES = 12
LONGEST = 600
SECONDS = 20


def make_good_files(folder: Path) -> Path:
    """A tiny model, its pin, and a store, a direction, probes and choices of it in `folder`; the file of the pin."""
    model = toy_models.save(folder / "toy", "gemma3_text", toy_tokenizers.gemma3())
    pin = make_pin(ModelEntry("toy", str(model)))
    write_json(folder / "toy.json", pin.to_json())
    write_rows(folder / "records.jsonl", rows())
    words = {
        "model": folder / "toy.json", "prompts": folder / "records.jsonl", "site": "resid", "layers": "all",
        "position": "prompt[-1]", "pooling": "none", "out": folder / "toy.h5",
    }  # fmt: skip
    assert (
        run_stage("extract", *(word for name, value in words.items() for word in (f"--{name}", value))) == 0
    )
    weight = np.ones(pin.d_model)
    info = DirectionInfo(pin.fingerprint, "resid", "test", {}, "t")
    save_direction(folder / "direction.safetensors", Direction({0: weight, 1: weight}, info))
    probes = {layer: UtilityProbe(weight, 0.0, 1.0, True, penalty=1.0) for layer in (0, 1)}
    about = ProbeInfo(pin.fingerprint, "resid", "m", "utility", "t", 1, "prompt[-1]")
    save_probes(folder / "probes.safetensors", probes, about)
    (folder / "choices.parquet").write_bytes(parquet_bytes())
    return folder / "toy.json"


@pytest.fixture(scope="module")
def pin(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("model")
        patch.chdir(folder)
        return make_good_files(folder)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


REPLIES = (
    (200, completion("Task A: here it is")),
    (200, completion("Task B")),
    (200, completion('{"topic": "a"}')),
    (200, completion("\ud800")),
    (200, completion(None)),
    (200, "[" * 100_000),
    (200, '{"choices": 1e999}'),
    (429, "{}"),
    (500, "x" * 100_000),
    (400, '{"error": {"message": "no\\nsuch\\nmodel"}}'),
    None,
)


@pytest.fixture(scope="module")
def server():
    """An endpoint that answers some questions, and others as broken servers do."""
    with ScriptedServer(
        lambda body, attempt: REPLIES[(len(json.dumps(body)) * 7 + attempt) % len(REPLIES)]
    ) as one:
        yield one.url


@pytest.mark.parametrize("stage", STAGES)
def test_bad_input_is_one_line_and_touches_nothing(stage, pin, server, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ChatApi, "_pause", lambda *_: 0.001)
    maker = Maker(tmp_path, pin, stage, server)
    for _ in range(CASES):
        made = maker.invocation(import_module(f"stages.{stage}").app)
        with at_most(SECONDS):
            status = run_stage(stage, *made.words)
        said = capsys.readouterr().err
        if status == 0:
            continue
        assert made.now() == made.earlier, made.words
        if status == 1:
            errors = [line for line in said.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, said
            assert said.endswith(f"{errors[0]}\n"), said
            assert len(errors[0]) <= LONGEST
        else:
            assert status == 2, said
            assert "Traceback" not in said
